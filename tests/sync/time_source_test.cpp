// SPDX-License-Identifier: MIT
// The process's timer thread. Times are real but short; nothing here asserts an upper bound.
#include "pinion/sync/time_source.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/fork.hpp"
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include "pinion/platform/clock.hpp"

namespace {

using namespace std::chrono_literals;
using pinion::duration;
using pinion::now;
using pinion::system_time;
using pinion::time_point;
using pinion::timer_node;
using pinion::test::in_child_of_a_fork;

struct counted : timer_node {
  counted() { fire = &counted::count; }
  explicit counted(duration after) : counted() { when = now() + after; }
  static void count(timer_node& n) noexcept {
    auto& self = static_cast<counted&>(n);
    self.fired_at = now();
    self.fired.fetch_add(1);
  }
  void await() const {
    while (fired.load() == 0) std::this_thread::yield();
  }
  std::atomic<int> fired{0};
  time_point fired_at{};
};

TEST(time_source, TM_1_fires_not_before_its_time) {
  for (const duration d : {duration(0), duration(1), duration(50us), duration(3ms)}) {
    counted timer(d);
    ASSERT_TRUE(system_time().arm(timer));
    timer.await();
    EXPECT_GE(timer.fired_at, timer.when);
    EXPECT_FALSE(system_time().disarm(timer));
    EXPECT_EQ(timer.fired.load(), 1);
  }
}

TEST(time_source, TM_3_TM_8_a_disarmed_timer_does_not_fire) {
  counted far(1h);
  ASSERT_TRUE(system_time().arm(far));
  EXPECT_TRUE(system_time().disarm(far));
  EXPECT_FALSE(system_time().disarm(far));
  counted never;
  EXPECT_FALSE(system_time().disarm(never));
  EXPECT_EQ(far.fired.load(), 0);
}

TEST(time_source, TM_5_an_armed_timer_is_replaced) {
  counted timer(1h);
  ASSERT_TRUE(system_time().arm(timer));
  EXPECT_TRUE(system_time().disarm(timer));
  timer.when = now();
  ASSERT_TRUE(system_time().arm(timer));
  timer.await();
  EXPECT_FALSE(system_time().disarm(timer));
  EXPECT_EQ(timer.fired.load(), 1);
}

struct ordered : timer_node {
  static void note(timer_node& n) noexcept {
    auto& self = static_cast<ordered&>(n);
    self.order->push_back(self.number);
    self.left->fetch_sub(1);
  }
  std::vector<int>* order = nullptr;
  std::atomic<int>* left = nullptr;
  int number = 0;
};

// In which order six timers fire that are all armed before the first is due; empty when they were
// not, because the thread was held up.
std::vector<int> order_of_six(duration until_the_first) {
  std::vector<int> order;
  order.reserve(6);
  std::atomic<int> left{6};
  std::vector<ordered> timers(6);
  const time_point base = now() + until_the_first;
  const duration after[] = {2us, 0us, 2us, 1us, 0us, 2us};
  for (int i = 0; i < 6; ++i) {
    ordered& t = timers[static_cast<std::size_t>(i)];
    t.order = &order;
    t.left = &left;
    t.number = i;
    t.when = base + after[i];
    t.fire = &ordered::note;
    EXPECT_TRUE(system_time().arm(t));
  }
  const bool in_time = now() < base;
  while (left.load() != 0) std::this_thread::yield();
  for (ordered& t : timers) EXPECT_FALSE(system_time().disarm(t));  // its fire() has returned
  if (!in_time) order.clear();
  return order;
}

TEST(time_source, TM_6_fires_by_time_and_then_by_arming) {
  std::vector<int> order;
  for (duration d = 5ms; order.empty(); d *= 2) order = order_of_six(d);
  EXPECT_EQ(order, (std::vector<int>{1, 4, 3, 0, 2, 5}));
}

TEST(time_source, a_sooner_timer_wakes_the_thread_that_sleeps_for_a_later_one) {
  counted late(1h);
  ASSERT_TRUE(system_time().arm(late));
  for (int i = 0; i < 100; ++i) {
    counted soon(10us);
    ASSERT_TRUE(system_time().arm(soon));
    soon.await();
    EXPECT_FALSE(system_time().disarm(soon));
  }
  EXPECT_TRUE(system_time().disarm(late));
}

// Finds: a disarm that does not wait for fire().
TEST(time_source, TM_3_disarm_waits_for_a_fire_that_has_begun) {
  struct slow : timer_node {
    std::atomic<bool> begun{false};
    std::atomic<bool> ended{false};
  };
  for (int round = 0; round < 50; ++round) {
    slow timer;
    timer.when = now();
    timer.fire = [](timer_node& n) noexcept {
      auto& self = static_cast<slow&>(n);
      self.begun.store(true);
      for (int i = 0; i < 20; ++i) std::this_thread::yield();
      self.ended.store(true);
    };
    ASSERT_TRUE(system_time().arm(timer));
    while (!timer.begun.load()) std::this_thread::yield();
    EXPECT_FALSE(system_time().disarm(timer));
    EXPECT_TRUE(timer.ended.load());
  }
}

TEST(time_source, TM_16_fire_may_disarm_and_arm_its_own_timer) {
  struct periodic : timer_node {
    std::atomic<int> left{5};
    bool disarmed = false;
  };
  periodic timer;
  timer.when = now();
  timer.fire = [](timer_node& n) noexcept {
    auto& self = static_cast<periodic&>(n);
    self.disarmed = self.disarmed || system_time().disarm(self);
    if (self.left.load() > 1) {
      self.when += 20us;
      (void)system_time().arm(self);
    }
    self.left.fetch_sub(1);
  };
  ASSERT_TRUE(system_time().arm(timer));
  while (timer.left.load() != 0) std::this_thread::yield();
  EXPECT_FALSE(system_time().disarm(timer));
  EXPECT_FALSE(timer.disarmed);
}

// Goal: no turn of a timer that arms itself again is left over when disarm returns.
// Finds: a disarm that does not look again after it has waited.
TEST(time_source, TM_16_disarm_ends_a_timer_that_arms_itself) {
  struct restless : timer_node {
    std::atomic<int> turns{0};
  };
  for (int round = 0; round < 200; ++round) {
    auto timer = std::make_unique<restless>();
    timer->when = now();
    timer->fire = [](timer_node& n) noexcept {
      auto& self = static_cast<restless&>(n);
      self.turns.fetch_add(1);
      std::this_thread::yield();
      self.when = now() + 1h;
      (void)system_time().arm(self);
    };
    ASSERT_TRUE(system_time().arm(*timer));
    while (timer->turns.load() == 0) std::this_thread::yield();
    EXPECT_TRUE(system_time().disarm(*timer));
    EXPECT_FALSE(system_time().disarm(*timer));
  }
}

TEST(time_source, TM_16_fire_may_be_the_end_of_its_timer) {
  struct owned : timer_node {
    std::atomic<bool>* gone = nullptr;
  };
  std::atomic<bool> gone{false};
  auto* timer = new owned;
  timer->gone = &gone;
  timer->when = now();
  timer->fire = [](timer_node& n) noexcept {
    auto* self = static_cast<owned*>(&n);
    std::atomic<bool>& flag = *self->gone;
    delete self;
    flag.store(true);
  };
  ASSERT_TRUE(system_time().arm(*timer));
  while (!gone.load()) std::this_thread::yield();
}

TEST(time_source, XC_10_arming_allocates_nothing) {
  counted first(1h);
  ASSERT_TRUE(system_time().arm(first));  // starts the thread
  const pinion::test::allocation_count count;
  for (int i = 0; i < 10'000; ++i) {
    counted timer(1h);
    (void)system_time().arm(timer);
    (void)system_time().disarm(timer);
  }
  EXPECT_EQ(count.get(), 0u);
  EXPECT_TRUE(system_time().disarm(first));
}

TEST(time_source, the_child_of_a_fork_has_a_thread_of_its_own) {
  counted warm(0s);
  ASSERT_TRUE(system_time().arm(warm));
  warm.await();
  static counted armed_before;
  armed_before.when = now() + 2ms;
  ASSERT_TRUE(system_time().arm(armed_before));
  EXPECT_EQ(in_child_of_a_fork([] {
              counted timer(1ms);
              if (!system_time().arm(timer)) return 1;
              timer.await();
              armed_before.await();
              return system_time().disarm(timer) || system_time().disarm(armed_before) ? 2 : 0;
            }),
            0);
  armed_before.await();
  EXPECT_FALSE(system_time().disarm(armed_before));
  EXPECT_FALSE(system_time().disarm(warm));
}

int cpus_of(pid_t thread) {
  cpu_set_t set;
  return ::sched_getaffinity(thread, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
}

// Goal: the timers of the process do not depend on one CPU because a pinned thread was the first
// to need one.
TEST(time_source, TM_1_the_thread_is_not_tied_to_the_cpu_of_who_started_it) {
  EXPECT_EQ(in_child_of_a_fork([] {
              struct looking : counted {
                using counted::counted;
                int cpus = 0;
              };
              looking timer(0s);
              timer.fire = [](timer_node& n) noexcept {
                static_cast<looking&>(n).cpus = cpus_of(0);
                counted::count(n);
              };
              std::thread([&] {
                cpu_set_t one;
                CPU_ZERO(&one);
                CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
                ::sched_setaffinity(0, sizeof one, &one);
                (void)system_time().arm(timer);
              }).join();
              timer.await();
              (void)system_time().disarm(timer);
              return timer.cpus == cpus_of(::getpid()) ? 0 : 1;
            }),
            0);
}

}  // namespace
