// SPDX-License-Identifier: MIT
// Hints to the core this thread runs on, and its cheapest clock.
//
// Ticks are what the core's constant-rate counter counts. Where the processor does not promise a
// constant rate, they are nanoseconds of the steady clock, so code that uses ticks stays right
// and is only slower.
#pragma once

#include <cstdint>

#include "pinion/platform/os.hpp"

namespace pinion {

/// Tells the core that this is a spin loop. A few to some hundred cycles, by model.
inline void cpu_pause() noexcept {
  os::spin_hint();
}

/// Asks for a line that is about to be written; it may be another core's now.
inline void prefetch_for_write(const void* line) noexcept {
#if defined(__x86_64__)
  // The builtin asks for a shared line unless the compiler is told of a newer processor; older
  // ones take this for no instruction.
  __asm__ __volatile__("prefetchw %0" : : "m"(*static_cast<const char*>(line)));
#else
  __builtin_prefetch(line, 1);
#endif
}

namespace detail {

enum class tick_source : std::uint8_t { unknown, counter, clock };
extern os::atomic<tick_source> ticks_from;  // found out at the first use
std::uint64_t cpu_ticks_by_source() noexcept;

}  // namespace detail

/// A moment, for the distance to another one. Constant rate, the same on all cores.
/// @cost      about 10 ns; not ordered with the loads and stores around it
inline std::uint64_t cpu_ticks() noexcept {
#if defined(__x86_64__)
  // relaxed: one value for ever once it is known, and nothing hangs on it.
  if (detail::ticks_from.load(std::memory_order_relaxed) == detail::tick_source::counter) {
    return os::cycle_counter();
  }
  return detail::cpu_ticks_by_source();
#elif defined(__aarch64__)
  return os::cycle_counter();
#else
  return detail::cpu_ticks_by_source();
#endif
}

/// The rate, measured once per process, within about one part in a thousand.
/// @cost      the first call of the process on x86: 0.2 ms of measuring; later ones: a load
double ticks_per_nanosecond() noexcept;

/// Rounded to the nearest; saturate at the ends of their types; a negative duration is no ticks.
duration to_duration(std::uint64_t ticks) noexcept;
std::uint64_t to_ticks(duration) noexcept;

/// A bounded spin: measures time, not rounds, because a pause costs 10 to 140 cycles.
///
///     for (spin_budget budget(2us); !ready();)
///       if (!budget.spin()) return park();
class spin_budget {
 public:
  /// duration::max() never ends.
  explicit spin_budget(duration limit) noexcept;

  /// Pauses once; false when the budget is used up and the caller should park. Always false at
  /// once when the process may use one CPU only: whoever is waited for needs it.
  bool spin() noexcept {
    if (limit_ == 0) return false;
    cpu_pause();
    if (++pauses_ % pauses_per_look != 0) return true;
    return limit_ == ~std::uint64_t{0} || cpu_ticks() - start_ < limit_;
  }

 private:
  // Looking at the counter costs about as much as a pause: too much to do each time.
  static constexpr unsigned pauses_per_look = 8;

  std::uint64_t start_ = 0;
  std::uint64_t limit_ = 0;  // ticks; 0: no spinning; all ones: no end
  unsigned pauses_ = 0;
};

}  // namespace pinion
