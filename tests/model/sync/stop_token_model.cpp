// SPDX-License-Identifier: MIT
// The stop token in all interleavings: one request wins; a callback that joins in time runs, once,
// and one that has left does not run and will not.
#include <memory>
#include <optional>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/sync/stop_token.hpp"

namespace {

using namespace pinion::model;
using pinion::stop_callback;
using pinion::stop_source;
using pinion::stop_token;
using pinion::os::atomic;

constexpr auto relaxed = std::memory_order_relaxed;

// With the look at the flag in request_stop() before the lock, both win.
void two_requests() {
  stop_source source;
  cell<int> before = 0;
  int runs = 0;
  stop_callback counted(source.token(), [&] { ++runs; });
  bool won[2] = {};
  thread other([&] { won[1] = source.request_stop(); });
  before.write(1);
  won[0] = source.request_stop();
  require(source.token().stop_requested(), "who has lost sees the stop too");
  other.join();
  require(won[0] != won[1], "one wins");
  require(runs == 1, "called once");
}

// With a look at the flag in join() before the lock, the callback is missed. Both who asks and the
// callback see what was done before the request.
void register_against_request() {
  stop_source source;
  cell<int> before = 0;
  thread requester([&] {
    before.write(1);
    (void)source.request_stop();
  });
  int runs = 0;
  {
    const stop_token token = source.token();
    if (token.stop_requested()) require(before.read() == 1, "done before the request");
    stop_callback counted(token, [&] {
      ++runs;
      require(before.read() == 1, "done before the request");
    });
    requester.join();
  }
  require(runs == 1, "called once, here or there");
}

// Who leaves finds it called, or it never is; in between it waits for the end of the call. Without
// the wait in leave() the callback runs after its end.
void leave_against_request() {
  stop_source source;
  cell<int> mine = 0;
  int runs = 0;
  const auto body = [&] {
    ++runs;
    mine.write(mine.read() + 1);
    atomic<int> moment{0};
    moment.store(1, relaxed);  // others may come in between
    mine.write(mine.read() + 1);
  };
  auto callback = std::make_unique<stop_callback<decltype(body)>>(source.token(), body);
  thread requester([&] { (void)source.request_stop(); });
  callback.reset();
  const int then = runs;
  require(mine.read() == 2 * then, "not in the middle of it");
  mine.write(0);  // the callback does not come to this any more
  requester.join();
  require(runs == then && mine.read() == 0, "not called afterwards");
}

// Two callbacks, and the second leaves meanwhile: it waits for its own call only, and the list is
// the other's when it has gone.
void leave_behind_another() {
  stop_source source;
  cell<int> first = 0, second = 0;
  stop_callback one(source.token(), [&] { first.write(1); });
  std::optional<stop_callback<std::function<void()>>> two;
  two.emplace(source.token(), [&] { second.write(1); });
  thread requester([&] { (void)source.request_stop(); });
  two.reset();
  const int then = second.read();
  requester.join();
  require(first.read() == 1, "the first is called");
  require(second.read() == then, "the second is not called afterwards");
}

// Two leave the callback that is being called, and the one behind it: each wake-up of outside_call
// is for all who wait, and each looks again.
void two_wait_for_the_call() {
  stop_source source;
  cell<int> first = 0, second = 0;
  using callback = stop_callback<std::function<void()>>;
  auto one = std::make_unique<callback>(source.token(), [&] { first.write(1); });
  auto two = std::make_unique<callback>(source.token(), [&] { second.write(1); });
  thread requester([&] { (void)source.request_stop(); });
  thread other([&] {
    one.reset();
    (void)first.read();
  });
  two.reset();
  const int then = second.read();
  requester.join(), other.join();
  require(second.read() == then, "not called afterwards");
}

// A callback ends its own registration and the last source; another thread has the last token.
// Without the handle in request_stop() the state is gone when the callback returns.
void callback_destroys_all() {
  auto source = std::make_unique<stop_source>();
  int runs = 0;
  using callback = stop_callback<std::function<void()>>;
  std::unique_ptr<callback> self;
  self = std::make_unique<callback>(source->token(), [&] {
    ++runs;
    source.reset();
    self.reset();
  });
  thread asking([token = source->token()]() mutable {
    (void)token.stop_requested();
    token = stop_token();
  });
  stop_source& there = *source;
  require(there.request_stop(), "the only request");
  require(runs == 1, "called once");
  asking.join();
}

// No source is left, and none has asked: then none will. With a relaxed count in the destructor of
// the source, the last request is missed.
void last_source_goes() {
  auto source = std::make_unique<stop_source>();
  const stop_token token = source->token();
  cell<int> before = 0;
  thread requester([&] {
    before.write(1);
    (void)source->request_stop();
    source.reset();
  });
  const bool possible = token.stop_possible();
  require(possible, "it was requested, or may be");
  if (token.stop_requested()) require(before.read() == 1, "done before the request");
  requester.join();
  require(token.stop_possible(), "it was requested");
}

// Handles go on several threads; the last one destroys the state.
void handles_go() {
  auto source = std::make_unique<stop_source>();
  thread one([copy = *source]() mutable {
    stop_token token = copy.token();
    copy = stop_source(std::move(copy));
    (void)token.stop_requested();
  });
  thread two([token = source->token()]() mutable { token = stop_token(); });
  source.reset();
  one.join(), two.join();
}

const options two_stops{.preemptions = 2};
const options with_spurious{.preemptions = 2, .may_fail = {.spurious = 1}};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {two_stops, two_requests},          {two_stops, register_against_request},
      {two_stops, last_source_goes},      {two_stops, handles_go},
      {two_stops, leave_against_request}, {two_stops, leave_behind_another},
      {two_stops, callback_destroys_all}, {two_stops, two_wait_for_the_call},
  };
  return all;
}

TEST(stop_token_model, one_request_wins) {
  EXPECT_TRUE(holds_always(two_stops, two_requests));
}
TEST(stop_token_model, a_callback_is_called_once) {
  EXPECT_TRUE(holds_always(two_stops, register_against_request));
}
TEST(stop_token_model, who_has_left_is_not_called) {
  EXPECT_TRUE(holds_always(with_spurious, leave_against_request));
  EXPECT_TRUE(holds_always(with_spurious, leave_behind_another));
  EXPECT_TRUE(holds_always(two_stops, two_wait_for_the_call));
}
TEST(stop_token_model, a_callback_may_destroy_all) {
  EXPECT_TRUE(holds_always(two_stops, callback_destroys_all));
}
TEST(stop_token_model, the_last_source_and_the_last_handle) {
  EXPECT_TRUE(holds_always(two_stops, last_source_goes));
  EXPECT_TRUE(holds_always(two_stops, handles_go));
}

TEST(stop_token_model, mutants_are_killed) {
  EXPECT_TRUE(
      survivors_are_known(trials(), {"stop_token.hpp", "stop_token.cpp", "outside_call.hpp"}));
}

}  // namespace
