// SPDX-License-Identifier: MIT
// A lock of four bytes for a few instructions at a time.
//
//     free --lock--> held --another lock--> contended --unlock--> free, and one sleeper is woken
//
// It is held for tens of nanoseconds, so whoever finds it taken spins for a moment first: the
// holder is nearly always about to leave. If it is not (it lost its core), the waiter sleeps.
// Algorithm: the third mutex of Drepper, "Futexes are tricky".
#pragma once

#include <cstdint>

#include "pinion/platform/os.hpp"

namespace pinion {

/// For use with std::lock_guard. Not recursive, not fair.
///
/// Whoever takes the lock next may destroy it, even while the unlock() that let it in is still
/// running.
///
/// @threads   any
/// @order     what was done before unlock() is visible after the lock() that follows
/// @cost      one read-modify-write each when nobody else is there; no system call then
class short_lock {
 public:
  short_lock() noexcept = default;
  short_lock(const short_lock&) = delete;
  short_lock& operator=(const short_lock&) = delete;

  /// @blocks    while another thread holds it: spins for about a microsecond, then sleeps
  void lock() noexcept {
    if (!try_lock()) lock_contended();
  }

  bool try_lock() noexcept {
    std::uint32_t expected = free;
    // acquire: sees what the last holder did; pairs with the release in unlock. relaxed: taken.
    return state_.compare_exchange_strong(expected, held, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }

  /// @blocks    never
  void unlock() noexcept {
    // release: publishes what was done under the lock; pairs with the acquires in try_lock and
    // lock_contended.
    if (state_.exchange(free, std::memory_order_release) != contended) return;
    // From here on *this may be gone; only its address is used.
    (void)os::futex_wake(state_, 1);
  }

 private:
  static constexpr std::uint32_t free = 0;
  static constexpr std::uint32_t held = 1;
  static constexpr std::uint32_t contended = 2;  // held, and somebody may sleep

  void lock_contended() noexcept;

  os::atomic<std::uint32_t> state_{free};
};

}  // namespace pinion
