// SPDX-License-Identifier: MIT
// Channels in all interleavings: every value is received once or comes back, whoever sends,
// receives, cancels and closes; what was written before a send is seen after its receive; nobody is
// left behind.
#include <optional>
#include <utility>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/sync/channel.hpp"
#include "pinion/sync/context.hpp"

namespace {

using namespace pinion::model;
using pinion::channel;
using pinion::context;
using pinion::errc;
using pinion::scoped_context;

using value = cell<int>;

int number(pinion::result<value>& r) {
  return r->read();
}

// With the lines looked at before the lock is taken, the receiver sleeps for ever.
void send_against_receive(std::size_t capacity) {
  channel<value> ch(capacity);
  cell<int> before = 0;
  thread sender([&] {
    before.write(1);
    require(ch.send(value(7)).wait().has_value(), "sent");
  });
  auto r = ch.recv().wait();
  require(r.has_value() && number(r) == 7, "the value");
  require(before.read() == 1, "what was done before the send");
  sender.join();
}

// With claims in place of moves first, or with a place given to a new sender, an order is lost.
void two_values(std::size_t capacity) {
  channel<value> ch(capacity);
  thread sender([&] {
    for (int i = 1; i <= 2; ++i) require(ch.send(value(i)).wait().has_value(), "sent");
    require(ch.close(), "closed by this one");
  });
  for (int i = 1; i <= 2; ++i) {
    auto r = ch.recv().wait();
    require(r.has_value() && number(r) == i, "in order");
  }
  require(ch.recv().wait().error() == errc::closed, "the end");
  sender.join();
}

// Two send and one receives twice: each arrives.
void two_senders(std::size_t capacity) {
  channel<value> ch(capacity);
  thread one([&] { require(ch.send(value(1)).wait().has_value(), "sent"); });
  thread two([&] { require(ch.send(value(2)).wait().has_value(), "sent"); });
  auto a = ch.recv().wait(), b = ch.recv().wait();
  require(number(a) + number(b) == 3, "both");
  one.join(), two.join();
}

// A send that is canceled has its value, and one that is not canceled has been received or waits to
// be. With a look at the context after the wake in place of the winner, a value is in two places.
void cancel_against_receive(std::size_t capacity) {
  channel<value> ch(capacity);
  for (std::size_t i = 0; i < capacity; ++i) require(ch.try_send(value(0)).has_value(), "room");
  scoped_context ctx = with_cancel(context::background());
  thread canceller([&] { (void)ctx.cancel(); });
  thread receiver([&] { (void)ch.try_recv(); });
  auto send = ch.send(ctx, value(7));
  const auto sent = send.wait();
  receiver.join(), canceller.join();
  require(sent.has_value() || sent.error() == errc::canceled, "sent or canceled");
  if (!sent) require(send.payload().read() == 7, "it comes back");
  require(ch.waiting_to_send() == 0, "nobody is left in the line");
  if (sent && capacity > 0) {
    auto r = ch.try_recv();  // the receiver has taken the one before
    require(r.has_value() && number(r) == 7, "it has arrived");
  }
}

// Close meets a send and a receive: the value is received, or comes back, or is left.
void close_against_both(std::size_t capacity) {
  channel<value> ch(capacity);
  thread closer([&] { require(ch.close(errc::stopped), "the first"); });
  bool came_back = false;
  thread sender([&] {
    auto send = ch.send(value(7));
    came_back = !send.wait().has_value();
    if (came_back) require(send.payload().read() == 7, "it comes back");
  });
  auto r = ch.recv().wait();
  closer.join(), sender.join();
  if (r.has_value())
    require(number(r) == 7 && !came_back, "received, and in one place");
  else
    require(r.error().cause() == make_error_code(errc::stopped), "the cause");
  auto left = ch.close_and_take();
  require(left.size() + r.has_value() + came_back == 1, "in one place");
}

// The last permit goes while somebody waits for the end.
void permit_against_receive(bool used) {
  channel<value> ch(1);
  std::optional<pinion::send_permit<value>> permit(std::move(*ch.reserve().wait()));
  require(ch.close(), "closed");
  thread holder([&] {
    if (used) std::move(*permit).send(value(7));
    permit.reset();
  });
  auto r = ch.recv().wait();
  require(r.has_value() == used, "the value, or the end");
  require(ch.recv().wait().error() == errc::closed, "the end");
  holder.join();
}

// By the roads alone: two on one side, one on the other, no waiting.
void roads_only() {
  channel<value> ch(2);
  cell<int> before = 0;
  thread one([&] {
    before.write(1);
    (void)ch.try_send(value(1));
  });
  thread two([&] { (void)ch.try_send(value(2)); });
  int got = 0;
  for (int i = 0; i < 3; ++i) {
    auto r = ch.try_recv();
    if (!r) continue;
    if (number(r) == 1) require(before.read() == 1, "what was done before the send");
    ++got;
  }
  one.join(), two.join();
  for (int left = 2 - got; left > 0; --left) {
    auto r = ch.try_recv();
    require(r.has_value() && number(r) > 0, "both have come");
  }
  require(!ch.try_recv().has_value(), "and no more");
}

// A place is used again when what was in it has been taken.
void second_lap() {
  channel<value> ch(1);
  require(ch.try_send(value(1)).has_value(), "room");
  thread sender([&] { (void)ch.try_send(value(2)); });
  auto first = ch.try_recv();
  require(first.has_value() && number(first) == 1, "the first");
  sender.join();
  auto second = ch.try_recv();
  require(!second.has_value() || number(second) == 2, "the second, if there was room");
}

// The lock's holder keeps others off the roads. With the roads opened between the look and the
// place in line, a value is sent past who waits, and that one sleeps for ever.
void road_against_line() {
  channel<value> ch(1);
  thread sender([&] { require(ch.try_send(value(7)).has_value(), "room, or somebody waits"); });
  auto r = ch.recv_many(1).wait();
  require(r.has_value() && (*r)[0].read() == 7, "the value");
  sender.join();
}

const options all{};
const options two_stops{.preemptions = 2};
const options some{.how = mode::priorities, .executions = 10'000, .changes = 4};

TEST(channel_model, CH_27_a_value_and_what_came_before_it) {
  for (const std::size_t capacity : {0u, 1u})
    EXPECT_TRUE(holds_always(two_stops, [=] { send_against_receive(capacity); }));
}
TEST(channel_model, CH_3_values_in_order_and_then_the_end) {
  for (const std::size_t capacity : {0u, 1u, 2u})
    EXPECT_TRUE(holds_always({.preemptions = 1}, [=] { two_values(capacity); }));
}
TEST(channel_model, roads_publish_what_they_carry) {
  EXPECT_TRUE(holds_always(two_stops, roads_only));
  EXPECT_TRUE(holds_always(all, second_lap));
}
TEST(channel_model, CH_4_nobody_goes_past_who_waits) {
  EXPECT_TRUE(holds_always(two_stops, road_against_line));
}
TEST(channel_model, CH_7_two_senders) {
  for (const std::size_t capacity : {0u, 1u})
    EXPECT_TRUE(holds(some, [=] { two_senders(capacity); }));
}
TEST(channel_model, CH_21_cancel_against_receive) {
  for (const std::size_t capacity : {0u, 1u})
    EXPECT_TRUE(holds(some, [=] { cancel_against_receive(capacity); }));
}
TEST(channel_model, CH_14_close_against_send_and_receive) {
  for (const std::size_t capacity : {0u, 1u, 2u})
    EXPECT_TRUE(holds(some, [=] { close_against_both(capacity); }));
}
TEST(channel_model, CH_23_the_last_permit) {
  for (const bool used : {false, true})
    EXPECT_TRUE(holds_always(two_stops, [=] { permit_against_receive(used); }));
}

const std::vector<trial>& trials() {
  static const std::vector<trial> some_of_them = {
      {{.preemptions = 2}, roads_only},
      {all, second_lap},
      {two_stops, road_against_line},
      {{.preemptions = 2, .cpus = 2}, second_lap},
      {two_stops, [] { send_against_receive(1); }},
  };
  return some_of_them;
}
TEST(channel_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"channel_buffer.hpp", "channel.cpp"}));
}

}  // namespace
