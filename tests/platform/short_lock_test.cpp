// SPDX-License-Identifier: MIT
// One at a time, and nobody who sleeps is forgotten.
#include "pinion/platform/short_lock.hpp"

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/stepping.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/platform/cpu.hpp"

namespace {

using pinion::short_lock;

static_assert(sizeof(short_lock) == 4);
static_assert(noexcept(std::declval<short_lock&>().lock()));

// Takes the lock as one who has slept for it: the word says that others may wait, and none does.
void lock_after_a_sleep(short_lock& m) {
  const pid_t me = pinion::test::thread_id();
  std::atomic<bool> held{false}, leaving{false};
  std::thread holder([&] {
    m.lock();
    held = true;
    while (!pinion::test::sleeps(me)) pinion::os::yield();
    leaving = true;
    m.unlock();
  });
  while (!held) pinion::os::yield();
  m.lock();
  EXPECT_TRUE(leaving) << "two are in";
  holder.join();
}

TEST(short_lock, try_lock_tells_whether_it_was_free) {
  short_lock m;
  EXPECT_TRUE(m.try_lock());
  EXPECT_FALSE(m.try_lock());
  m.unlock();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(short_lock, works_with_the_guards_of_the_standard) {
  short_lock a, b;
  {
    const std::lock_guard guard(a);
    EXPECT_FALSE(a.try_lock());
  }
  { const std::scoped_lock both(a, b); }
  {
    const std::unique_lock guard(a, std::try_to_lock);
    EXPECT_TRUE(guard.owns_lock());
  }
  EXPECT_TRUE(a.try_lock());
  a.unlock();
}

// Goal: a waiter that has stopped spinning is woken by the unlock.
// Finds: an unlock that does not wake, and a sleeper that takes the lock as `held` and so forgets
// the sleepers behind it (both hang).
TEST(short_lock, those_who_sleep_are_woken_one_after_the_other) {
  constexpr int sleepers = 3;
  short_lock m;
  int entered = 0;
  m.lock();
  std::vector<std::thread> threads;
  for (int i = 0; i < sleepers; ++i) {
    threads.emplace_back([&] {
      const std::lock_guard guard(m);
      ++entered;
    });
  }
  // Longer than anybody spins.
  const auto end = pinion::os::now() + std::chrono::milliseconds(5);
  while (pinion::os::now() < end) pinion::os::yield();
  m.unlock();
  for (auto& t : threads) t.join();
  EXPECT_EQ(entered, sleepers);
}

// Finds: a lock() that returns without having won, were it once in 64 times.
TEST(short_lock, waits_for_the_holder_to_leave) {
  short_lock m;
  for (int i = 0; i < 500; ++i) {
    lock_after_a_sleep(m);
    m.unlock();
  }
}

TEST(short_lock, excludes_all_others) {
  constexpr std::size_t rounds = 20'000;
  for (const unsigned threads : {1u, 2u, 16u}) {
    short_lock m;
    std::size_t value = 0;  // not atomic on purpose
    pinion::test::run_threads(threads, [&](unsigned) {
      for (std::size_t i = 0; i < rounds / threads; ++i) {
        const std::lock_guard guard(m);
        const std::size_t seen = value;
        for (int pause = 0; pause < 10; ++pause) pinion::cpu_pause();  // so that others meet it
        value = seen + 1;
      }
    });
    EXPECT_EQ(value, rounds / threads * threads);
  }
}

// Goal: whoever comes next may destroy it while the unlock() that let it in is still running, as
// the last user of a counted object does.
// Method: the holder stops at each instruction of unlock(); whoever gets in takes the page away.
// Finds: a look at the word after the exchange.
TEST(short_lock, may_be_destroyed_by_whoever_comes_next) {
  if (!pinion::test::can_step) GTEST_SKIP() << "threads cannot be stepped here";
  int gone = 0;
  for (const bool slept : {false, true}) {
    for (std::size_t n = 1;; ++n) {
      pinion::test::mortal<short_lock> m;
      slept ? lock_after_a_sleep(*m) : m->lock();
      const bool stepped = pinion::test::stepper::run(
          n, [&] { m->unlock(); },
          [&] {
            if (!m->try_lock()) return;
            m.die();
            ++gone;
          });
      EXPECT_FALSE(m.was_touched()) << "after instruction " << n;
      if (!stepped || m.was_touched()) break;
    }
  }
  EXPECT_GT(gone, 0);
}

}  // namespace
