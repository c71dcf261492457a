// SPDX-License-Identifier: MIT
// The process's own timers: some wheels, and a thread that sleeps until the first timer is due.
//
//      who arms, in the wheel of its thread       the thread
//   1  lock the wheel; put it in               a  read the bell word
//   2  sooner than this wheel's alarm?         b  each wheel: lock; fire what is due, each without
//      then that is the alarm; will ring          the lock; note its next expiry as its alarm;
//      unlock
//   3  unlock; ring: change the bell word,     c  sleep while the bell word is what it was in a,
//      wake who sleeps on it                      until the first of the alarms
//
// 2 and b hold the same lock: either the thread sees the timer in b, or it is rung, and then the
// word is another one in c. While it fires, a wheel's alarm is "the past", so nobody rings in vain.
//
// The timers of one thread are in one wheel, so they keep their order; threads that arm at the
// same time seldom meet. Why not a wheel for each worker: see the record on timers.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <new>
#include <utility>

#include <pthread.h>
#include <unistd.h>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/clock.hpp"
#include "pinion/platform/short_lock.hpp"
#include "pinion/platform/thread.hpp"
#include "pinion/sync/time_source.hpp"
#include "src/platform/cpu_mask.hpp"
#include "src/sync/timer_queue.hpp"

namespace pinion {
namespace {

class system_clock final : public time_source {
 public:
  time_point now() const noexcept override { return os::now(); }
  bool prepare() noexcept override {
    // relaxed: who sees it false looks again under the lock.
    return has_thread_.value.load(std::memory_order_relaxed) || make_thread();
  }
  bool arm(timer_node&) noexcept override;
  bool disarm(timer_node& node) noexcept override {
    return node.home != 0 && wheels_[node.home - 1].timers.disarm(node);
  }

  // Around a fork. The child has the timers, but not the thread.
  void before_fork() noexcept {
    starting_.lock();
    for (wheel& w : wheels_) w.timers.lock.lock();
  }
  void after_fork() noexcept {
    for (wheel& w : wheels_) w.timers.lock.unlock();
    starting_.unlock();
  }
  void after_fork_in_child() noexcept {
    has_thread_.value.store(false, std::memory_order_relaxed);  // relaxed: the only thread there is
    for (wheel& w : wheels_) {
      w.timers.call.forget();
      w.alarm = time_point::min();
      w.timers.lock.unlock();
    }
    starting_.unlock();
  }

 private:
  static constexpr unsigned wheel_bits = 3;

  struct alignas(cache_line_size) wheel {
    detail::timer_queue timers{os::now()};
    // Until when the thread sleeps, as far as this wheel goes; the past: it is awake. Under the
    // lock of `timers`.
    time_point alarm = time_point::min();

    timer_node* next_due() noexcept;
  };

  static std::uint8_t home_of_this_thread() noexcept {
    // Threads differ in the middle bits; the multiplication spreads them over the top.
    return static_cast<std::uint8_t>(
        1 + (std::uint64_t{os::thread_id()} * 0x9E3779B97F4A7C15U >> (64 - wheel_bits)));
  }

  bool make_thread() noexcept;
  [[noreturn]] void run() noexcept;
  time_point fire_due(wheel&) noexcept;

  wheel wheels_[std::size_t{1} << wheel_bits];
  padded<os::atomic<bool>> has_thread_{};
  os::atomic<std::uint32_t> bell_{0};
  short_lock starting_;       // around the making of the thread
  thread* thread_ = nullptr;  // kept for ever: it has no end to join
};

// A timer stays in the wheel in which it was armed first: fire() may arm it again, on the thread,
// while somebody waits for the end of that call.
bool system_clock::arm(timer_node& node) noexcept {
  if (node.home == 0) node.home = home_of_this_thread();
  wheel& mine = wheels_[node.home - 1];
  bool rings = false;
  {
    const std::lock_guard guard(mine.timers.lock);
    mine.timers.wheel.arm(node);
    if (node.when < mine.alarm) {
      rings = true;
      mine.alarm = node.when;
    }
  }
  (void)prepare();  // it was asked before; in the child of a fork the timer may be older than that
  if (rings) {
    // release: whoever reads the word after this finds the timer; pairs with the acquire in run.
    bell_.fetch_add(1, std::memory_order_release);
    (void)os::futex_wake(bell_, 1);
  }
  return true;
}

bool system_clock::make_thread() noexcept {
  const std::lock_guard guard(starting_);
  // relaxed, both: it changes under this lock, and nothing is read that the thread writes.
  if (has_thread_.value.load(std::memory_order_relaxed)) return true;
  try {
    thread_ = new thread({.name = "pinion-timer"}, [this] { run(); });
  } catch (const std::exception&) {  // no thread, or no memory for one
    return false;
  }
  has_thread_.value.store(true, std::memory_order_relaxed);  // relaxed: as above
  return true;
}

// Null: none is due; then the alarm is set. One that was set and has not come yet stays, even if
// its timer has been disarmed meanwhile: most are, and the next one is likely to be later. So
// whoever arms and disarms again and again rings once, and the thread wakes once in vain.
timer_node* system_clock::wheel::next_due() noexcept {
  const time_point now = os::now();
  timer_node* const node = timers.take_due(now);
  if (node != nullptr) {
    alarm = time_point::min();
  } else if (const time_point next = timers.wheel.next_expiry(); alarm <= now || next < alarm) {
    alarm = next;
  }
  return node;
}

time_point system_clock::fire_due(wheel& w) noexcept {
  std::unique_lock guard(w.timers.lock);
  while (timer_node* const due = w.next_due()) {
    guard.unlock();
    w.timers.fire(*due);
    guard.lock();
  }
  return w.alarm;
}

void system_clock::run() noexcept {
  // Whoever armed the first timer may be tied to one CPU. This thread is not.
  detail::cpu_mask of_process;
  if (of_process.read(::getpid())) (void)of_process.apply();
  for (;;) {
    // acquire: what was armed before this ring is found below; pairs with the release in arm.
    const std::uint32_t seen = bell_.load(std::memory_order_acquire);
    time_point until = forever;
    for (wheel& w : wheels_) until = std::min(until, fire_due(w));
    (void)os::futex_wait(bell_, seen, until);
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
