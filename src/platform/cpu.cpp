// SPDX-License-Identifier: MIT
#include "pinion/platform/cpu.hpp"

#include <cmath>
#include <limits>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pinion {

namespace detail {

constinit os::atomic<tick_source> ticks_from{tick_source::unknown};

namespace {

// Only a counter that runs at one rate in all power states, and in step on all cores, is a clock.
tick_source find_tick_source() noexcept {
#if defined(__x86_64__)
  constexpr unsigned power_leaf = 0x80000007;
  constexpr unsigned invariant_bit = 1U << 8;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(power_leaf, &a, &b, &c, &d) != 0 && (d & invariant_bit) != 0) {
    return tick_source::counter;
  }
#endif
  return tick_source::clock;
}

std::uint64_t clock_ticks() noexcept {
  return static_cast<std::uint64_t>(os::now().time_since_epoch().count());
}

}  // namespace

std::uint64_t cpu_ticks_by_source() noexcept {
  // relaxed: all who find it out find the same.
  if (ticks_from.load(std::memory_order_relaxed) == tick_source::unknown) {
    ticks_from.store(find_tick_source(), std::memory_order_relaxed);  // relaxed: as above
    return cpu_ticks();
  }
  return clock_ticks();
}

}  // namespace detail

namespace {

#if defined(__x86_64__)

struct tick_and_time {
  std::uint64_t ticks;
  double ns;
};

// Both clocks at one moment: the reading of several that took the shortest.
tick_and_time read_both() noexcept {
  tick_and_time best{};
  std::uint64_t shortest = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < 8; ++i) {
    const std::uint64_t before = cpu_ticks();
    const auto time = os::now().time_since_epoch();
    const std::uint64_t took = cpu_ticks() - before;
    if (took >= shortest) continue;
    shortest = took;
    best = {before + took / 2, static_cast<double>(time.count())};
  }
  return best;
}

double measure_rate() noexcept {
  (void)cpu_ticks();  // finds the source out
  // relaxed: this thread has just seen to it that it is known.
  if (detail::ticks_from.load(std::memory_order_relaxed) == detail::tick_source::clock) return 1.0;
  constexpr duration window = std::chrono::microseconds(200);
  const tick_and_time first = read_both();
  const time_point end = os::now() + window;
  while (os::now() < end) cpu_pause();
  const tick_and_time last = read_both();
  return static_cast<double>(last.ticks - first.ticks) / (last.ns - first.ns);
}

#elif defined(__aarch64__)

double measure_rate() noexcept {
  std::uint64_t hertz;
  __asm__ __volatile__("mrs %0, cntfrq_el0" : "=r"(hertz));
  return static_cast<double>(hertz) * 1e-9;
}

#else

double measure_rate() noexcept {
  return 1.0;
}

#endif

// x rounded, or the largest value of the type.
template <class Int>
Int saturate(double x) noexcept {
  constexpr auto limit = static_cast<double>(std::numeric_limits<Int>::max());
  return x < limit ? static_cast<Int>(std::nearbyint(x)) : std::numeric_limits<Int>::max();
}

}  // namespace

// Not guarded: a fork in the middle would leave the guard locked in the child. Who measures first
// says it for all.
double ticks_per_nanosecond() noexcept {
  static constinit os::atomic<double> known{0};
  double rate = known.load(std::memory_order_relaxed);  // relaxed: a number by itself
  if (rate != 0) [[likely]]
    return rate;
  const double measured = measure_rate();
  // relaxed: as above.
  const bool first = known.compare_exchange_strong(rate, measured, std::memory_order_relaxed);
  return first ? measured : rate;
}

duration to_duration(std::uint64_t ticks) noexcept {
  return duration(saturate<duration::rep>(static_cast<double>(ticks) / ticks_per_nanosecond()));
}

std::uint64_t to_ticks(duration d) noexcept {
  if (d <= duration::zero()) return 0;
  if (d == duration::max()) return std::numeric_limits<std::uint64_t>::max();
  return saturate<std::uint64_t>(static_cast<double>(d.count()) * ticks_per_nanosecond());
}

spin_budget::spin_budget(duration limit) noexcept {
  if (os::cpus() == 1 || limit <= duration::zero()) return;
  limit_ = to_ticks(limit);
  start_ = cpu_ticks();
}

}  // namespace pinion
