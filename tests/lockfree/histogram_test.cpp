// SPDX-License-Identifier: MIT
#include "pinion/lockfree/histogram.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using pinion::duration;
using pinion::histogram;

constexpr duration longest = duration::max();

TEST(histogram, of_nothing_is_all_zero) {
  const histogram h;
  EXPECT_EQ(h.count(), 0u);
  EXPECT_EQ(h.min(), duration(0));
  EXPECT_EQ(h.max(), duration(0));
  EXPECT_EQ(h.mean(), duration(0));
  EXPECT_EQ(h.percentile(50), duration(0));
}

TEST(histogram, of_one_value_is_that_value) {
  for (const duration d : {duration(0), duration(1), duration(31), duration(32), duration(33),
                           duration(1000), duration(123'456'789), longest}) {
    histogram h;
    h.record(d);
    EXPECT_EQ(h.count(), 1u);
    EXPECT_EQ(h.min(), d);
    EXPECT_EQ(h.max(), d);
    EXPECT_EQ(h.mean(), d);
    for (const double p : {0.0, 50.0, 100.0}) EXPECT_EQ(h.percentile(p), d);
  }
}

TEST(histogram, counts_a_negative_value_as_zero) {
  histogram h;
  h.record(duration(-5));
  EXPECT_EQ(h.count(), 1u);
  EXPECT_EQ(h.max(), duration(0));
}

TEST(histogram, percentile_takes_any_number) {
  histogram h;
  h.record(duration(1));
  h.record(duration(2));
  EXPECT_EQ(h.percentile(-1), duration(1));
  EXPECT_EQ(h.percentile(1000), duration(2));
}

// Each value falls between the edges of its bucket, at every power of two and around it.
// Finds: a shift that is off by one; a bucket too few at the end.
TEST(histogram, every_value_is_kept_to_within_a_32nd) {
  for (int bit = 0; bit < 63; ++bit)
    for (const std::int64_t off : {-1, 0, 1}) {
      const std::int64_t v = (std::int64_t{1} << bit) + off;
      histogram h;
      h.record(duration(v));
      h.record(longest);
      const auto seen = h.percentile(50).count();
      EXPECT_GE(seen, v);
      EXPECT_LE(seen - v, v / 32) << v;
    }
}

TEST(histogram, counts_up_to_31_are_exact) {
  histogram h;
  for (int i = 0; i < 32; ++i) h.record(duration(i));
  for (int i = 0; i < 32; ++i) EXPECT_EQ(h.percentile((i + 1) * 100.0 / 32).count(), i);
  EXPECT_EQ(h.mean().count(), 15);
}

std::vector<std::int64_t> sample(std::minstd_rand& random, std::size_t n) {
  const double spread = static_cast<double>(random() % 40);
  std::vector<std::int64_t> values(n);
  for (auto& v : values)
    v = static_cast<std::int64_t>(std::exp2(static_cast<double>(random() % 1000) / 1000 * spread));
  return values;
}

// Goal: whatever was recorded, every percentile is that of the sorted values, to within 1/32.
// Method: log-uniform samples of random size and spread.
// Finds: a rank that is off by one; a lower edge in place of an upper one.
void expect_agrees(const histogram& h, std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  ASSERT_EQ(h.count(), values.size());
  EXPECT_EQ(h.min().count(), values.front());
  EXPECT_EQ(h.max().count(), values.back());
  const auto sum = std::accumulate(values.begin(), values.end(), std::int64_t{0});
  EXPECT_EQ(h.mean().count(), sum / static_cast<std::int64_t>(values.size()));
  for (const unsigned per_mille : {0U, 1U, 10U, 250U, 500U, 900U, 990U, 999U, 1000U}) {
    const std::size_t rank = (values.size() * per_mille + 999) / 1000;
    const std::int64_t exact = values[rank == 0 ? 0 : rank - 1];
    const std::int64_t seen = h.percentile(static_cast<double>(per_mille) / 10).count();
    EXPECT_GE(seen, exact) << per_mille << " of " << values.size();
    EXPECT_LE(seen - exact, exact / 32) << per_mille << " of " << values.size();
  }
}

TEST(histogram, agrees_with_sorted_samples) {
  std::minstd_rand random(1);
  for (int round = 0; round < 200; ++round) {
    const auto values = sample(random, 1 + random() % 3000);
    histogram h;
    for (const auto v : values) h.record(duration(v));
    expect_agrees(h, values);
  }
}

TEST(histogram, sums_and_copies_agree_with_all_samples_together) {
  std::minstd_rand random(2);
  for (int round = 0; round < 50; ++round) {
    histogram total;
    std::vector<std::int64_t> all;
    for (int part = 0; part < 3; ++part) {
      histogram h;
      for (const auto v : sample(random, 1 + random() % 500)) {
        h.record(duration(v));
        all.push_back(v);
      }
      total += h;
    }
    expect_agrees(histogram(total), all);
  }
}

TEST(histogram, difference_of_two_moments_is_what_came_between) {
  std::minstd_rand random(3);
  histogram h;
  h.record(duration(1));
  h.record(longest);
  const histogram before = h;
  const auto values = sample(random, 1000);
  for (const auto v : values) h.record(duration(v));
  h -= before;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  EXPECT_EQ(h.count(), values.size());
  EXPECT_LE(h.min().count(), *least);
  EXPECT_GE(h.min().count(), *least - *least / 32);
  EXPECT_GE(h.max().count(), *most);
  EXPECT_LE(h.max().count(), *most + *most / 32);
  EXPECT_EQ(h.mean().count(),
            std::accumulate(values.begin(), values.end(), std::int64_t{0}) / 1000);
  h -= histogram(h);
  EXPECT_EQ(h.count(), 0u);
  EXPECT_EQ(h.max(), duration(0));
}

// Goal: readers may look while one thread records.
// Finds: (under ThreadSanitizer) a count that is not atomic.
TEST(histogram, may_be_read_while_it_is_written) {
  histogram h;
  std::thread writer([&] {
    for (int i = 1; i <= 100'000; ++i) h.record(duration(i));
  });
  std::uint64_t seen = 0;
  while (seen < 100'000) {
    const histogram copy = h;
    EXPECT_GE(copy.count(), seen);
    EXPECT_LE(copy.percentile(50), duration(100'000));
    seen = copy.count();
  }
  writer.join();
  EXPECT_EQ(h.count(), 100'000u);
}

}  // namespace
