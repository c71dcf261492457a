// SPDX-License-Identifier: MIT
// Channels as the cases of a select.
#include <utility>

#include "tests/support/allocations.hpp"
#include "tests/support/over_when_enlisted.hpp"
#include "tests/support/waiting_thread.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/channel.hpp"
#include "pinion/sync/select.hpp"

namespace {

using pinion::channel;
using pinion::context;
using pinion::errc;
using pinion::receiver;
using pinion::select;
using pinion::try_select;
using pinion::when;
using pinion::with_cancel;
using pinion::test::allocation_count;
using pinion::test::over_when_enlisted;
using pinion::test::waiting_thread;

TEST(select_channel, SEL_3_many_selects_leave_nothing_on_an_idle_channel) {
  channel<int> idle, other(1);
  const allocation_count count;
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_EQ(select(idle.recv(), other.recv(), over_when_enlisted()).wait()->index(), 2u);
  }
  EXPECT_EQ(count.get(), 0u);
}

TEST(select_channel, SEL_12_a_select_does_not_meet_itself) {
  channel<int> meet;
  EXPECT_EQ(try_select(meet.send(1), meet.recv()).error(), errc::not_ready);
  EXPECT_EQ(select(meet.send(1), meet.recv(), over_when_enlisted()).wait()->index(), 2u);
  EXPECT_EQ(meet.try_recv().error(), errc::not_ready);
  EXPECT_EQ(meet.try_send(1).error(), errc::not_ready);
}

TEST(select_channel, SEL_9_what_is_closed_is_ready) {
  channel<int> open, closed(1);
  closed.close();
  auto sending = closed.send(5);
  EXPECT_EQ(get<1>(*select(open.recv(), closed.recv()).wait()).error(), errc::closed);
  EXPECT_EQ(get<1>(*select(open.recv(), sending).wait()).error(), errc::closed);
  EXPECT_EQ(sending.payload(), 5);
}

// As a nil channel in Go. Finds: a handle that was moved from and wins with an error, or is waited
// for although nobody can end that.
TEST(select_channel, SEL_10_CH_28_a_handle_of_nothing_is_never_ready) {
  channel<int> ch(1);
  receiver<int> gone(ch);
  receiver<int> out(std::move(gone));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(ch.try_send(7));
    const auto won = select(gone.recv(), when(true, gone.recv_many(2)), out.recv()).wait();
    ASSERT_EQ(won.value().index(), 2u);
  }
  EXPECT_EQ(try_select(gone.recv()).error(), errc::not_ready);
  EXPECT_EQ(select(gone.recv(), when(true, gone.recv())).wait().error(), errc::would_deadlock);
  EXPECT_EQ(select(select(gone.recv())).wait().error(), errc::would_deadlock);
  auto done = with_cancel(context::background());
  done.cancel();
  EXPECT_EQ(get<0>(try_select(gone.recv(done)).value()).error(), errc::canceled);
  auto ctx = with_cancel(context::background());
  waiting_thread waits(select(ctx, gone.recv()));
  ctx.cancel();
  EXPECT_EQ(waits.get().error(), errc::canceled);
}

}  // namespace
