// SPDX-License-Identifier: MIT
// Timer queue: a wheel under a lock, and fire() called outside of it. What sources of time share.
#pragma once

#include <mutex>

#include "pinion/platform/short_lock.hpp"
#include "pinion/sync/time_source.hpp"
#include "src/sync/outside_call.hpp"
#include "src/sync/timer_wheel.hpp"

namespace pinion::detail {

struct timer_queue {
  explicit timer_queue(time_point now) noexcept : wheel(now) {}

  short_lock lock;  // around the rest
  timer_wheel wheel;
  outside_call call;  // of fire(); one thread at a time fires

  /// As time_source::disarm(). A fire() that runs may arm its timer again, so it takes a second
  /// look when it had to wait.
  bool disarm(timer_node& node) noexcept {
    const std::lock_guard guard(lock);
    bool was_armed = wheel.disarm(node);
    while (call.runs_elsewhere(&node)) {
      call.wait_for_end(lock);
      was_armed = wheel.disarm(node) || was_armed;
    }
    return was_armed;
  }

  /// With the lock held: takes out what is due. Null: nothing; else call fire() with it.
  timer_node* take_due(time_point now) noexcept {
    timer_node* node = wheel.pop_due(now);
    if (node != nullptr) call.begin(node);
    return node;
  }

  /// Without the lock.
  void fire(timer_node& node) noexcept {
    node.fire(node);  // may be the end of `node`
    const std::lock_guard guard(lock);
    call.end(lock);
  }
};

}  // namespace pinion::detail
