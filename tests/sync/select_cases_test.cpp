// SPDX-License-Identifier: MIT
// What selects share: orders drawn by lot, and contexts joined once.
#include "pinion/sync/select_cases.hpp"

#include <cmath>
#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"

namespace {

using pinion::context;
using pinion::with_cancel;
using pinion::detail::end_together;
using pinion::detail::joined_contexts;
using pinion::detail::random_order;

TEST(random_order, gives_each_number_once) {
  for (const std::size_t n : {0u, 1u, 2u, 3u, 15u, 16u, 17u, 63u, 64u, 65u, 1000u, 65535u}) {
    random_order order(n);
    std::vector<int> seen(n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t number = order.next();
      ASSERT_LT(number, n);
      ++seen[number];
    }
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(seen[i], 1) << i << " of " << n;
  }
}

// How far the counts are from even, in standard deviations of the chi-square distribution.
double unevenness(const std::vector<int>& counts, double total) {
  const double expected = total / static_cast<double>(counts.size());
  double chi = 0;
  for (const int n : counts) chi += (n - expected) * (n - expected) / expected;
  const double freedom = static_cast<double>(counts.size() - 1);
  return (chi - freedom) / std::sqrt(2 * freedom);
}

// One run in a million is allowed to be further off, roughly: few counts have a longer tail.
constexpr double limit = 8;

TEST(random_order, every_order_of_few_is_as_likely) {
  constexpr int n = 24'000;
  std::vector<int> counts(24);
  for (int i = 0; i < n; ++i) {
    random_order order(4);
    const std::size_t a = order.next(), b = order.next(), c = order.next();
    const std::size_t rest = 6 - a - b - c;
    // The number of the order: how many of the later ones are smaller, place by place.
    counts[6 * a + 2 * ((b < a ? b : b - 1)) + (c < rest ? 0 : 1)] += 1;
  }
  EXPECT_LT(unevenness(counts, n), limit);
}

// Of those that are ready, each is as often the first, wherever they are.
TEST(random_order, each_of_a_subset_is_as_likely_to_come_first) {
  for (const std::size_t count : {17u, 40u, 100u, 257u}) {
    constexpr int n = 20'000;
    for (const std::size_t step : {1u, 2u, 5u}) {
      const std::size_t ready = (count + step - 1) / step;
      std::vector<int> first(ready);
      for (int i = 0; i < n; ++i) {
        random_order order(count);
        std::size_t number = order.next();
        while (number % step != 0) number = order.next();
        ++first[number / step];
      }
      EXPECT_LT(unevenness(first, n), limit) << count << " by " << step;
    }
  }
}

TEST(joined_contexts, knows_what_ends_with_what) {
  struct key : pinion::context_key<int> {};
  auto one = with_cancel(context::background());
  auto two = with_cancel(one);
  const context also_one = with_value<key>(one, 1);
  EXPECT_TRUE(end_together(&one, &also_one));
  EXPECT_FALSE(end_together(&one, &two));
  EXPECT_FALSE(end_together(&one, nullptr));
  EXPECT_FALSE(end_together(nullptr, nullptr));

  joined_contexts all;
  EXPECT_FALSE(all.add(nullptr));
  EXPECT_FALSE(all.add(&context::background()));
  EXPECT_TRUE(all.empty());
  EXPECT_TRUE(all.add(&one));
  EXPECT_TRUE(all.add(&two));
  EXPECT_FALSE(all.add(&also_one));
  EXPECT_FALSE(all.add(&one));
  EXPECT_FALSE(all.empty());
}

}  // namespace
