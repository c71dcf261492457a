// SPDX-License-Identifier: MIT
// Timer wheel: many timers, of which most are canceled before their time.
//
//      level 5   4   3   2   1   0        a tick is 4.096 us
//     [ .. | d5 | d4 | d3 | d2 | d1 | d0 ]   the wheel's own time, six bits a digit
//
// A timer sits at the highest digit in which its tick differs from the wheel's, in the slot of
// its own value of that digit. When the wheel's time reaches the first tick of a slot, the slot is
// turned: its timers move to lower levels. What differs above level 5 (78 hours) waits in the
// list of the far; what the wheel's time has reached is in the list of the due, sorted.
//
// Invariant: in each level, occupied slots lie above the wheel's own digit. So everything in a
// level comes before everything in the levels above it, and the first occupied slot of the lowest
// occupied level holds the next timer. Timers of one tick always share a slot, in the order they
// were armed: with the sort of the due being stable, equal times fire in that order.
//
// Idea: Varghese and Lauck, SOSP 1987. Single-threaded; the owner brings the lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pinion/platform/os.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion::detail {

class timer_wheel {
 public:
  explicit timer_wheel(time_point now) noexcept;
  timer_wheel(const timer_wheel&) = delete;
  timer_wheel& operator=(const timer_wheel&) = delete;

  /// @cost      O(1), but for timers within the tick the wheel is at: those are sorted in
  void arm(timer_node&) noexcept;

  /// False: it is not armed.
  /// @cost      O(1)
  bool disarm(timer_node&) noexcept;

  /// Takes out the first timer whose time has come, by `when`, then by arming. Null: none.
  /// @cost      amortised over its life, a timer is moved six times at most
  timer_node* pop_due(time_point now) noexcept;

  /// Nothing is due before it. Exact unless timers that were earlier have been disarmed.
  /// @cost      O(levels)
  time_point next_expiry() const noexcept;

  /// The earliest armed, or forever.
  /// @cost      O(timers in one slot)
  time_point earliest() const noexcept;

  bool empty() const noexcept { return first_occupied() == nullptr; }

 private:
  static constexpr unsigned tick_bits = 12;
  static constexpr unsigned level_bits = 6;
  static constexpr unsigned level_count = 6;
  static constexpr std::size_t level_size = std::size_t{1} << level_bits;
  static constexpr std::size_t due_index = level_count * level_size;
  static constexpr std::size_t far_index = due_index + 1;

  /// Head of a circular list.
  struct slot : timer_links {
    time_point earliest = forever;  // of all that came since it was empty
  };

  static std::uint64_t tick_of(time_point) noexcept;
  std::size_t index_of(std::uint64_t tick) const noexcept;
  std::uint64_t first_tick(std::size_t index) const noexcept;
  const slot* first_occupied() const noexcept;

  void append(timer_node&, std::size_t index) noexcept;
  void insert_sorted(timer_node&) noexcept;
  void unlink(timer_node&) noexcept;
  void turn(std::size_t index) noexcept;

  std::uint64_t tick_;                            // the wheel's own time; never goes back
  std::uint64_t occupied_[level_count + 1] = {};  // by level; the last word: due and far
  slot slots_[level_count * level_size + 2];
};

}  // namespace pinion::detail
