// SPDX-License-Identifier: MIT
#include "pinion/sync/event_count.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "tests/support/allocations.hpp"
#include "tests/support/hand_wait.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

namespace pinion {
namespace {

using test::hand_wait;

TEST(event_count, completes_at_once_when_the_condition_is_true) {
  event_count events;
  EXPECT_TRUE(events.until([] { return true; }).wait());
}

TEST(event_count, a_notification_ends_the_waits_whose_condition_is_true) {
  event_count events;
  int level = 0;
  hand_wait one(events.until([&] { return level >= 1; }));
  hand_wait two(events.until([&] { return level >= 2; }));
  hand_wait also_one(events.until([&] { return level >= 1; }));
  level = 1;
  EXPECT_FALSE(one.over());  // nobody has said so
  events.notify_all();
  EXPECT_TRUE(one.over());
  EXPECT_FALSE(two.over());
  EXPECT_TRUE(also_one.over());
  level = 2;
  events.notify_all();
  EXPECT_TRUE(two.get());
  EXPECT_TRUE(one.get());
}

TEST(event_count, who_is_notified_in_vain_keeps_its_place) {
  event_count events;
  bool open = false;
  std::string asked;
  hand_wait first(events.until([&] { return asked += '1', open; }));
  hand_wait second(events.until([&] { return asked += '2', open; }));
  asked.clear();
  events.notify_all();
  EXPECT_FALSE(first.over());
  EXPECT_FALSE(second.over());
  open = true;
  events.notify_all();
  EXPECT_EQ(asked, "1212");
  EXPECT_TRUE(first.over());
  EXPECT_TRUE(second.over());
}

TEST(event_count, XC_3_a_context_that_is_done_wins_over_a_true_condition) {
  event_count events;
  auto ctx = with_cancel(context::background());
  ctx.cancel();
  EXPECT_EQ(events.until(ctx, [] { return true; }).wait().error(), errc::canceled);
}

TEST(event_count, a_wait_ends_with_its_context_and_leaves_the_line) {
  event_count events;
  auto ctx = with_cancel(context::background());
  bool asked = false;
  {
    hand_wait waits(events.until(ctx, [&] { return asked = true, false; }));
    ctx.cancel();
    EXPECT_TRUE(waits.over());
    EXPECT_EQ(waits.get().error(), errc::canceled);
  }
  asked = false;
  events.notify_all();
  EXPECT_FALSE(asked);
}

TEST(event_count, a_condition_that_comes_true_while_the_wait_begins_is_seen) {
  event_count events;
  int times = 0;
  hand_wait waits(events.until([&] { return ++times == 2; }));  // after it stands in line
  EXPECT_TRUE(waits.over());
  EXPECT_TRUE(waits.get());
}

TEST(event_count, a_condition_may_be_movable_only) {
  event_count events;
  EXPECT_TRUE(events.until([p = std::make_unique<int>(1)] { return *p == 1; }).wait());
  static_assert(operation<until_op<bool (*)()>>);
}

TEST(event_count, XC_10_waiting_allocates_nothing) {
  event_count events;
  auto ctx = with_cancel(context::background());
  std::atomic<bool> ready{false};
  std::atomic<int> asked{0};
  auto waits = events.until(ctx, [&] { return ++asked, ready.load(); });
  std::thread other([&] {
    test::until([&] { return asked.load() >= 3; });  // at once, under the lock, in line
    ready = true;
    events.notify_all();
  });
  const test::allocation_count count;
  EXPECT_TRUE(waits.wait());
  EXPECT_EQ(count.get(), 0u);
  other.join();
}

}  // namespace
}  // namespace pinion
