// SPDX-License-Identifier: MIT
// Time, as used everywhere in the library: steady, in nanoseconds, saturating.
#pragma once

#include "pinion/platform/os.hpp"

namespace pinion {

/// The steady clock of the machine. Changes of the wall clock do not move it.
inline time_point now() noexcept {
  return os::now();
}

/// t + d without overflow: a huge d means forever, never the past, and forever stays forever.
constexpr time_point add_saturating(time_point t, duration d) noexcept {
  if (t == forever) return forever;
  duration::rep sum = 0;
  if (__builtin_add_overflow(t.time_since_epoch().count(), d.count(), &sum)) {
    return d > duration::zero() ? forever : time_point::min();
  }
  return time_point(duration(sum));
}

}  // namespace pinion
