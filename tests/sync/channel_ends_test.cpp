// SPDX-License-Identifier: MIT
// The ends of a channel: cancel and deadline, permits, batches, iteration, handles of nothing.
#include "pinion/sync/channel_ends.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/channels.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/channel.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/timer.hpp"

namespace {

using pinion::channel;
using pinion::context;
using pinion::errc;
using pinion::receiver;
using pinion::sender;
using pinion::with_cancel;
using pinion::with_timeout;
using pinion::test::until_receivers;
using pinion::test::until_senders;
using pinion::test::waiting_thread;

using namespace std::chrono_literals;

TEST(channel_ends, CH_21_a_canceled_send_has_its_value_and_leaves_the_line) {
  for (const std::size_t capacity : {0u, 1u}) {
    channel<std::unique_ptr<int>> ch(capacity);
    if (capacity == 1) {
      EXPECT_TRUE(ch.try_send(std::make_unique<int>(0)));
    }
    auto ctx = with_cancel(context::background());
    waiting_thread first(ch.send(ctx, std::make_unique<int>(1)));
    until_senders(ch, 1);
    waiting_thread second(ch.send(std::make_unique<int>(2)));
    until_senders(ch, 2);
    ctx.cancel(errc::overloaded);
    EXPECT_EQ(first.get().error(), errc::canceled);
    EXPECT_EQ(*first.operation().payload(), 1);
    EXPECT_EQ(ch.waiting_to_send(), 1u);
    if (capacity == 1) {
      EXPECT_EQ(*ch.recv().wait().value(), 0);
    }
    EXPECT_EQ(*ch.recv().wait().value(), 2);
    EXPECT_TRUE(second.get());
  }
}

TEST(channel_ends, CH_21_a_canceled_operation_can_be_run_again) {
  channel<std::unique_ptr<int>> ch(1);
  auto ctx = with_cancel(context::background());
  auto receive = ch.recv(ctx);
  auto send = ch.send(ctx, std::make_unique<int>(7));
  EXPECT_TRUE(ch.try_send(std::make_unique<int>(1)));
  std::thread canceller([&] {
    until_senders(ch, 1);
    ctx.cancel();
  });
  EXPECT_EQ(send.wait().error(), errc::canceled);
  canceller.join();
  EXPECT_EQ(receive.wait().error(), errc::canceled);
  ctx = with_cancel(context::background());
  EXPECT_EQ(*receive.wait().value(), 1);
  EXPECT_TRUE(send.wait());
  EXPECT_EQ(*receive.wait().value(), 7);
}

TEST(channel_ends, CH_22_XC_3_a_context_that_is_done_wins_over_what_is_ready) {
  channel<int> ch(2);
  EXPECT_TRUE(ch.try_send(1));
  auto ctx = with_cancel(context::background());
  ctx.cancel();
  EXPECT_EQ(ch.recv(ctx).wait().error(), errc::canceled);
  EXPECT_EQ(ch.send(ctx, 2).wait().error(), errc::canceled);
  EXPECT_EQ(ch.reserve(ctx).wait().error(), errc::canceled);
  EXPECT_EQ(ch.recv_many(ctx, 2).wait().error(), errc::canceled);
  EXPECT_EQ(ch.size_approx(), 1u);
  ch.close();
  EXPECT_EQ(ch.send(ctx, 2).wait().error(), errc::canceled);  // before closed
}

TEST(channel_ends, CH_22_a_deadline_ends_a_wait) {
  pinion::manual_clock clock;
  const context root = context::root(clock);
  channel<int> ch;
  auto ctx = with_timeout(root, 5ms);
  waiting_thread receives(ch.recv(ctx));
  waiting_thread sends_nothing(ch.recv_many(ctx, 4));
  until_receivers(ch, 2);
  clock.advance(5ms);
  EXPECT_EQ(receives.get().error(), errc::deadline_exceeded);
  EXPECT_EQ(sends_nothing.get().error(), errc::deadline_exceeded);
  EXPECT_EQ(ch.waiting_to_receive(), 0u);
}

TEST(channel_ends, CH_23_a_permit_holds_a_place) {
  channel<int> ch(2);
  auto permit = ch.reserve().wait().value();
  EXPECT_TRUE(ch.try_send(1));
  EXPECT_EQ(ch.try_send(2).error(), errc::not_ready);
  EXPECT_EQ(ch.size_approx(), 1u);
  std::move(permit).send(3);
  EXPECT_EQ(ch.try_recv().value(), 1);
  EXPECT_EQ(ch.try_recv().value(), 3);
  EXPECT_TRUE(ch.try_send(4));
  EXPECT_TRUE(ch.try_send(5));  // both places are free again
}

TEST(channel_ends, CH_23_a_permit_outlives_close_and_receivers_wait_for_it) {
  channel<int> ch(2);
  std::optional used = ch.reserve().wait().value();
  std::optional dropped = ch.reserve().wait().value();
  waiting_thread first(ch.recv());
  until_receivers(ch, 1);
  waiting_thread second(ch.recv());
  until_receivers(ch, 2);
  EXPECT_TRUE(ch.close());
  EXPECT_EQ(ch.reserve().wait().error(), errc::closed);
  EXPECT_EQ(ch.try_recv().error(), errc::not_ready);
  std::move(*used).send(7);
  EXPECT_EQ(first.get().value(), 7);
  EXPECT_EQ(ch.waiting_to_receive(), 1u);
  dropped.reset();
  EXPECT_EQ(second.get().error(), errc::closed);
  EXPECT_EQ(ch.recv().wait().error(), errc::closed);
}

TEST(channel_ends, CH_23_a_dropped_permit_lets_one_in) {
  channel<int> ch(1);
  std::optional permit = ch.reserve().wait().value();
  waiting_thread sends(ch.send(1));
  until_senders(ch, 1);
  waiting_thread reserves(ch.reserve());
  until_senders(ch, 2);
  permit.reset();
  EXPECT_TRUE(sends.get());
  EXPECT_EQ(ch.waiting_to_send(), 1u);
  EXPECT_EQ(ch.recv().wait().value(), 1);
  auto next = std::move(reserves.get()).value();
  EXPECT_EQ(ch.try_send(2).error(), errc::not_ready);
  std::move(next).send(3);
  EXPECT_EQ(ch.recv().wait().value(), 3);
}

TEST(channel_ends, CH_23_a_value_for_nobody_is_undelivered) {
  std::vector<int> undelivered;
  channel<int> ch({.capacity = 1, .on_undelivered = [&](int&& n) { undelivered.push_back(n); }});
  std::optional out = receiver<int>(ch);
  auto permit = ch.reserve().wait().value();
  out.reset();
  std::move(permit).send(1);
  EXPECT_EQ(undelivered, std::vector{1});
  EXPECT_EQ(channel<int>(0).reserve().wait().error(), errc::too_large);
}

// While all places are reserved, a sender and a receiver meet without one.
TEST(channel_ends, CH_23_who_waits_at_reserved_places_meets_who_receives) {
  channel<int> ch(1);
  auto permit = ch.reserve().wait().value();
  {
    waiting_thread sends(ch.send(1));
    until_senders(ch, 1);
    EXPECT_EQ(ch.recv().wait().value(), 1);
    EXPECT_TRUE(sends.get());
  }
  waiting_thread receives(ch.recv());
  until_receivers(ch, 1);
  EXPECT_TRUE(ch.try_send(2));
  EXPECT_EQ(receives.get().value(), 2);
}

TEST(channel_ends, CH_24_a_batch_takes_what_is_there) {
  channel<int> ch(4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ch.try_send(int{i}));
  waiting_thread fifth(ch.send(4));
  until_senders(ch, 1);
  EXPECT_EQ(ch.recv_many(3).wait().value(), (std::vector{0, 1, 2}));
  EXPECT_EQ(ch.recv_many(100).wait().value(), (std::vector{3, 4}));
  EXPECT_TRUE(fifth.get());
  ch.close();
  EXPECT_EQ(ch.recv_many(100).wait().error(), errc::closed);
}

TEST(channel_ends, CH_24_a_batch_that_waits_comes_back_with_what_has_come) {
  channel<int> ch(4);
  waiting_thread batch(ch.recv_many(3));
  until_receivers(ch, 1);
  EXPECT_TRUE(ch.try_send(1));
  const auto got = batch.get().value();
  ASSERT_GE(got.size(), 1u);
  EXPECT_EQ(got[0], 1);
}

TEST(channel_ends, CH_24_a_batch_without_buffer_takes_from_all_who_send) {
  channel<int> ch;
  std::vector<std::unique_ptr<waiting_thread<pinion::send_op<int>>>> sends;
  for (int i = 0; i < 3; ++i) {
    sends.push_back(std::make_unique<waiting_thread<pinion::send_op<int>>>(ch.send(int{i})));
    until_senders(ch, static_cast<std::size_t>(i) + 1);
  }
  EXPECT_EQ(ch.recv_many(2).wait().value(), (std::vector{0, 1}));
  EXPECT_EQ(ch.recv_many(0).wait().value(), std::vector{2});  // at least one
}

TEST(channel_ends, CH_24_XC_9_batches_and_receives_wait_in_one_line) {
  channel<int> ch(1);
  waiting_thread first(ch.recv_many(1));
  until_receivers(ch, 1);
  waiting_thread second(ch.recv());
  until_receivers(ch, 2);
  waiting_thread third(ch.recv_many(1));
  until_receivers(ch, 3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ch.try_send(int{i}));
  EXPECT_EQ(first.get().value(), std::vector{0});
  EXPECT_EQ(second.get().value(), 1);
  EXPECT_EQ(third.get().value(), std::vector{2});
}

TEST(channel_ends, CH_26_iteration_ends_when_closed_and_drained) {
  channel<int> ch(8);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(ch.try_send(int{i}));
  int next = 0;
  for (const int& n : ch) {
    EXPECT_EQ(n, next++);
    if (next == 2) break;
  }
  EXPECT_EQ(ch.size_approx(), 3u);  // leaving early loses nothing
  ch.close();
  for (const int& n : ch) EXPECT_EQ(n, next++);
  EXPECT_EQ(next, 5);
  static_assert(std::input_iterator<pinion::receive_end<int>::iterator>);
}

TEST(channel_ends, CH_28_a_handle_of_nothing_waits_for_its_context) {
  channel<int> ch(1);
  sender<int> in(ch);
  receiver<int> out(ch);
  const sender<int> kept_in(std::move(in));
  const receiver<int> kept_out(std::move(out));
  EXPECT_EQ(in.try_send(1).error(), errc::not_ready);
  EXPECT_EQ(out.try_recv().error(), errc::not_ready);
  EXPECT_EQ(out.size_approx(), 0u);
  EXPECT_FALSE(in.close());
  EXPECT_EQ(in.send(1).wait().error(), errc::would_deadlock);
  EXPECT_EQ(out.recv(context::background()).wait().error(), errc::would_deadlock);
  EXPECT_EQ(in.reserve().wait().error(), errc::would_deadlock);
  EXPECT_EQ(out.recv_many(2).wait().error(), errc::would_deadlock);
  auto ctx = with_cancel(context::background());
  waiting_thread receives(out.recv(ctx));
  ctx.cancel();
  EXPECT_EQ(receives.get().error(), errc::canceled);
}

}  // namespace
