// SPDX-License-Identifier: MIT
// Watchdog: the run is a process of its own, and this one looks whether it moves.
//
//     watchdog process                    the run
//       fork  ----------------------->    makes its threads, works
//       reads the beats   <-- shared ---  each producer's beat moves when it does
//       one stands still: prints all stacks, kills
//
// A thread of the same process could not do it: it may be starved or frozen with the others, and a
// debugger cannot look at the process that it is part of.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace pinion::stress {

/// Signs of life, in memory that two processes share.
class pulse {
 public:
  static constexpr std::size_t most = 256;
  static constexpr std::uint64_t over = ~std::uint64_t{0};  // has nothing to do any more

  struct beat {
    std::atomic<std::uint64_t> count{0};
    std::array<char, 32> name{};
  };

  /// Lives in shared memory for as long as both processes do.
  static pulse& make_shared();

  /// By the run, before the threads that use them are made. The name comes first.
  std::atomic<std::uint64_t>& add(const std::string& name);

  std::size_t size() const noexcept { return size_.load(std::memory_order_acquire); }
  const beat& at(std::size_t i) const noexcept { return beats_[i]; }

 private:
  std::array<beat, most> beats_;
  std::atomic<std::size_t> size_{0};
};

/// How a run ended.
struct ending {
  bool stuck = false;
  int code = 0;      // of its process
  std::string what;  // when it did not end by itself
};

/// Runs f in a process of its own, and ends it when a beat stands still for that long.
ending run_watched(pulse&, double stuck_after, const std::function<int()>& f);

}  // namespace pinion::stress
