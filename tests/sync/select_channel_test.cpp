// SPDX-License-Identifier: MIT
// Channels as the cases of a select.
#include <utility>

#include "tests/support/allocations.hpp"
#include "tests/support/over_when_enlisted.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/channel.hpp"
#include "pinion/sync/select.hpp"

namespace {

using pinion::channel;
using pinion::errc;
using pinion::select;
using pinion::try_select;
using pinion::test::allocation_count;
using pinion::test::over_when_enlisted;

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

}  // namespace
