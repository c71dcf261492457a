// SPDX-License-Identifier: MIT
#include "pinion/sync/timer.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

namespace pinion {
namespace {

using std::chrono::milliseconds;

// A timer that notes when it fired, and may arm another one.
struct noting : timer_node {
  noting(manual_clock& on, std::vector<int>& to, int n) : clock(on), fired(to), number(n) {
    fire = [](timer_node& t) noexcept {
      auto& self = static_cast<noting&>(t);
      self.fired.push_back(self.number);
      if (self.next != nullptr) {
        self.next->when = self.clock.now() + milliseconds(1);
        static_cast<void>(self.clock.arm(*self.next));
      }
    };
  }
  manual_clock& clock;
  std::vector<int>& fired;
  int number;
  noting* next = nullptr;
};

TEST(timer, TM_1_a_sleep_ends_when_its_time_has_come_and_not_before) {
  manual_clock clock;
  const context root = clock.root();
  std::atomic<bool> over{false};
  std::thread sleeper([&] {
    EXPECT_TRUE(sleep(root, milliseconds(10)).wait());
    over = true;
  });
  test::until([&] { return clock.next_timer() != forever; });
  EXPECT_EQ(clock.advance(milliseconds(9)), 0u);
  EXPECT_FALSE(over.load());
  EXPECT_EQ(clock.advance(milliseconds(1)), 1u);
  sleeper.join();
  EXPECT_TRUE(over.load());
}

TEST(timer, TM_2_zero_or_less_is_over_at_once_and_huge_is_forever) {
  manual_clock clock;
  const context root = clock.root();
  EXPECT_TRUE(sleep(root, duration::zero()).wait());
  EXPECT_TRUE(sleep(root, milliseconds(-5)).wait());
  auto ctx = with_cancel(root);
  std::thread canceler([&] {
    test::until([&] { return clock.next_timer() == forever; });
    ctx.cancel();
  });
  EXPECT_EQ(sleep(ctx, duration::max()).wait().error(), errc::canceled);
  canceler.join();
}

TEST(timer, TM_6_equal_times_fire_in_the_order_they_were_armed) {
  manual_clock clock;
  std::vector<int> fired;
  noting a(clock, fired, 1), b(clock, fired, 2), c(clock, fired, 3);
  b.when = c.when = clock.now() + milliseconds(5);
  a.when = clock.now() + milliseconds(4);
  EXPECT_TRUE(clock.arm(b));
  EXPECT_TRUE(clock.arm(c));
  EXPECT_TRUE(clock.arm(a));
  EXPECT_EQ(clock.advance(milliseconds(5)), 3u);
  EXPECT_EQ(fired, (std::vector<int>{1, 2, 3}));
}

TEST(timer, TM_14_a_canceled_sleep_ends_at_once_and_leaves_no_timer) {
  manual_clock clock;
  auto ctx = with_cancel(clock.root());
  std::thread canceler([&] {
    test::until([&] { return clock.next_timer() != forever; });
    ctx.cancel();
  });
  EXPECT_EQ(sleep(ctx, milliseconds(10)).wait().error(), errc::canceled);
  canceler.join();
  EXPECT_EQ(clock.next_timer(), forever);
  EXPECT_EQ(clock.advance(milliseconds(20)), 0u);
}

TEST(timer, TM_14_a_deadline_ends_a_sleep) {
  manual_clock clock;
  const auto ctx = with_timeout(clock.root(), milliseconds(3));
  std::thread turner([&] {
    test::until([&] { return clock.next_timer() != forever; });
    while (!ctx.is_done()) clock.advance(milliseconds(1));
  });
  EXPECT_EQ(sleep(ctx, milliseconds(10)).wait().error(), errc::deadline_exceeded);
  turner.join();
}

TEST(timer, TM_19_advance_fires_what_is_armed_on_the_way_at_its_own_time) {
  manual_clock clock;
  std::vector<int> fired;
  noting a(clock, fired, 1), b(clock, fired, 2), c(clock, fired, 3);
  a.when = clock.now() + milliseconds(1);
  a.next = &b;  // armed for 2 ms
  c.when = clock.now() + milliseconds(3);
  EXPECT_TRUE(clock.arm(c));
  EXPECT_TRUE(clock.arm(a));
  EXPECT_EQ(clock.advance(milliseconds(10)), 3u);
  EXPECT_EQ(fired, (std::vector<int>{1, 2, 3}));
}

TEST(timer, disarm_says_whether_it_prevented_the_firing) {
  manual_clock clock;
  std::vector<int> fired;
  noting a(clock, fired, 1);
  a.when = clock.now() + milliseconds(1);
  EXPECT_TRUE(clock.arm(a));
  EXPECT_TRUE(clock.disarm(a));
  EXPECT_FALSE(clock.disarm(a));
  EXPECT_EQ(clock.advance(milliseconds(2)), 0u);
  a.when = clock.now();
  EXPECT_FALSE(clock.arm(a));  // due already
}

TEST(timer, TM_2_what_waits_for_ever_does) {
  manual_clock clock;
  std::vector<int> fired;
  noting never(clock, fired, 1), century(clock, fired, 2);
  century.when = clock.now() + std::chrono::hours(24 * 36500);
  EXPECT_EQ(clock.advance(duration::zero()), 0u);
  EXPECT_TRUE(clock.arm(never));
  EXPECT_TRUE(clock.arm(century));
  EXPECT_EQ(clock.advance(duration::max()), 1u);
  EXPECT_EQ(clock.advance(duration::max()), 0u);
  EXPECT_LT(clock.now(), forever);
  EXPECT_TRUE(clock.disarm(never));
}

TEST(timer, TM_19_a_timer_may_turn_the_clock_further) {
  struct turning : noting {
    using noting::noting;
    std::size_t said = 99;
  };
  manual_clock clock;
  const time_point start = clock.now();
  std::vector<int> fired;
  turning a(clock, fired, 1);
  noting b(clock, fired, 2), c(clock, fired, 3);
  a.when = start + milliseconds(1);
  a.fire = [](timer_node& t) noexcept {
    auto& self = static_cast<turning&>(t);
    self.said = self.clock.advance(milliseconds(10));
    self.fired.push_back(self.number);
  };
  b.when = start + milliseconds(2);
  c.when = start + milliseconds(12);
  for (timer_node* t :
       {static_cast<timer_node*>(&c), static_cast<timer_node*>(&b), static_cast<timer_node*>(&a)}) {
    EXPECT_TRUE(clock.arm(*t));
  }
  EXPECT_EQ(clock.advance(milliseconds(2)), 3u);
  EXPECT_EQ(a.said, 0u);
  EXPECT_EQ(fired, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(clock.now(), start + milliseconds(12));
}

// Finds: an enlist that takes it for granted that the timer was armed.
TEST(timer, TM_2_a_sleep_whose_time_comes_while_it_begins_is_over) {
  struct hasty final : time_source {  // the time comes between the look at it and the arming
    time_point now() const noexcept override { return time_point(); }
    bool arm(timer_node&) noexcept override { return false; }
    bool disarm(timer_node&) noexcept override {
      ADD_FAILURE() << "it was never armed";
      return false;
    }
  };
  hasty clock;
  const context root = context::root(clock);
  EXPECT_TRUE(sleep(root, milliseconds(1)).wait());
}

TEST(timer, TM_7_each_timer_sees_its_own_time) {
  struct looking : timer_node {
    manual_clock* clock = nullptr;
    time_point seen{};
  };
  manual_clock clock;
  looking timers[3];
  for (int i = 0; i < 3; ++i) {
    timers[i].clock = &clock;
    timers[i].when = clock.now() + milliseconds(5 * (3 - i));
    timers[i].fire = [](timer_node& t) noexcept {
      auto& self = static_cast<looking&>(t);
      self.seen = self.clock->now();
    };
    EXPECT_TRUE(clock.arm(timers[i]));
  }
  EXPECT_EQ(clock.advance(std::chrono::seconds(1)), 3u);
  for (const looking& t : timers) EXPECT_EQ(t.seen, t.when);
}

TEST(timer, XC_1_a_sleep_that_loses_can_be_waited_for_again) {
  manual_clock clock;
  sleep_op nap = sleep_until(clock.root(), clock.now());
  {
    auto ctx = with_cancel(clock.root());
    nap = sleep(ctx, milliseconds(10));
    std::thread canceler([&] {
      test::until([&] { return clock.next_timer() != forever; });
      ctx.cancel();
    });
    EXPECT_EQ(nap.wait().error(), errc::canceled);
    EXPECT_EQ(nap.wait().error(), errc::canceled);
    canceler.join();
  }
  EXPECT_EQ(clock.next_timer(), forever);
}

// The one test on real time: the bound is wide, and only in the direction that may not fail.
TEST(timer, TM_1_on_the_machines_clock_a_sleep_is_not_shorter_than_asked) {
  const time_point before = os::now();
  EXPECT_TRUE(sleep(milliseconds(2)).wait());
  EXPECT_GE(os::now() - before, milliseconds(2));
}

}  // namespace
}  // namespace pinion
