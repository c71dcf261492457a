// SPDX-License-Identifier: MIT
#include "src/sync/token_scale.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace pinion::detail {
namespace {

constexpr unsigned most_per_nanosecond = 16;  // units, in bits: the horizon is 18 minutes at least

/// A token is so many units, coarse enough for the burst and for the horizon.
std::uint64_t units_of_token(std::uint64_t events, std::uint64_t per, std::uint64_t burst) {
  unsigned k = 0;
  while ((events >> k) >> most_per_nanosecond > 0 ||
         wide{std::max<std::uint64_t>(per >> k, 1)} * burst >> token_scale::burst_bits > 0) {
    ++k;
  }
  return std::max<std::uint64_t>(per >> k, 1);
}

}  // namespace

token_scale token_scale::of(rate r, std::uint64_t burst) noexcept {
  token_scale s;
  s.burst = burst;
  s.horizon = std::numeric_limits<std::int64_t>::max();
  if (r.events == 0) {
    s.token = std::uint64_t{1} << (burst_bits - rate_limiter::max_burst_bits);
    return s;
  }
  if (r.per <= duration::zero()) return s;
  const auto ns = static_cast<std::uint64_t>(r.per.count());
  const std::uint64_t divisor = std::gcd(r.events, ns);
  const std::uint64_t events = r.events / divisor;
  const std::uint64_t per = ns / divisor;
  s.token = units_of_token(events, per, std::max<std::uint64_t>(burst, 1));
  // units a nanosecond = events * token / per; faster than the fastest that is told apart is that.
  wide units = wide{events} * s.token;
  units = std::min(units, (wide{per} << most_per_nanosecond) * 2);
  const bool whole = units % per == 0;  // units a nanosecond, and then nothing is to be shifted
  while (!whole && s.shift < 62 && units >> 126 == 0 && (units << 1) / per >> 63 == 0) {
    units <<= 1;
    ++s.shift;
  }
  s.per_time = static_cast<std::uint64_t>(units / per);
  const wide horizon = (wide{1} << (time_bits + s.shift)) / s.per_time;
  s.horizon =
      static_cast<std::int64_t>(std::min(horizon, wide{static_cast<std::uint64_t>(s.horizon)}));
  return s;
}

duration token_scale::time_until(std::uint64_t units) const noexcept {
  if (per_time == 0) return units == 0 ? duration::zero() : duration::max();
  const wide ns = ((wide{units} << shift) + per_time - 1) / per_time;
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return duration(static_cast<std::int64_t>(std::min(ns, wide{most})));
}

}  // namespace pinion::detail
