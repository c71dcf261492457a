// SPDX-License-Identifier: MIT
// What no library can beat on this machine, measured where the libraries are measured.
//
// Machines differ, and a virtual machine differs from hour to hour: the distance between two
// cores and the price of waking one can double by themselves. So a latency is compared with its
// floor in the same loop, sample beside sample, and not with a number from another run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "pinion/lockfree/histogram.hpp"
#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::bench {

/// Two cache lines between two threads: one asks, the other answers, both spin. No thread gives
/// work to another in less than one such round trip there and back.
class line_echo {
 public:
  /// Answers `rounds` questions. Returns when the last one is answered.
  void answer(std::uint64_t rounds) noexcept;

  /// Asks `rounds` times, records each round trip but the first few, which warm up the lines.
  void ask(std::uint64_t rounds, histogram& into) noexcept;

 private:
  padded<os::atomic<std::uint64_t>> question_{};  // how many were asked
  padded<os::atomic<std::uint64_t>> answer_{};    // how many were answered
};

/// A thread that sleeps on a futex and does nothing but tell when it woke.
class futex_sleeper {
 public:
  /// The thread is tied to `cpus`; an empty list leaves it where the system puts it.
  explicit futex_sleeper(std::vector<unsigned> cpus);
  ~futex_sleeper();

  /// Wakes it; from the start of the wake-up to its first instruction. The calling thread blocks
  /// until it knows.
  duration wake() noexcept;

 private:
  void run() noexcept;

  padded<os::atomic<std::uint32_t>> go_{};    // number of the wake-up asked for; top bit: end
  padded<os::atomic<std::uint32_t>> done_{};  // number of the last wake-up that was seen
  std::uint64_t woke_at_ = 0;                 // ticks; belongs to whoever saw done_ change
  std::uint32_t count_ = 0;                   // of the waking thread
  std::thread thread_;
};

/// One futex word on which one thread waits for another.
class doorbell {
 public:
  void ring() noexcept;
  void wait() noexcept;  // blocks until it was rung, once for each ring()

 private:
  padded<os::atomic<std::uint32_t>> rung_{};
};

/// Nanoseconds of one fetch_add on a line that no other core uses: the median of some runs.
double uncontended_rmw_ns();

/// Longest time for which a thread that only spins did not run, and the share of time it lost.
struct hiccups {
  duration longest{};
  double lost = 0;
};
hiccups spin_and_watch(duration how_long);

}  // namespace pinion::bench
