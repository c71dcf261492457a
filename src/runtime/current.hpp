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
struct current_thread {
  scheduler_core* core = nullptr;   // whose worker this thread is, if any
  task_memory* memory = nullptr;    // of that scheduler
  seat* place = nullptr;            // null while the seat is lent to another thread
  const task_node* task = nullptr;  // that it runs, or ran last

  seat* seat_of(const scheduler_core& c) const noexcept { return core == &c ? place : nullptr; }
  lane* seat_of(const task_memory& m) const noexcept;
};

[[gnu::tls_model("initial-exec")]] extern thread_local constinit current_thread current;

}  // namespace detail
}  // namespace pinion
