// SPDX-License-Identifier: MIT
// What the stress run takes for a leak, and what it does not.
#include <cmath>
#include <cstddef>
#include <random>

#include "tools/pinion/stress/memory.hpp"
#include <gtest/gtest.h>

namespace pinion::stress {
namespace {

constexpr double allowed = 1024;

/// Four points a second, as a run makes them; each a little above what the curve says.
template <class Curve>
memory_curve curve_of(double seconds, Curve kib, double noise = 600) {
  std::minstd_rand chance(7);
  memory_curve made(allowed);
  for (double at = 0; at < seconds; at += 0.25) {
    const double above = chance() % 4 == 0 ? 0 : static_cast<double>(chance() % 1000) / 1000;
    made.add(at, kib(at) + noise * above);
  }
  return made;
}

class a_memory_curve : public ::testing::Test {
  void SetUp() override {
    if (!memory_curve::says_something()) GTEST_SKIP() << "a sanitizer's own memory grows";
  }
};

TEST_F(a_memory_curve, that_leaks_is_found_however_long_it_takes) {
  for (const double seconds : {60.0, 300.0, 1800.0}) {
    const double slope = 2 * allowed / seconds;  // KiB/s
    EXPECT_TRUE(curve_of(seconds, [=](double at) { return 36000 + slope * 1.5 * at; }).grows())
        << seconds;
    EXPECT_FALSE(curve_of(seconds, [=](double at) { return 36000 + slope / 2 * at; }).grows())
        << seconds;
  }
}

// While everything fills up as well, and in pieces.
TEST_F(a_memory_curve, that_leaks_under_another_rise_is_found) {
  const auto filling = [](double at) { return 41000 - 8000 * std::exp(-at / 8); };
  EXPECT_FALSE(curve_of(60, filling).grows());
  EXPECT_TRUE(curve_of(60, [&](double at) { return filling(at) + 48 * at; }).grows());
  EXPECT_TRUE(
      curve_of(60, [&](double at) { return filling(at) + 400 * std::floor(at / 8); }).grows());
}

TEST_F(a_memory_curve, that_settles_is_none) {
  const auto step = [](double from) {
    return [=](double at) { return at < from ? 36000 : 40000; };
  };
  for (double from = 0; from < 60; from += 1)
    EXPECT_FALSE(curve_of(60, step(from)).grows()) << from;
}

// A queue that was never so deep: for a moment, or from then on.
TEST_F(a_memory_curve, that_goes_up_and_down_is_none) {
  const auto peaks = [](double at) { return std::fmod(at, 7) < 2 ? 60000.0 : 36000.0; };
  EXPECT_FALSE(curve_of(60, peaks).grows());
}

TEST_F(a_memory_curve, that_is_short_is_judged_only_when_it_grows_by_much) {
  EXPECT_TRUE(curve_of(4, [](double at) { return 36000 + 40.0 * 1024 * at; }).grows());
  EXPECT_FALSE(curve_of(4, [](double at) { return 36000 + 4.0 * 1024 * at; }).grows());
  EXPECT_FALSE(curve_of(1, [](double at) { return 36000 + 40.0 * 1024 * at; }).grows());
  EXPECT_FALSE(memory_curve(allowed).grows());
}

}  // namespace
}  // namespace pinion::stress
