// SPDX-License-Identifier: MIT
// Knows when all tasks have run, and costs a task as little as counting can.
//
// One shared counter would be the slowest thing in a benchmark of empty tasks. Each thread adds
// to a line of its own, an uncontended read-modify-write of about two nanoseconds; whoever waits
// adds up the lines now and then, and sleeps in between so as not to take a core from the workers.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::bench {

class completion_counter {
 public:
  /// @threads   any
  void add() noexcept {
    // release: what the task did is visible to whoever counts it; pairs with the acquire in total.
    lines_[line_of_this_thread()].value.fetch_add(1, std::memory_order_release);
  }

  std::uint64_t total() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& line : lines_) {
      sum += line.value.load(std::memory_order_acquire);  // acquire: pairs with the release in add
    }
    return sum;
  }

  /// Sleeps until `count` tasks have run since the start.
  void wait_for(std::uint64_t count) const {
    while (total() < count) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }

 private:
  // Threads beyond that many share lines: still exact, less cheap.
  static constexpr std::size_t line_count = 64;

  static std::size_t line_of_this_thread() noexcept {
    static os::atomic<std::size_t> next{0};
    // relaxed: hands out numbers and publishes nothing.
    thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % line_count;
    return mine;
  }

  std::array<padded<os::atomic<std::uint64_t>>, line_count> lines_{};
};

}  // namespace pinion::bench
