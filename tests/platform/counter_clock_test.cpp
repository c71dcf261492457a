// SPDX-License-Identifier: MIT
// The counter's time stays beside that of the clock, whatever the counter is and however long it is
// asked.
#include "src/platform/counter_clock.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "pinion/platform/clock.hpp"

namespace {

using pinion::time_point;
using pinion::detail::counter_now;
using pinion::detail::tick_source;
using namespace std::chrono_literals;

// More than a thread goes on without a look at the clock: an error that adds up exceeds it.
constexpr auto apart_max = 10us;

void stays_beside_the_clock(int times) {
  for (int i = 0; i < times; ++i) {
    const time_point before = pinion::now();
    const time_point by_counter = counter_now();
    const time_point after = pinion::now();
    ASSERT_GE(by_counter, before - apart_max);
    ASSERT_LE(by_counter, after + apart_max);
  }
}

TEST(counter_clock, stays_beside_the_clock) {
  stays_beside_the_clock(20'000);
}

// Asked without a pause it looks at the clock only now and then; it must not run away meanwhile.
TEST(counter_clock, does_not_drift_between_looks) {
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 1'000; ++i) (void)counter_now();
    stays_beside_the_clock(1);
  }
}

TEST(counter_clock, each_thread_has_its_own_look) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([] { stays_beside_the_clock(5'000); });
  for (std::thread& t : threads) t.join();
}

#if defined(__x86_64__)
TEST(counter_clock, without_a_counter_it_is_the_clock) {
  (void)counter_now();  // the rate is known
  const tick_source real = pinion::detail::ticks_from.load(std::memory_order_relaxed);
  pinion::detail::ticks_from.store(tick_source::clock, std::memory_order_relaxed);
  std::thread([] {  // has not looked yet
    for (int i = 0; i < 1'000; ++i) {
      const time_point before = pinion::now();
      const time_point by_counter = counter_now();
      EXPECT_GE(by_counter, before);
      EXPECT_LE(by_counter, pinion::now());
    }
  })
      .join();
  pinion::detail::ticks_from.store(real, std::memory_order_relaxed);
}
#endif

}  // namespace
