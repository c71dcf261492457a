// SPDX-License-Identifier: MIT
#include "pinion/lockfree/histogram.hpp"

#include <algorithm>
#include <cmath>

namespace pinion {

namespace {

duration nanoseconds(std::uint64_t v) noexcept {
  return duration(static_cast<duration::rep>(v));
}

}  // namespace

histogram::histogram(const histogram& other) noexcept {
  *this = other;
}

histogram& histogram::operator=(const histogram& other) noexcept {
  // relaxed, all: a copy is a recent state, not a moment's.
  for (std::size_t i = 0; i < bucket_count; ++i)
    buckets_[i].store(read(other.buckets_[i]), std::memory_order_relaxed);
  sum_.store(read(other.sum_), std::memory_order_relaxed);      // relaxed: as above
  least_.store(read(other.least_), std::memory_order_relaxed);  // relaxed: as above
  most_.store(read(other.most_), std::memory_order_relaxed);    // relaxed: as above
  return *this;
}

histogram& histogram::operator+=(const histogram& other) noexcept {
  for (std::size_t i = 0; i < bucket_count; ++i) add(buckets_[i], read(other.buckets_[i]));
  add(sum_, read(other.sum_));
  // relaxed, both: one writer, as in record().
  least_.store(std::min(read(least_), read(other.least_)), std::memory_order_relaxed);
  most_.store(std::max(read(most_), read(other.most_)), std::memory_order_relaxed);
  return *this;
}

histogram& histogram::operator-=(const histogram& other) noexcept {
  for (std::size_t i = 0; i < bucket_count; ++i) add(buckets_[i], 0 - read(other.buckets_[i]));
  add(sum_, 0 - read(other.sum_));
  return *this;
}

std::uint64_t histogram::count() const noexcept {
  std::uint64_t n = 0;
  for (const counter& c : buckets_) n += read(c);
  return n;
}

duration histogram::min() const noexcept {
  for (std::size_t i = 0; i < bucket_count; ++i)
    if (read(buckets_[i]) != 0) return nanoseconds(std::max(first_of(i), read(least_)));
  return {};
}

duration histogram::max() const noexcept {
  for (std::size_t i = bucket_count; i-- > 0;)
    if (read(buckets_[i]) != 0) return nanoseconds(std::min(first_of(i + 1) - 1, read(most_)));
  return {};
}

duration histogram::mean() const noexcept {
  const std::uint64_t n = count();
  return n == 0 ? duration() : nanoseconds(read(sum_) / n);
}

duration histogram::percentile(double p) const noexcept {
  const std::uint64_t n = count();
  if (n == 0) return {};
  // A hair less, so that 99.9 percent of 1000 is the 999th value whatever the rounding.
  const double share = std::clamp(p, 0.0, 100.0) / 100 * static_cast<double>(n);
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * (1 - 1e-12)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    seen += read(buckets_[i]);
    if (seen != 0 && seen >= rank) return std::min(nanoseconds(first_of(i + 1) - 1), max());
  }
  return max();
}

}  // namespace pinion
