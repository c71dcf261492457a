// SPDX-License-Identifier: MIT
#include "src/sync/token_scale.hpp"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace pinion {
namespace {

using detail::token_scale;
using detail::wide;
using std::chrono::seconds;

TEST(token_scale, RL_17_whole_numbers_of_both_where_they_fit) {
  const auto three = token_scale::of(rate::per_second(3), 10);
  EXPECT_EQ(three.token, 1'000'000'000u);
  EXPECT_EQ(three.passed(1), 3u);
  EXPECT_EQ(three.passed_up(1), 3u);
  EXPECT_EQ(three.time_until(1'000'000'000).count(), 333'333'334);
  const auto fast = token_scale::of(rate::per_second(1'000'000'000), 1);
  EXPECT_EQ(fast.token, 1u);
  EXPECT_EQ(fast.passed(1'000'000'000'000), 1'000'000'000'000u);
  const auto minute = token_scale::of({60, std::chrono::minutes(1)}, 5);
  EXPECT_EQ(minute.token, token_scale::of(rate::per_second(1), 5).token);
}

TEST(token_scale, RL_5_RL_6_all_and_none) {
  EXPECT_TRUE(token_scale::of(rate::unlimited(), 0).unlimited());
  EXPECT_TRUE(token_scale::of(rate::every(seconds(-1)), 1).unlimited());
  const auto none = token_scale::of({}, 7);
  EXPECT_FALSE(none.unlimited());
  EXPECT_EQ(none.passed(none.horizon), 0u);
  EXPECT_EQ(none.time_until(1), duration::max());
  EXPECT_EQ(none.time_until(0), duration::zero());
}

// Whatever the rate and the burst: the sizes hold, and what time brings is never more than the rate
// says, and less by next to nothing.
TEST(token_scale, RL_17_extremes_fit_and_are_never_rounded_up) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t events[] = {
      1, 2, 3, 7, 999, 65'536, 99'991, 999'999'937, 1'000'000'000, std::uint64_t{1} << 40, most};
  const std::int64_t pers[] = {1,
                               2,
                               3,
                               1000,
                               1'000'000'000,
                               999'999'937,
                               60'000'000'000,
                               3'600'000'000'000,
                               duration::max().count()};
  const std::uint64_t bursts[] = {1, 5, 1000, 1'000'000'007, rate_limiter::max_burst};
  for (const auto e : events)
    for (const auto p : pers)
      for (const auto b : bursts) {
        const auto s = token_scale::of({e, duration(p)}, b);
        SCOPED_TRACE(std::to_string(e) + " per " + std::to_string(p) + " burst " +
                     std::to_string(b));
        ASSERT_GT(s.token, 0u);
        ASSERT_EQ((wide{s.token} * b) >> token_scale::burst_bits, 0u);
        ASSERT_GE(s.horizon, 500'000'000'000);
        ASSERT_LE(s.passed(s.horizon), std::uint64_t{1} << token_scale::time_bits);
        // units * per <= events * ns * token, in parts that do not overflow
        const auto ns = static_cast<std::uint64_t>(std::min<std::int64_t>(s.horizon, 1 << 20));
        const long double got = static_cast<long double>(s.passed(static_cast<std::int64_t>(ns)));
        const long double fair = static_cast<long double>(e) / static_cast<long double>(p) *
                                 static_cast<long double>(ns) * static_cast<long double>(s.token);
        ASSERT_LE(got, fair * (1 + 1e-15L));
        if (e <= 1'000'000'000 && p <= 60'000'000'000 &&
            e / static_cast<std::uint64_t>(p) <= 65536) {
          ASSERT_GE(got + 1, fair * (1 - 1e-12L));
        }
        const auto some = std::uint64_t{1} << 20;
        const duration when = s.time_until(some);
        if (when < duration::max() && when.count() <= s.horizon) {
          ASSERT_GE(s.passed(when.count()), some);
          ASSERT_LT(s.passed(when.count() - 1), some);
        }
      }
}

}  // namespace
}  // namespace pinion
