// SPDX-License-Identifier: MIT
#include "src/platform/counter_clock.hpp"

#include "pinion/platform/cpu.hpp"

namespace pinion::detail {
namespace {

constexpr duration good_for = std::chrono::microseconds(4);
/// A look that took longer was interrupted: it does not say what the counter was when.
constexpr duration look_max = std::chrono::nanoseconds(200);

}  // namespace

[[gnu::tls_model("initial-exec")]] constinit thread_local clock_look last_look{};

time_point look_at_clock() noexcept {
  const double rate = ticks_per_nanosecond();
#if !defined(__aarch64__)  // there the counter is always a clock
  // relaxed: the rate was measured, so it is known.
  if (ticks_from.load(std::memory_order_relaxed) == tick_source::clock) return os::now();
#endif
  const std::uint64_t before = cpu_ticks();
  const time_point time = os::now();
  const std::uint64_t took = cpu_ticks() - before;
  const bool is_whole = took <= to_ticks(look_max);
  last_look = {before + took / 2, is_whole ? to_ticks(good_for) : 0,
               static_cast<std::uint64_t>(0x1p32 / rate), time};
  return time;
}

}  // namespace pinion::detail
