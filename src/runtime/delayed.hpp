// SPDX-License-Identifier: MIT
// Delayed work: tasks that wait for their time before they are handed in.
//
//      thread of the time source (fire)              whoever stops the scheduler
//   1  lock; still listed? take it off the list   a  lock; take an entry off the list
//   2  unlock; hand the task in                   b  unlock; disarm; drop the task
//
// Whoever takes the entry off the list owns it and the task. b waits for a fire() that lost, so
// neither touches the entry after the other has freed it.
#pragma once

#include "pinion/platform/short_lock.hpp"
#include "pinion/runtime/task_node.hpp"
#include "pinion/sync/time_source.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion {

class scheduler_core;

namespace detail {

class delayed_work {
 public:
  explicit delayed_work(scheduler_core& core) noexcept : core_(core) {}

  /// Memory for one timer, from the lane's nodes.
  /// @errors    throws std::bad_alloc
  static void* take_timer(lane& from) { return from.take<entry>(); }
  static void give_timer(lane& to, void* timer) noexcept {
    to.give(timer, lane::class_of(sizeof(entry)));
  }

  /// Takes over an accepted task and the timer's memory.
  void add(void* timer, task_node& task, duration after) noexcept;

  /// Drops all that wait, and counts them as given up. From then on add() does the same.
  void give_up_all() noexcept;

 private:
  struct entry : timer_node {
    delayed_work* owner = nullptr;
    task_node* task = nullptr;
    entry* previous = nullptr;  // in the list of those that wait
    entry* next = nullptr;
  };

  static void fire(timer_node&) noexcept;
  void due(entry&) noexcept;
  void hand_in(entry&) noexcept;
  void give_up(entry&) noexcept;

  scheduler_core& core_;
  short_lock lock_;
  linked_list<entry> waiting_;  // under the lock
  bool ended_ = false;          // under the lock
};

}  // namespace detail
}  // namespace pinion
