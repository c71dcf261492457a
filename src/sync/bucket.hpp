// SPDX-License-Identifier: MIT
// Bucket: what a rate limiter looked like at one moment, and what follows from it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "pinion/sync/rate_limiter.hpp"
#include "src/sync/token_scale.hpp"

namespace pinion {

struct rate_limiter::snapshot {
  // Of the word.
  static constexpr std::uint64_t waiting_bit = 1;
  static constexpr unsigned setting_bits = 5;
  static constexpr unsigned full_at_shift = 1 + setting_bits;
  static constexpr std::uint64_t low = (std::uint64_t{1} << full_at_shift) - 1;

  std::uint64_t word;
  detail::token_scale scale;
  std::int64_t start;
  std::uint64_t number;

  bool waiting() const noexcept { return (word & waiting_bit) != 0; }
  std::uint64_t full_at() const noexcept { return word >> full_at_shift; }

  std::int64_t since_start(time_point now) const noexcept {
    const std::int64_t ns = now.time_since_epoch().count();
    std::int64_t passed = 0;
    if (ns <= start) return 0;  // time that goes back brings nothing
    return __builtin_sub_overflow(ns, start, &passed) ? duration::max().count() : passed;
  }
  bool counts(time_point now) const noexcept { return since_start(now) <= scale.horizon; }

  /// When the bucket is full again if n are taken: as far as the check goes; and as it is noted
  /// when they are used at `then`. What had filled up by then, to the unit that has begun, is full.
  /// @pre       counts(now), n is at most 2^40
  std::uint64_t checked_end(std::uint64_t n, time_point now) const noexcept {
    return std::max(full_at(), scale.passed(since_start(now))) + n * scale.token;
  }
  std::uint64_t noted_end(std::uint64_t n, time_point then) const noexcept {
    return std::max(full_at(), scale.passed_up(since_start(then))) + n * scale.token;
  }
  bool reached(std::uint64_t end, time_point now) const noexcept {
    return end <= scale.passed(since_start(now)) + scale.fill();
  }
  /// When n can be used, if they are taken now. @pre as above
  time_point turn_of(std::uint64_t n, time_point now) const noexcept {
    const std::uint64_t end = checked_end(n, now);
    return reached(end, now) ? now : time_of(end);
  }
  /// The same, after those before it.
  time_point turn_after(std::uint64_t before, std::uint64_t n, time_point now) const noexcept {
    const detail::wide end = checked_end(n, now) + detail::wide{before} * scale.token;
    if (scale.burst == 0 || end >> 62 != 0) return forever;
    const auto narrow = static_cast<std::uint64_t>(end);
    return reached(narrow, now) ? now : time_of(narrow);
  }
  /// When what ends there can be used. @pre it is not reached
  time_point time_of(std::uint64_t end) const noexcept {
    return add_saturating(time_point(duration(start)), scale.time_until(end - scale.fill()));
  }
};

}  // namespace pinion
