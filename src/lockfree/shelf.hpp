// SPDX-License-Identifier: MIT
// Shelf: the few pieces of work that a worker keeps for itself, beside its queue.
//
//       the owner takes here, the oldest            the owner puts here
//               |                                           |
//               v                                           v
//      [ 0 | work | work | work | 0 (taken by somebody) | work | 0 | 0 ]
//
// What is here will be run within a moment, sooner than a thief could have it. So thieves leave it
// alone, and to put is a plain store, which others may see a moment late. Only when the owner does
// not come, because what it runs takes longer than it looked, somebody who has seen that the owner
// took nothing since the last look takes what is left.
//
// Invariant: cells outside of [taken, taken + count) are empty, and so are those inside where
// somebody was faster than the owner.
//
// Progress: all of it is wait-free.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::lockfree {

/// @threads   put, take and count: one owner at a time. All else: any thread
/// @order     what the owner did before put() is visible to who takes the word
/// @lifetime  words left at the end are forgotten
class shelf {
 public:
  using word = std::uintptr_t;
  static constexpr std::size_t capacity = os::shrinkable<std::size_t>(8, 2);

  /// How many there are at most: somebody may have taken some.
  std::size_t count() const noexcept { return count_; }

  /// False: full.
  bool put(word w) noexcept {
    if (count_ == capacity) return false;
    // relaxed: the owner's own.
    const std::uint64_t first = taken_.load(std::memory_order_relaxed);
    // release: publishes what the word stands for; pairs with the acquire in take_cell().
    cells_[(first + count_) % capacity].store(w, std::memory_order_release);
    ++count_;
    return true;
  }

  /// The oldest, or 0 when there is none.
  word take() noexcept {
    while (count_ != 0) {
      // relaxed: the owner's own.
      const std::uint64_t first = taken_.load(std::memory_order_relaxed);
      taken_.store(first + 1, std::memory_order_relaxed);  // relaxed: compared, and no more
      --count_;
      // relaxed: put by this thread, or by who had the seat before it; an RMW against take_cell().
      const word w = cells_[first % capacity].exchange(0, std::memory_order_relaxed);
      if (w != 0) return w;
    }
    return 0;
  }

  /// How often the owner has taken one: it moves when the owner does.
  std::uint64_t taken() const noexcept {
    return taken_.load(std::memory_order_relaxed);  // relaxed: compared with a later one
  }
  bool looks_empty() const noexcept {
    for (const auto& cell : cells_) {
      if (cell.load(std::memory_order_relaxed) != 0) return false;  // relaxed: a hint
    }
    return true;
  }

  /// What is in that cell, or 0.
  word take_cell(std::size_t cell) noexcept {
    if (cells_[cell].load(std::memory_order_relaxed) == 0) return 0;  // relaxed: a hint
    // acquire: sees what it stands for; pairs with the release in put().
    return cells_[cell].exchange(0, std::memory_order_acquire);
  }

 private:
  alignas(cache_line_size) os::atomic<word> cells_[capacity]{};

  alignas(cache_line_size) os::atomic<std::uint64_t> taken_{0};  // written by the owner
  std::size_t count_ = 0;                                        // the owner's alone
};

}  // namespace pinion::lockfree
