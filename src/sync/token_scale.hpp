// SPDX-License-Identifier: MIT
// Token scale: a rate and a burst as integers, for a bucket that fits into one word.
//
// Time and tokens are counted in one unit, so small that both a token and a nanosecond are whole
// numbers of it: 3 tokens a second is 3 units a nanosecond and 10^9 units a token. What a bucket
// owes is then exact, and nothing drifts however many tokens pass.
//
// Where that unit would be too small for the word (a burst of more than some 10^7 tokens at a rate
// that shares few divisors with 10^9; a token in many years), the unit is larger, and the rate is
// rounded down: by less than one part in 2^40 from one token a minute to 10^9 a second. Grants are
// never more than the exact rate allows.
#pragma once

#include <cstdint>

#include "pinion/platform/clock.hpp"
#include "pinion/sync/rate_limiter.hpp"

namespace pinion::detail {

__extension__ using wide = unsigned __int128;

struct token_scale {
  // Sizes, in bits: a bucket's fill (burst), how far time is counted, and how far ahead tokens can
  // be reserved. Each is half of the next at most.
  static constexpr unsigned burst_bits = 55;
  static constexpr unsigned time_bits = 56;
  static constexpr unsigned ahead_bits = 57;

  std::uint64_t token = 0;     // units of one; 0: no limit
  std::uint64_t per_time = 0;  // units of 2^shift nanoseconds; 0: no token ever comes
  std::uint64_t shift = 0;
  std::uint64_t burst = 0;   // tokens; 0: paused
  std::int64_t horizon = 0;  // nanoseconds for which time_bits are enough

  /// @pre       burst <= rate_limiter::max_burst
  static token_scale of(rate, std::uint64_t burst) noexcept;

  bool unlimited() const noexcept { return token == 0; }
  std::uint64_t fill() const noexcept { return token * burst; }

  /// Units that have passed, rounded down, and up. @pre ns is in 0 .. horizon
  std::uint64_t passed(std::int64_t ns) const noexcept {
    if (shift == 0) return static_cast<std::uint64_t>(ns) * per_time;
    return static_cast<std::uint64_t>(product(ns) >> shift);
  }
  std::uint64_t passed_up(std::int64_t ns) const noexcept {
    if (shift == 0) return static_cast<std::uint64_t>(ns) * per_time;
    return static_cast<std::uint64_t>((product(ns) + ((wide{1} << shift) - 1)) >> shift);
  }

  /// Rounded down, for a time that may be beyond the horizon.
  std::uint64_t passed_long(std::int64_t ns) const noexcept {
    const wide units = product(ns) >> shift;
    return units >> 62 == 0 ? static_cast<std::uint64_t>(units) : std::uint64_t{1} << 62;
  }

  /// What a time in whole nanoseconds may be later than that of a token, at most.
  std::uint64_t slack() const noexcept {
    const bool none = per_time == 0 || (shift == 0 && token % per_time == 0);
    return none ? 0 : passed_up(1);
  }

  /// The first time at which so many have passed, or forever.
  duration time_until(std::uint64_t units) const noexcept;

 private:
  wide product(std::int64_t ns) const noexcept {
    return wide{static_cast<std::uint64_t>(ns)} * per_time;
  }
};

}  // namespace pinion::detail
