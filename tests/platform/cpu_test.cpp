// SPDX-License-Identifier: MIT
// Ticks are a clock, and a spin ends.
#include "pinion/platform/cpu.hpp"

#include <limits>
#include <thread>

#include <gtest/gtest.h>

namespace {

using pinion::duration;
using pinion::spin_budget;
using namespace std::chrono_literals;

TEST(cpu, ticks_advance) {
  const auto first = pinion::cpu_ticks();
  const auto start = pinion::os::now();
  while (pinion::os::now() == start) pinion::cpu_pause();
  EXPECT_GT(pinion::cpu_ticks(), first);
}

// Ticks and clock are read around each other, so the comparison holds on a busy machine too.
TEST(cpu, ticks_measure_what_the_clock_measures) {
  const auto outer_start = pinion::os::now();
  const auto first = pinion::cpu_ticks();
  const auto inner_start = pinion::os::now();
  while (pinion::os::now() < inner_start + 5ms) pinion::cpu_pause();
  const auto inner_end = pinion::os::now();
  const auto last = pinion::cpu_ticks();
  const auto outer_end = pinion::os::now();

  const auto by_ticks = pinion::to_duration(last - first);
  EXPECT_GT(by_ticks, (inner_end - inner_start) * 98 / 100);
  EXPECT_LT(by_ticks, (outer_end - outer_start) * 102 / 100);
}

TEST(cpu, the_rate_is_measured_once) {
  const double rate = pinion::ticks_per_nanosecond();
  EXPECT_GT(rate, 1e-4);
  EXPECT_LT(rate, 100.0);
  double other = 0;
  std::thread([&] { other = pinion::ticks_per_nanosecond(); }).join();
  EXPECT_EQ(rate, other);
}

TEST(cpu, ticks_convert_there_and_back) {
  const auto there_and_back = [](duration d) { return pinion::to_duration(pinion::to_ticks(d)); };
  for (const duration d : {1us, 100us, 1'000'000us}) {
    EXPECT_NEAR(static_cast<double>(there_and_back(d).count()), static_cast<double>(d.count()),
                50.0);
  }
}

TEST(cpu, conversions_saturate) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(pinion::to_ticks(duration::max()), most);
  EXPECT_EQ(pinion::to_ticks(duration::zero()), 0u);
  EXPECT_EQ(pinion::to_ticks(duration::min()), 0u);
  EXPECT_GT(pinion::to_duration(most), 24h);
  EXPECT_EQ(pinion::to_duration(0), duration::zero());
}

TEST(cpu, spin_budget_ends_and_not_before_its_time) {
  if (pinion::os::cpus() == 1) GTEST_SKIP() << "one CPU: nobody spins";
  const auto start = pinion::os::now();
  spin_budget budget(200us);
  while (budget.spin()) {
  }
  EXPECT_GE(pinion::os::now() - start, 195us);
}

TEST(cpu, spin_budget_of_nothing_never_spins) {
  EXPECT_FALSE(spin_budget(duration::zero()).spin());
  EXPECT_FALSE(spin_budget(duration::min()).spin());
}

TEST(cpu, spin_budget_without_limit_goes_on) {
  if (pinion::os::cpus() == 1) GTEST_SKIP() << "one CPU: nobody spins";
  spin_budget budget(duration::max());
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(budget.spin());
}

}  // namespace
