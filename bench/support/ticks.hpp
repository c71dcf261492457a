// SPDX-License-Identifier: MIT
// The clock of the latency benchmarks: the core's constant-rate counter, fenced on both sides.
//
// An unfenced read may be executed before the work in front of it, which hides up to some tens of
// nanoseconds. The fences have a price; what two readings in a row differ by is measured once and
// taken off every sample, and the benchmarks say how much that was.
#pragma once

#include <cstdint>

#include "pinion/platform/clock.hpp"
#include "pinion/platform/cpu.hpp"

namespace pinion::bench {

inline void instruction_fence() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_lfence();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");
#endif
}

/// What came before has been executed, what comes after has not been started.
inline std::uint64_t ticks() noexcept {
  instruction_fence();
  const std::uint64_t t = cpu_ticks();
  instruction_fence();
  return t;
}

/// What two readings in a row differ by: the median of many. Measured once per process.
std::uint64_t ticks_cost() noexcept;

inline duration since(std::uint64_t start, std::uint64_t end) noexcept {
  return end > start ? to_duration(end - start) : duration::zero();
}

}  // namespace pinion::bench
