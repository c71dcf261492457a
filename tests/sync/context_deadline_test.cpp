// SPDX-License-Identifier: MIT
// Contexts end when their time has come, and their timers go with them.
#include <chrono>

#include "tests/support/contexts.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"

namespace {

using namespace std::chrono_literals;
using namespace pinion::test;
using pinion::context;
using pinion::duration;
using pinion::errc;
using pinion::error;
using pinion::forever;
using pinion::with_cancel;
using pinion::with_deadline;
using pinion::with_timeout;
using pinion::with_value;
using pinion::without_cancel;

TEST(context, CTX_16_the_first_cause_stays_with_deadlines) {
  const error c1 = user_error("c1"), t = user_error("t");
  expect_end(with_timeout(background(), 0s), errc::deadline_exceeded, "deadline exceeded");
  expect_end(with_timeout(background(), 0s, t), errc::deadline_exceeded, "t");
  {
    tree x(1s, t);
    x.child.cancel();
    expect_end(x.child, errc::canceled, "canceled");
  }
  {
    tree x(0s, t);
    x.parent.cancel(c1);
    expect_end(x.child, errc::deadline_exceeded, "t");
  }
  {
    tree x(1s, t);
    x.parent.cancel(c1);
    expect_end(x.child, errc::canceled, "c1");
  }
}

TEST(context, CTX_16_a_deadline_without_a_cause_is_its_own) {
  const auto late = with_timeout(context::background(), duration::zero(), errc::ok);
  EXPECT_EQ(late.cause(), errc::deadline_exceeded);
}

TEST(context, CTX_18_a_deadline_and_a_cancel_each_have_their_cause) {
  tree late(1s, user_error("late"));
  auto below = with_cancel(late.child);
  late.clock.advance(1s);
  expect_end(late.child, errc::deadline_exceeded, "late");
  expect_end(below, errc::deadline_exceeded, "late");
  tree canceled(1s, user_error("late"));
  canceled.child.cancel(user_error("enough"));
  canceled.clock.advance(1s);
  expect_end(canceled.child, errc::canceled, "enough");
}

TEST(context, CTX_19_the_earliest_deadline_counts) {
  test_clock clock;
  const auto root = context::root(clock);
  const auto start = clock.now();
  auto parent = with_timeout(root, 10s);
  EXPECT_EQ(clock.armed(), 1u);
  auto later = with_timeout(parent, 20s, user_error("never used"));
  auto equal = with_timeout(parent, 10s);
  EXPECT_EQ(later.deadline(), start + 10s);
  EXPECT_EQ(clock.armed(), 1u);  // the parent's serves them
  auto sooner = with_value<first_key>(with_timeout(parent, 5s), 1);
  EXPECT_EQ(sooner.deadline(), start + 5s);
  clock.advance(10s);
  expect_end(later, errc::deadline_exceeded, "deadline exceeded");
  EXPECT_TRUE(equal.is_done());
}

TEST(context, CTX_20_a_deadline_that_has_passed_ends_it_at_once) {
  test_clock clock;
  const auto root = context::root(clock);
  auto now = with_deadline(root, clock.now());
  auto past = with_timeout(root, -1s);
  for (auto* ctx : {&now, &past}) {
    EXPECT_EQ(ctx->status(), errc::deadline_exceeded);
    EXPECT_FALSE(ctx->cancel(user_error("too late")));
    EXPECT_EQ(ctx->cause(), errc::deadline_exceeded);
  }
  EXPECT_EQ(clock.armed(), 0u);
}

TEST(context, CTX_21_cancel_disarms_the_timer) {
  test_clock clock;
  auto parent = with_cancel(context::root(clock));
  {
    auto child = with_timeout(parent, 1s);
    auto other = with_timeout(parent, 1s);
    auto dropped = with_timeout(parent, 1s);
    dropped.release();
    EXPECT_EQ(clock.armed(), 3u);
    child.cancel();
    EXPECT_EQ(clock.armed(), 2u);
    EXPECT_EQ(child.status(), errc::canceled);
    parent.cancel();
    EXPECT_EQ(clock.armed(), 0u);
  }
  {
    auto dropped = with_timeout(context::root(clock), 1s);
    dropped.release();
  }
  EXPECT_EQ(clock.armed(), 0u);  // nobody is left to tell
  clock.advance(2s);
}

TEST(context, CTX_23_the_timeout_counts_from_construction_and_saturates) {
  test_clock clock;
  const auto root = context::root(clock);
  auto ctx = with_timeout(root, 3s);
  clock.advance(2999ms);
  EXPECT_FALSE(ctx.is_done());
  clock.advance(1ms);
  EXPECT_EQ(ctx.status(), errc::deadline_exceeded);

  auto endless = with_timeout(root, duration::max());
  EXPECT_EQ(endless.deadline(), forever);
  EXPECT_FALSE(endless.is_done());
  EXPECT_EQ(clock.armed(), 0u);
  EXPECT_TRUE(with_timeout(root, duration::min()).is_done());
}

TEST(context, CTX_24_the_deadline_stays_the_same_after_the_end) {
  test_clock clock;
  const auto when = clock.now() + 1s;
  auto ctx = with_deadline(context::root(clock), when);
  clock.advance(5s);
  EXPECT_TRUE(ctx.is_done());
  EXPECT_EQ(ctx.deadline(), when);
}

TEST(context, CTX_29_cleanup_gets_a_deadline_of_its_own) {
  test_clock clock;
  auto parent = with_cancel(context::root(clock));
  parent.cancel();
  const auto cleanup = with_timeout(without_cancel(parent), 1s);
  EXPECT_FALSE(cleanup.is_done());
  clock.advance(1s);
  EXPECT_EQ(cleanup.status(), errc::deadline_exceeded);
}

}  // namespace
