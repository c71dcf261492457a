// SPDX-License-Identifier: MIT
// Future and promise in all interleavings: the result reaches who waits, or who is left with it;
// and the state goes once, with the last of both.
#include <optional>
#include <utility>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/sync/future.hpp"

namespace {

using namespace pinion::model;
using pinion::context;
using pinion::errc;
using pinion::future;
using pinion::promise;
using pinion::scoped_context;

using value = cell<int>;

// With a look in place of the change to `waiting` in try_complete(), or without the line in
// publish_to_consumer(), the consumer is left behind.
void set_against_wait() {
  promise<value> p;
  future<value> f = p.get_future();
  cell<int> before = 0;
  thread producer([&] {
    promise<value> mine = std::move(p);
    before.write(1);
    require(mine.set(value(42)), "the first call wins");
  });
  auto r = f.wait();
  require(r.has_value() && r->read() == 42, "the value");
  require(before.read() == 1, "what the producer did before");
  producer.join();
}

// The consumer asks first, and takes what is ready without waiting.
void set_against_ready() {
  promise<value> p;
  future<value> f = p.get_future();
  thread producer([&] {
    promise<value> mine = std::move(p);
    (void)mine.set(value(42));
  });
  if (f.ready()) {
    auto r = f.take();
    require(r.has_value() && r->read() == 42, "the value");
  }
  producer.join();
}

// Two set: with a look and a store in place of the exchange in set(), both complete the state.
void set_twice() {
  promise<value> p;
  future<value> f = p.get_future();
  bool won[2] = {};
  thread one([&] { won[0] = p.set(value(1)); });
  thread two([&] { won[1] = p.set(value(2)); });
  auto r = f.wait();
  one.join(), two.join();
  require(r.has_value() && won[0] != won[1], "one wins");
  require(r->read() == (won[0] ? 1 : 2), "the winner's");
}

// A promise that is dropped ends the wait.
void dropped_against_wait() {
  std::optional<promise<value>> p(std::in_place);
  future<value> f = p->get_future();
  thread producer([&] { p.reset(); });
  require(f.wait().error() == errc::not_started, "never set");
  producer.join();
}

/// A state that counts how often its error is reported, and how often it goes.
struct counted_state final : pinion::detail::future_state<value> {
  struct counts {
    cell<int> disposed = 0, reported = 0;
    cell<int> result = 0, consumer = 0;  // what each side has done before it goes
  };

  explicit counted_state(counts& of) noexcept : future_state(actions), all(of) {}
  static counted_state& of(pinion::detail::future_state_base& s) noexcept {
    return static_cast<counted_state&>(s);
  }

  static void dispose(pinion::detail::future_state_base& s) noexcept {
    counts& all = of(s).all;
    all.disposed.write(all.disposed.read() + 1);
    require(all.result.read() == 1, "the producer is done with it");
    require(all.consumer.read() == 1, "the consumer is done with it");
    (void)all.reported.read();  // by whichever of them
    delete &of(s);
  }
  static void report(pinion::detail::future_state_base& s, const pinion::error&) noexcept {
    counts& all = of(s).all;
    require(all.result.read() == 1, "the error is seen as it was written");
    all.reported.write(all.reported.read() + 1);
  }
  static constexpr pinion::detail::future_actions actions{.dispose = &dispose, .report = &report};

  counts& all;
};

// The future goes while the error comes: it is reported once, by one of them, and the state goes
// once. With a look, and an unconditional `dropped`, the error is left to nobody.
void error_against_drop() {
  counted_state::counts all;
  auto* const state = new counted_state(all);
  thread producer([&] {
    all.result.write(1);
    state->complete(errc::failed);
  });
  {
    const future<value> f(*state);
    all.consumer.write(1);
  }
  producer.join();
  require(all.disposed.read() == 1, "goes once");
  require(all.reported.read() == 1, "reported once");
}

// As above, with a consumer that stops waiting before it goes: the mark `waiting` stays.
void given_up_against_set(bool fails) {
  counted_state::counts all;
  auto* const state = new counted_state(all);
  scoped_context ctx = with_cancel(context::background());
  thread producer([&] {
    all.result.write(1);
    if (fails)
      state->complete(errc::failed);
    else
      state->complete(value(42));
  });
  thread canceller([&] { (void)ctx.cancel(); });
  bool fetched = false;
  {
    future<value> f(*state);
    all.consumer.write(1);
    auto r = f.with(ctx).wait();
    fetched = r.has_value() || r.error() == errc::failed;
    if (r.has_value()) require(r->read() == 42, "the value");
    if (!fetched) require(r.error() == errc::canceled, "ended by the context");
  }
  producer.join(), canceller.join();
  require(all.disposed.read() == 1, "goes once");
  require(all.reported.read() == (fails && !fetched ? 1 : 0), "reported if nobody fetched it");
}

// The consumer takes the result, and the producer is not back yet: who comes second disposes.
void taken_against_set() {
  counted_state::counts all;
  auto* const state = new counted_state(all);
  thread producer([&] {
    all.result.write(1);
    state->complete(value(42));
  });
  {
    future<value> f(*state);
    all.consumer.write(1);
    auto r = f.wait();
    require(r.has_value() && r->read() == 42, "the value");
    require(all.result.read() == 1, "what the producer did before");
  }
  producer.join();
  require(all.disposed.read() == 1, "goes once");
}

const options two_stops{.preemptions = 2};
const options with_spurious{.preemptions = 2, .may_fail = {.spurious = 1}};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {{}, set_against_ready},
      {two_stops, set_against_wait},
      {two_stops, dropped_against_wait},
      {two_stops, taken_against_set},
      {with_spurious, error_against_drop},
      {two_stops, set_twice},
      {two_stops, [] { given_up_against_set(true); }},
  };
  return all;
}

TEST(future_model, who_waits_gets_the_result) {
  EXPECT_TRUE(holds_always(with_spurious, set_against_wait));
  EXPECT_TRUE(holds_always({}, set_against_ready));
  EXPECT_TRUE(holds_always(two_stops, set_twice));
}
TEST(future_model, a_dropped_promise_ends_the_wait) {
  EXPECT_TRUE(holds_always(with_spurious, dropped_against_wait));
}
TEST(future_model, an_error_is_reported_once) {
  EXPECT_TRUE(holds_always(with_spurious, error_against_drop));
}
TEST(future_model, a_wait_may_be_given_up) {
  EXPECT_TRUE(holds_always(two_stops, [] { given_up_against_set(true); }));
  EXPECT_TRUE(holds_always(two_stops, [] { given_up_against_set(false); }));
}
TEST(future_model, the_state_goes_once) {
  EXPECT_TRUE(holds_always(with_spurious, taken_against_set));
}

TEST(future_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"future_state.hpp", "future.hpp", "future.cpp"}));
}

}  // namespace
