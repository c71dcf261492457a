// SPDX-License-Identifier: MIT
// Which worker the calling thread is.
#pragma once

namespace pinion {

class scheduler_core;

namespace detail {

class task_memory;
class lane;
struct seat;
struct task_node;

/// Trivial, so that reading it is one load from the thread pointer.
///
/// A worker of one scheduler may run a job of another in the middle of its task (a caller that runs
/// its own job): then there is one of these for each, the innermost first.
struct current_thread {
  scheduler_core* core = nullptr;   // whose worker this thread is, if any
  task_memory* memory = nullptr;    // of that scheduler
  seat* place = nullptr;            // null while the seat is lent to another thread
  const task_node* task = nullptr;  // that it runs
  current_thread* outer = nullptr;

  /// As what it belongs to that scheduler; null: it does not.
  current_thread* in(const scheduler_core& c) noexcept {
    current_thread* at = this;
    while (at != nullptr && at->core != &c) at = at->outer;
    return at;
  }
  seat* seat_of(const scheduler_core& c) noexcept {
    if (core == &c) return place;
    const current_thread* at = outer == nullptr ? nullptr : outer->in(c);
    return at != nullptr ? at->place : nullptr;
  }
  lane* seat_of(const task_memory& m) const noexcept;

  /// In the child of a fork, where it is no worker any more.
  void forget() noexcept {
    for (current_thread* at = this; at != nullptr; at = at->outer) {
      at->core = nullptr;
      at->memory = nullptr;
      at->place = nullptr;
    }
  }
};

[[gnu::tls_model("initial-exec")]] extern thread_local constinit current_thread current;

}  // namespace detail
}  // namespace pinion
