// SPDX-License-Identifier: MIT
// The checker against mistakes: each kind is found, in each mode, replays, and shrinks; and what is
// right passes.
#include <array>
#include <memory>
#include <new>

#include "tests/model/support/model.hpp"

#include "pinion/platform/clock.hpp"

namespace {

using namespace pinion::model;
using namespace std::chrono_literals;
using pinion::os::atomic;

// An allocation that the compiler does not see through.
int* make(int value) {
  int* volatile made = new int(value);
  return made;
}

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;

// The textbook lost wake-up: sleeps without having looked again.
void lose_a_wake_up() {
  atomic<std::uint32_t> waiting{0}, word{0};
  thread sleeper([&] {
    if (word.load(acquire) != 0) return;
    waiting.store(1, relaxed);
    pinion::os::futex_wait(waiting, 1);
  });
  word.store(1, release);
  if (waiting.load(acquire) != 0) pinion::os::futex_wake(waiting, 1);
  sleeper.join();
}

TEST(checker, finds_a_lost_wake_up_in_every_mode) {
  for (const mode m : {mode::depth_first, mode::random, mode::priorities}) {
    const result r = check({.how = m}, lose_a_wake_up);
    EXPECT_FALSE(r.passed);
    EXPECT_NE(r.failure.find("lost wake-up"), std::string::npos) << r.failure;
    EXPECT_LE(r.executions, 1000u);
  }
}

TEST(checker, replays_what_it_found) {
  for (const mode m : {mode::depth_first, mode::random, mode::priorities}) {
    const result found = check({.how = m}, lose_a_wake_up);
    const result again = check({.replay = found.decisions}, lose_a_wake_up);
    EXPECT_FALSE(again.passed);
    EXPECT_EQ(again.executions, 0u);
    EXPECT_EQ(again.failure, found.failure);
  }
}

// Only what is needed is left: the sleeper goes first, and is stopped once.
TEST(checker, shrinks_to_what_is_needed) {
  const result r = check({.how = mode::random, .seed = 5}, lose_a_wake_up);
  std::size_t unusual = 0;
  for (const auto d : r.decisions) unusual += d != 0;
  EXPECT_LE(unusual, 2u) << r.report;
}

TEST(checker, finds_a_data_race) {
  EXPECT_TRUE(fails(
      {},
      [] {
        cell<int> c;
        atomic<int> flag{0};
        thread other([&] { c.write(1), flag.store(1, relaxed); });
        if (flag.load(acquire) == 1) (void)c.read();
        other.join();
      },
      "data race"));
}

// A release does not carry what is written after it, be it an operation or a fence.
TEST(checker, finds_a_race_with_what_follows_a_release) {
  EXPECT_TRUE(fails(
      {},
      [] {
        cell<int> c;
        atomic<int> flag{0};
        thread other([&] { flag.store(1, release), c.write(1); });
        if (flag.load(acquire) == 1) (void)c.read();
        other.join();
      },
      "data race"));
  EXPECT_TRUE(fails(
      {},
      [] {
        cell<int> c;
        atomic<int> flag{0};
        thread other([&] { pinion::os::full_fence(), c.write(1), flag.store(1, relaxed); });
        if (flag.load(acquire) == 1) (void)c.read();
        other.join();
      },
      "data race"));
}

TEST(checker, finds_no_race_where_there_is_none) {
  EXPECT_TRUE(holds_always({}, [] {
    cell<int> c;
    atomic<int> flag{0};
    thread other([&] { c.write(1), flag.store(1, release); });
    if (flag.load(acquire) == 1) require(c.read() == 1, "written");
    other.join();
    require(c.read() == 1, "seen after the join");
  }));
}

TEST(checker, finds_an_object_made_where_another_is_still_used) {
  EXPECT_TRUE(fails(
      {},
      [] {
        alignas(cell<int>) std::byte place[sizeof(cell<int>)];
        auto* c = new (place) cell<int>(1);
        atomic<int> done{0};
        thread other([&] { (void)c->read(), done.store(1, relaxed); });
        if (done.load(relaxed) == 1) new (place) cell<int>(2);
        other.join();
      },
      "data race"));
}

TEST(checker, finds_an_atomic_used_after_its_end) {
  EXPECT_TRUE(fails(
      {},
      [] {
        auto word = std::make_unique<atomic<int>>(0);
        thread other([&w = *word] { w.store(1, relaxed); });
        word.reset();
        other.join();
      },
      "after its end"));
}

TEST(checker, finds_an_atomic_used_before_it_is_published) {
  EXPECT_TRUE(fails(
      {},
      [] {
        atomic<atomic<int>*> where{nullptr};
        thread other([&] {
          if (auto* w = where.load(acquire)) (void)w->load(relaxed);
        });
        atomic<int> word{1};
        where.store(&word, relaxed);
        other.join();
      },
      "before it is published"));
}

TEST(checker, finds_leaks) {
  EXPECT_TRUE(fails(
      {}, [] { (void)make(3); }, "not given back"));
}

TEST(checker, finds_memory_given_back_twice) {
  EXPECT_TRUE(fails(
      {},
      [] {
        int* const p = make(3);
        thread other([=] { ::operator delete(p); });
        ::operator delete(p);
        other.join();
      },
      "twice"));
}

TEST(checker, finds_a_deadlock) {
  EXPECT_TRUE(fails(
      {},
      [] {
        atomic<std::uint32_t> a{0};
        pinion::os::futex_wait(a, 0);
      },
      "every thread waits"));
}

TEST(checker, finds_an_endless_spin) {
  EXPECT_TRUE(fails(
      {},
      [] {
        atomic<int> never{0};
        while (never.load(relaxed) == 0) pinion::os::spin_hint();
      },
      "stuck"));
}

TEST(checker, lets_a_spin_end_that_others_end) {
  EXPECT_TRUE(holds_always({}, [] {
    atomic<int> flag{0};
    thread other([&] { flag.store(1, relaxed); });
    while (flag.load(relaxed) == 0) pinion::os::spin_hint();
    other.join();
  }));
}

TEST(checker, lets_a_spin_end_that_time_ends) {
  EXPECT_TRUE(holds_always({}, [] {
    const auto end = pinion::now() + 20us;
    while (pinion::now() < end) pinion::os::spin_hint();
  }));
}

TEST(checker, finds_a_crash) {
  EXPECT_TRUE(fails(
      {},
      [] {
        atomic<int*> where{nullptr};
        static int there = 1;
        thread other([&] { where.store(&there, relaxed); });
        volatile int* const p = where.load(relaxed);
        (void)*p;
        other.join();
      },
      "crashed"));
}

TEST(checker, finds_an_exception_that_leaves_a_thread) {
  EXPECT_TRUE(fails(
      {}, [] { throw std::bad_alloc(); }, "exception"));
}

TEST(checker, finds_a_test_that_is_not_deterministic) {
  int round = 0;
  EXPECT_TRUE(fails(
      {},
      [&] {
        atomic<int> x{0};
        thread other([&] { x.store(1, relaxed); });
        if (++round == 1) (void)x.load(relaxed);
        other.join();
      },
      "not deterministic"));
}

// --- What may go wrong, goes wrong where it is asked for, and nowhere else.

bool wait_has_timed_out(const faults& f) {
  bool timed_out = false;
  EXPECT_TRUE(holds_always({.may_fail = f}, [&] {
    atomic<std::uint32_t> word{0};
    thread other([&] { word.store(1, release), pinion::os::futex_wake(word, 1); });
    timed_out |=
        pinion::os::futex_wait(word, 0, pinion::now() + 1ms) == pinion::os::wait_result::timed_out;
    other.join();
  }));
  return timed_out;
}

TEST(checker, times_out_early_only_where_it_may) {
  EXPECT_FALSE(wait_has_timed_out({}));
  EXPECT_TRUE(wait_has_timed_out({.timeouts = 1}));
}

TEST(checker, wakes_without_a_reason_only_where_it_may) {
  const auto sleep_once = [] {
    atomic<std::uint32_t> word{0};
    thread other([&] { word.store(1, release), pinion::os::futex_wake(word, 1); });
    pinion::os::futex_wait(word, 0);
    require(word.fetch_add(0, acquire) == 1, "woken without a reason");
    other.join();
  };
  EXPECT_TRUE(holds_always({}, sleep_once));
  EXPECT_TRUE(fails({.may_fail = {.spurious = 1}}, sleep_once, "without a reason"));
}

TEST(checker, weak_exchanges_fail_only_where_they_may) {
  const auto exchange_once = [] {
    atomic<int> x{0};
    int expected = 0;
    require(x.compare_exchange_weak(expected, 1, relaxed, relaxed), "failed");
  };
  EXPECT_TRUE(holds_always({}, exchange_once));
  EXPECT_TRUE(fails({.may_fail = {.spurious = 1}}, exchange_once, "failed"));
}

TEST(checker, memory_runs_out_at_each_allocation) {
  int failed = 0;
  const result r = check({.may_fail = {.allocations = 1}}, [&] {
    for (int i = 0; i < 3; ++i) try {
        delete make(i);
      } catch (const std::bad_alloc&) {
        ++failed;
      }
  });
  EXPECT_TRUE(r.passed) << r.report;
  EXPECT_EQ(r.executions, 4u);
  EXPECT_EQ(failed, 3);
}

// --- A lock from a futex: found right, and every change of it found wrong.

struct futex_lock {
  atomic<std::uint32_t> state{0};
  void lock() {
    std::uint32_t e = 0;
    if (state.compare_exchange_strong(e, 1, acquire, relaxed)) return;
    while (state.exchange(2, acquire) != 0) pinion::os::futex_wait(state, 2);
  }
  void unlock() {
    if (state.exchange(0, release) == 2) pinion::os::futex_wake(state, 1);
  }
};

void count_under_lock() {
  futex_lock lock;
  cell<int> count;
  const auto add = [&] {
    lock.lock();
    count.write(count.read() + 1);
    lock.unlock();
  };
  thread a(add), b(add);
  a.join(), b.join();
  require(count.read() == 2, "each counts once");
}

TEST(checker, passes_a_lock) {
  EXPECT_TRUE(holds_always({}, count_under_lock));
  EXPECT_TRUE(holds_always({.preemptions = 2, .may_fail = {.spurious = 1}}, count_under_lock));
}

TEST(checker, freezes_a_thread_at_each_step) {
  std::array<int, 4> met{};
  const result r = check({.preemptions = 0, .may_fail = {.freezes = 1}}, [&] {
    atomic<int> steps{0};
    thread other([&] {
      for (int i = 0; i < 3; ++i) steps.fetch_add(1, relaxed);
    });
    thread watcher([&] {});
    watcher.join();
    ++met[static_cast<std::size_t>(steps.load(relaxed))];
    other.join();
    require(steps.load(relaxed) == 3, "it goes on when it is joined");
  });
  EXPECT_TRUE(r.passed) << r.report;
  for (const int times : met) EXPECT_GT(times, 0);
}

TEST(checker, tells_a_lock_from_what_is_lock_free) {
  EXPECT_TRUE(fails({.may_fail = {.freezes = 1}}, count_under_lock, "holds up others"));
  EXPECT_TRUE(holds_always({.may_fail = {.freezes = 1}}, [] {
    atomic<int> count{0};
    const auto add = [&] {
      for (int seen = 0; !count.compare_exchange_weak(seen, seen + 1, relaxed, relaxed);) {
      }
    };
    thread a(add), b(add);
    a.join(), b.join();
    require(count.load(relaxed) == 2, "each counts once");
  }));
}

TEST(checker, scores_its_mutants) {
  const score s = mutate({{{}, count_under_lock}}, {"checker_model.cpp"});
  EXPECT_EQ(s.mutants, 4u);  // three orders and the wake-up
  EXPECT_EQ(s.killed, s.mutants) << s.survivors.front();
}

}  // namespace
