// SPDX-License-Identifier: MIT
// Sums of times stay in the future when they should.
#include "pinion/platform/clock.hpp"

#include <gtest/gtest.h>

namespace {

using pinion::add_saturating;
using pinion::duration;
using pinion::forever;
using pinion::time_point;
using namespace std::chrono_literals;

constexpr time_point some_time{duration(1'000)};

static_assert(add_saturating(some_time, 1ns) == time_point(duration(1'001)));
static_assert(add_saturating(some_time, -1ns) == time_point(duration(999)));
static_assert(add_saturating(some_time, duration::max()) == forever);
static_assert(add_saturating(forever, duration::max()) == forever);
static_assert(add_saturating(forever, 1h) == forever);
static_assert(add_saturating(forever, -1h) == forever);
static_assert(add_saturating(time_point::min(), -1ns) == time_point::min());
static_assert(add_saturating(time_point(duration(-1'000)), duration::min()) == time_point::min());

TEST(clock, now_never_goes_back) {
  auto last = pinion::now();
  for (int i = 0; i < 1'000; ++i) {
    const auto next = pinion::now();
    EXPECT_GE(next, last);
    last = next;
  }
}

TEST(clock, huge_timeouts_mean_forever) {
  EXPECT_EQ(add_saturating(pinion::now(), duration::max()), forever);
  EXPECT_LT(add_saturating(pinion::now(), 24h * 365 * 100), forever);
  EXPECT_LT(add_saturating(pinion::now(), duration::min()), pinion::now());
}

}  // namespace
