// SPDX-License-Identifier: MIT
#include "src/runtime/fork.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

#include <pthread.h>

#include "pinion/platform/short_lock.hpp"
#include "src/runtime/current.hpp"

namespace pinion::detail {

namespace {

// Leaked on purpose: schedulers may live longer than static objects.
struct registry {
  short_lock lock;
  std::vector<task_memory*> alive;
};

registry& all() {
  static registry& one = *new registry;
  return one;
}

// The lock is held across the fork, so that the child finds the list whole.
void before_fork() {
  all().lock.lock();
}
void after_fork_in_parent() {
  all().lock.unlock();
}
void after_fork_in_child() {
  for (task_memory* m : all().alive) {
    // relaxed: the child has one thread.
    m->life.fetch_or(task_memory::closed | task_memory::forked, std::memory_order_relaxed);
  }
  current.forget();  // it may have been a worker; the seat and its queues are the parent's
  all().lock.unlock();
}

void install_once() {
  static const int installed =
      ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  if (installed != 0) throw std::bad_alloc();
}

}  // namespace

void register_for_fork(task_memory& m) {
  registry& r = all();
  install_once();
  const std::lock_guard lock(r.lock);
  r.alive.push_back(&m);
}

void unregister_for_fork(task_memory& m) noexcept {
  const std::lock_guard lock(all().lock);
  std::erase(all().alive, &m);
}

}  // namespace pinion::detail
