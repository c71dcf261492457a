// SPDX-License-Identifier: MIT
// Log-linear histogram of durations: every value to within 1/32, any range, fixed memory.
//
//      0 .. 31       one bucket each                     exact
//     32 .. 63       32 buckets of width 1
//     64 .. 127      32 buckets of width 2               a bucket is never wider than
//    128 .. 255      32 buckets of width 4               1/32 of the values in it
//        ..          and so on up to the longest duration
//
// Counts are plain stores by one writer, which any thread may read meanwhile. Percentiles of
// several histograms cannot be averaged; add the histograms instead.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "pinion/platform/os.hpp"

namespace pinion {

/// @threads   record, += and -= : one writer at a time. All else: any thread, sees a recent state.
/// @cost      15 KiB; what reads looks at all of it
class histogram {
 public:
  histogram() noexcept = default;
  histogram(const histogram&) noexcept;
  histogram& operator=(const histogram&) noexcept;

  /// Counts one value; a negative one counts as 0.
  /// @cost      a few nanoseconds, wait-free, no allocation
  void record(duration d) noexcept {
    const std::uint64_t v = d.count() < 0 ? 0 : static_cast<std::uint64_t>(d.count());
    add(buckets_[bucket_of(v)], 1);
    add(sum_, v);
    // relaxed, all: one writer, and readers need no more than a recent value.
    if (v < least_.load(std::memory_order_relaxed)) least_.store(v, std::memory_order_relaxed);
    if (v > most_.load(std::memory_order_relaxed)) most_.store(v, std::memory_order_relaxed);
  }

  /// To combine what several threads recorded.
  histogram& operator+=(const histogram&) noexcept;

  /// To get an interval: subtracts an earlier copy of this histogram. min() and max() are within
  /// 1/32 after it, exact before.
  histogram& operator-=(const histogram&) noexcept;

  std::uint64_t count() const noexcept;
  duration min() const noexcept;  // 0 if nothing was recorded, as all of these
  duration max() const noexcept;
  duration mean() const noexcept;  // exact, rounded down

  /// The upper edge of the bucket in which `p` percent of all values are reached; at most max().
  /// @param p  0 .. 100
  duration percentile(double p) const noexcept;

 private:
  using counter = os::atomic<std::uint64_t>;

  static constexpr unsigned precision_bits = 5;
  static constexpr std::uint64_t per_octave = 1U << precision_bits;
  static constexpr std::size_t bucket_count = (63 - precision_bits + 1) * per_octave;

  static constexpr std::size_t bucket_of(std::uint64_t v) noexcept {
    if (v < per_octave) return static_cast<std::size_t>(v);
    const auto shift = static_cast<unsigned>(std::bit_width(v)) - 1 - precision_bits;
    return static_cast<std::size_t>(shift * per_octave + (v >> shift));
  }
  static constexpr std::uint64_t first_of(std::size_t bucket) noexcept {
    if (bucket < per_octave) return bucket;
    return (per_octave + bucket % per_octave) << (bucket / per_octave - 1);
  }

  // relaxed, both: as in record().
  static std::uint64_t read(const counter& c) noexcept { return c.load(std::memory_order_relaxed); }
  static void add(counter& c, std::uint64_t n) noexcept {
    c.store(c.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);  // relaxed: as above
  }

  std::array<counter, bucket_count> buckets_{};
  counter sum_{0};
  counter least_{~std::uint64_t{0}};  // bounds, kept by -= : of all values ever recorded
  counter most_{0};
};

}  // namespace pinion
