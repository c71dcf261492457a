// SPDX-License-Identifier: MIT
// The process's own timers: a queue, and a thread that sleeps until the first of them is due.
//
//      who arms                                   the thread
//   1  lock; put it into the queue             a  lock; fire what is due, each without the lock
//   2  sooner than the thread's alarm?         b  note the next expiry as the alarm; unlock
//      ring: change the bell word              c  sleep while the bell word is what it was in b,
//   3  unlock; wake who sleeps on it              until the alarm
//
// 2 and b hold the lock: either the thread sees the timer in b, or it is rung. While it is awake
// its alarm is "the past", so nobody rings in vain.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <mutex>
#include <new>
#include <utility>

#include <pthread.h>
#include <unistd.h>

#include "pinion/platform/clock.hpp"
#include "pinion/platform/thread.hpp"
#include "pinion/sync/time_source.hpp"
#include "src/platform/cpu_mask.hpp"
#include "src/sync/timer_queue.hpp"

namespace pinion {
namespace {

class system_clock final : public time_source {
 public:
  system_clock() noexcept : queue_(os::now()) {}

  time_point now() const noexcept override { return os::now(); }
  bool arm(timer_node&) noexcept override;
  bool disarm(timer_node& node) noexcept override { return queue_.disarm(node); }

  // Around a fork. The child has the timers, but not the thread.
  void before_fork() noexcept { queue_.lock.lock(); }
  void after_fork() noexcept { queue_.lock.unlock(); }
  void after_fork_in_child() noexcept {
    queue_.call.forget();
    has_thread_ = false;
    alarm_ = time_point::min();
    queue_.lock.unlock();
  }

 private:
  void start() noexcept;
  [[noreturn]] void run() noexcept;
  timer_node* next_due() noexcept;

  detail::timer_queue queue_;
  // Guarded by the queue's lock.
  bool has_thread_ = false;
  time_point alarm_ = time_point::min();  // until when the thread sleeps; the past: it is awake
  os::atomic<std::uint32_t> bell_{0};
  thread* thread_ = nullptr;  // kept for ever: it has no end to join
};

bool system_clock::arm(timer_node& node) noexcept {
  bool rings = false;
  bool starts = false;
  {
    const std::lock_guard guard(queue_.lock);
    queue_.wheel.arm(node);
    starts = !std::exchange(has_thread_, true);
    if (node.when < alarm_) {
      rings = true;
      alarm_ = time_point::min();
      // relaxed: the lock orders it; the sleeper's system call compares it.
      bell_.store(bell_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  }
  if (starts) start();
  if (rings) (void)os::futex_wake(bell_, 1);
  return true;
}

// A timer is armed that will never fire without the thread, so there is no going on without it.
void system_clock::start() noexcept {
  try {
    thread_ = new thread({.name = "pinion-timer"}, [this] { run(); });
  } catch (const std::exception& e) {
    std::fprintf(stderr, "pinion: no thread for timers: %s\n", e.what());
    std::abort();
  }
}

// Null: none is due; then the alarm is set.
timer_node* system_clock::next_due() noexcept {
  timer_node* node = queue_.take_due(os::now());
  alarm_ = node != nullptr ? time_point::min() : queue_.wheel.next_expiry();
  return node;
}

void system_clock::run() noexcept {
  // Whoever armed the first timer may be tied to one CPU. This thread is not.
  detail::cpu_mask of_process;
  if (of_process.read(::getpid())) (void)of_process.apply();
  for (;;) {
    std::unique_lock guard(queue_.lock);
    timer_node* due = next_due();
    const time_point until = alarm_;
    const std::uint32_t seen = bell_.load(std::memory_order_relaxed);  // relaxed: as in arm
    guard.unlock();
    if (due != nullptr) {
      queue_.fire(*due);
    } else {
      (void)os::futex_wait(bell_, seen, until);
    }
  }
}

system_clock& the_system_clock() noexcept {
  // Never destroyed: objects with timers may outlive every static one.
  alignas(system_clock) static std::byte memory[sizeof(system_clock)];
  static system_clock& one = []() -> system_clock& {
    auto& clock = *::new (static_cast<void*>(memory)) system_clock;
    (void)::pthread_atfork([] { the_system_clock().before_fork(); },
                           [] { the_system_clock().after_fork(); },
                           [] { the_system_clock().after_fork_in_child(); });
    return clock;
  }();
  return one;
}

}  // namespace

time_source& system_time() noexcept {
  return the_system_clock();
}

}  // namespace pinion
