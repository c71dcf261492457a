// SPDX-License-Identifier: MIT
// The short lock in all interleavings: one holder at a time, who sees what the last one did, and
// nobody sleeps for ever.
#include <memory>
#include <mutex>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/platform/short_lock.hpp"

namespace {

using namespace pinion::model;
using pinion::short_lock;

// With `held` in place of `contended` after a sleep, the next waiter is not woken.
void count(int threads) {
  short_lock lock;
  cell<int> n;
  std::vector<thread> all;
  for (int i = 0; i < threads; ++i)
    all.emplace_back([&] {
      const std::lock_guard scope(lock);
      n.write(n.read() + 1);
    });
  for (thread& t : all) t.join();
  require(n.read() == threads, "each counts once");
}

void try_only() {
  short_lock lock;
  cell<int> n;
  const auto add = [&] {
    if (!lock.try_lock()) return;
    n.write(n.read() + 1);
    lock.unlock();
  };
  thread a(add), b(add);
  a.join(), b.join();
  require(n.read() >= 1, "somebody had it");
}

// Whoever has the lock next may destroy it: unlock() uses the address only after its exchange.
void destroyed_by_the_next() {
  auto lock = std::make_unique<short_lock>();
  lock->lock();
  thread other([&] {
    lock->lock();
    lock->unlock();
    lock.reset();
  });
  lock->unlock();
  other.join();
}

const options spinning{.cpus = 2};
const options three_threads{.preemptions = 2};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {{{}, [] { count(2); }},
                                         {spinning, [] { count(2); }},
                                         {three_threads, [] { count(3); }},
                                         {{}, try_only}};
  return all;
}

TEST(short_lock_model, one_holder_at_a_time) {
  EXPECT_TRUE(holds_always({}, [] { count(2); }));
  EXPECT_TRUE(holds_always({.preemptions = 2, .may_fail = {.spurious = 1}}, [] { count(2); }));
  EXPECT_TRUE(holds_always(three_threads, [] { count(3); }));
  EXPECT_TRUE(holds_always({}, try_only));
}
TEST(short_lock_model, one_holder_at_a_time_when_waiters_spin) {
  EXPECT_TRUE(holds_always({.preemptions = 3, .cpus = 2}, [] { count(2); }));
}
TEST(short_lock_model, whoever_has_it_next_may_destroy_it) {
  EXPECT_TRUE(holds_always({}, destroyed_by_the_next));
}

TEST(short_lock_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"short_lock.hpp", "short_lock.cpp"}));
}

}  // namespace
