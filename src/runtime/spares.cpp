// SPDX-License-Identifier: MIT
// Spare threads: who sits on a seat while its worker is blocked.
//
//      blocking worker                            spare thread
//   1  take a spare from the list, or make one
//   2  give it the seat, under the lock           park
//   3  unpark it                                  4  sit down; the seat's queues go on
//   5  block
//   6  finish the task without a seat
//   7  become a spare itself
//
// The seat never waits for its old thread, and no foreign task ever runs on a blocked stack. At
// the limit of spares the worker blocks on its seat; its queue can still be stolen from.
#include <mutex>
#include <new>
#include <utility>

#include "src/runtime/core.hpp"
#include "src/runtime/worker.hpp"

namespace pinion {

using detail::seat;
using detail::task_memory;
using detail::worker_thread;

// The thread may run a job of this scheduler in the middle of a task of another one.
void scheduler_core::begin_blocking() noexcept {
  for (detail::current_thread* at = &detail::current; at != nullptr; at = at->outer) {
    if (at->place != nullptr) at->core->lend_seat();
  }
}

bool scheduler_core::lend_seat() noexcept {
  seat* mine = detail::current.seat_of(*this);
  if (mine == nullptr) return false;
  let_go_of_kept(*mine);
  try {
    // What the task hands in from here on goes through this record.
    if (memory.attach(outside) == nullptr) return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
  const std::lock_guard lock(threads_lock);
  worker_thread* spare = spares;
  if (spare != nullptr) {
    spares = spare->next_spare;
    spare->assigned = mine;
    spare->wake.unpark();
  } else if (threads.size() - seats.size() >= options.spares || make_spare(*mine) == nullptr) {
    detail::lane::count(mine->stats.kept);
    return false;
  }
  detail::lane::count(mine->stats.lent);
  // The spare sits down under the same lock, so after this.
  detail::current.in(*this)->place = nullptr;
  return true;
}

// The worker will not come for it soon: it is for anybody.
void scheduler_core::let_go_of_kept(seat& s) noexcept {
  if (s.kept.count() == 0) return;
  while (const detail::work_word w = s.kept.take()) push_own(s, w);
  wake_for(&s, false);
}

// Under the lock. Null when the system has no thread left.
worker_thread* scheduler_core::make_spare(seat& for_it) noexcept {
  try {
    threads.reserve(threads.size() + 1);
    auto fresh = std::make_unique<worker_thread>();
    fresh->assigned = &for_it;
    start_thread(*fresh, threads.size());
    threads.push_back(std::move(fresh));
    return threads.back().get();
  } catch (const std::exception&) {
    return nullptr;
  }
}

// False when the scheduler ends.
bool scheduler_core::become_spare(worker_thread& thread) noexcept {
  check_quiet_after_change();
  const std::lock_guard lock(threads_lock);
  // relaxed: set under this lock's eyes by join_all(), which takes the lock after it.
  if ((life(std::memory_order_relaxed) & task_memory::exiting) != 0) return false;
  thread.next_spare = spares;
  spares = &thread;
  return true;
}

bool scheduler_core::take_assigned_seat(worker_thread& thread) noexcept {
  const std::lock_guard lock(threads_lock);
  if (thread.assigned == nullptr) return false;
  detail::current.place = std::exchange(thread.assigned, nullptr);
  sit_down(thread, *detail::current.place);
  return true;
}

}  // namespace pinion
