// SPDX-License-Identifier: MIT
// Blocks and wakes one thread: a futex with a memory of one wake-up.
//
//                  park                            unpark
//     notified --------------> empty        any state ------> notified
//     empty -----> parked, sleeps                 \__ was parked: wake the sleeper
//     notified, seen by the sleeper --> empty
//
// Both sides change the word by one read-modify-write, so one of them comes first: a wake-up is
// found before the sleep, or the sleeper is found by the wake-up. The protocol page on the parker
// goes through it step by step.
#pragma once

#include <cstdint>

#include "pinion/platform/os.hpp"

namespace pinion {

/// A thread's own: one thread parks on it, any thread wakes it. Wake-ups do not add up.
///
/// The owner may destroy it as soon as park() has returned, even while the unpark() that woke it
/// is still running.
///
/// @threads   park: the owning thread. unpark: any thread, any number of times
/// @order     what was done before unpark() is visible after the park() it ended
/// @cost      no system call when unpark() comes first or nobody is parked
class parker {
 public:
  parker() noexcept = default;
  parker(const parker&) = delete;
  parker& operator=(const parker&) = delete;

  /// Returns after one unpark(), at once if it has already come.
  /// @blocks    until unpark()
  void park() noexcept { (void)park_until(forever); }

  /// As park(), but gives up at `deadline`; false then. A wake-up that has come is taken even
  /// when the deadline has passed.
  /// @blocks    until unpark() or the deadline
  bool park_until(time_point deadline) noexcept {
    // acquire: sees what came before the wake-up; pairs with the release in unpark. From notified
    // this leads to empty, from empty to parked.
    if (state_.fetch_sub(1, std::memory_order_acquire) == notified) return true;
    for (;;) {
      const os::wait_result r = os::futex_wait(state_, parked, deadline);
      if (r == os::wait_result::timed_out) {
        // acquire: as above, should the wake-up have come in this moment.
        return state_.exchange(empty, std::memory_order_acquire) == notified;
      }
      std::uint32_t expected = notified;
      // acquire: as above. relaxed: still parked, a wake-up without a reason; sleeps again.
      if (state_.compare_exchange_strong(expected, empty, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
        return true;
      }
    }
  }

  /// @blocks    never
  /// @progress  wait-free
  void unpark() noexcept {
    // release: publishes what the caller did; pairs with the acquires in park_until. An earlier
    // unpark that has not been taken yet stays visible too: this continues its release sequence.
    if (state_.exchange(notified, std::memory_order_release) != parked) return;
    // From here on *this may be gone; only its address is used.
    (void)os::futex_wake(state_, 1);
  }

 private:
  static constexpr std::uint32_t empty = 0;
  static constexpr std::uint32_t notified = 1;
  static constexpr std::uint32_t parked = ~std::uint32_t{0};  // empty - 1

  os::atomic<std::uint32_t> state_{empty};
};

}  // namespace pinion
