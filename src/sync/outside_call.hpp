// SPDX-License-Identifier: MIT
// A call that an object makes without holding its own lock, and whoever has to wait for its end.
//
//      who calls                                who ends what is called
//   1  lock; take it off the list; begin()   a  lock; on the list? take it off: it is not called
//   2  unlock; call                          b  running elsewhere? wait; else it is over, or it is
//   3  lock; end()                              this thread that calls: nothing to wait for
//
// The caller touches nothing of what it called after the call, so b may free it. One call at a
// time for each object.
#pragma once

#include <cstdint>
#include <limits>

#include "pinion/platform/os.hpp"
#include "pinion/platform/short_lock.hpp"

namespace pinion::detail {

/// Everything with the object's lock held.
class outside_call {
 public:
  void begin(const void* subject) noexcept {
    subject_ = subject;
    caller_ = os::thread_id();
  }

  /// Gives the lock up for a moment when somebody waits.
  void end(short_lock& lock) noexcept {
    subject_ = nullptr;
    if (waiting_ == 0) return;
    // relaxed: the lock orders it; the sleepers' system call compares it.
    ends_.store(ends_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    lock.unlock();
    (void)os::futex_wake(ends_, std::numeric_limits<int>::max());
    lock.lock();
  }

  bool runs_elsewhere(const void* subject) const noexcept {
    return subject_ == subject && caller_ != os::thread_id();
  }

  /// Gives the lock up while it waits.
  /// @pre  some call runs
  void wait_for_end(short_lock& lock) noexcept {
    const std::uint32_t seen = ends_.load(std::memory_order_relaxed);  // relaxed: as in end()
    ++waiting_;
    lock.unlock();
    (void)os::futex_wait(ends_, seen);
    lock.lock();
    --waiting_;
  }

  /// In the child of a fork: whoever called or waited is not here.
  void forget() noexcept {
    subject_ = nullptr;
    waiting_ = 0;
  }

 private:
  const void* subject_ = nullptr;  // null: no call runs
  std::uintptr_t caller_ = 0;
  std::uint32_t waiting_ = 0;
  os::atomic<std::uint32_t> ends_{0};
};

}  // namespace pinion::detail
