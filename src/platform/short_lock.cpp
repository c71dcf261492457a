// SPDX-License-Identifier: MIT
#include "pinion/platform/short_lock.hpp"

#include "pinion/platform/cpu.hpp"

namespace pinion {

namespace {

/// What a waiter spins before it sleeps. Much more than the lock is held, much less than a sleep
/// and a wake-up cost together.
constexpr duration spin_time_max = std::chrono::microseconds(1);

}  // namespace

void short_lock::lock_contended() noexcept {
  for (spin_budget budget(spin_time_max); budget.spin();) {
    // relaxed: a look, so that the line stays shared until there is something to win.
    if (state_.load(std::memory_order_relaxed) == free && try_lock()) return;
  }
  // This thread cannot know whether others sleep, so it takes the lock as contended: at worst its
  // unlock makes one system call too many.
  // acquire: sees what the last holder did; pairs with the release in unlock.
  while (state_.exchange(contended, std::memory_order_acquire) != free) {
    (void)os::futex_wait(state_, contended);
  }
}

}  // namespace pinion
