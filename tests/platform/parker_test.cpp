// SPDX-License-Identifier: MIT
// A wake-up is never lost and never counts twice.
#include "pinion/platform/parker.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/stepping.hpp"
#include <gtest/gtest.h>
namespace {

using pinion::parker;
using pinion::test::stepper;
using namespace std::chrono_literals;

static_assert(sizeof(parker) == 4);
static_assert(!std::is_copy_constructible_v<parker>);

TEST(parker, unpark_before_park_is_remembered) {
  parker p;
  p.unpark();
  p.park();
}

TEST(parker, wake_ups_do_not_add_up) {
  parker p;
  p.unpark();
  p.unpark();
  EXPECT_TRUE(p.park_until(pinion::time_point::min()));
  EXPECT_FALSE(p.park_until(pinion::time_point::min()));
}

TEST(parker, park_until_gives_up_at_the_deadline) {
  parker p;
  const auto deadline = pinion::os::now() + 2ms;
  EXPECT_FALSE(p.park_until(deadline));
  EXPECT_GE(pinion::os::now(), deadline);
  p.unpark();  // after giving up, it can be woken again
  EXPECT_TRUE(p.park_until(deadline));
}

TEST(parker, unpark_ends_a_park) {
  parker p;
  std::thread sleeper([&] { p.park(); });
  p.unpark();
  sleeper.join();
}

// Finds: a relaxed unpark, under the thread sanitizer.
TEST(parker, what_came_before_unpark_is_visible_after_park) {
  constexpr int rounds = 1'000;
  parker to_other, to_here;
  int value = 0;  // not atomic on purpose
  std::thread other([&] {
    for (int i = 0; i < rounds; ++i) {
      to_other.park();
      ++value;
      to_here.unpark();
    }
  });
  for (int i = 0; i < rounds; ++i) {
    ++value;
    to_other.unpark();
    to_here.park();
  }
  other.join();
  EXPECT_EQ(value, 2 * rounds);
}

// Two wakers, of whom only the last is seen: what the first did must be visible all the same.
TEST(parker, the_second_of_two_wake_ups_carries_the_first_one) {
  parker p;
  int first = 0;
  parker next;
  std::thread a([&] {
    first = 1;
    p.unpark();
    next.unpark();
  });
  std::thread b([&] {
    next.park();
    p.unpark();
  });
  p.park();
  EXPECT_EQ(first, 1);
  a.join();
  b.join();
}

// Goal: a wake-up not yet taken carries also what those announce who find it there.
// Finds: an unpark() that does nothing when there is one already, under the thread sanitizer.
TEST(parker, a_wake_up_not_yet_taken_carries_the_next_one) {
  for (int i = 0; i < 100; ++i) {
    parker p;
    int second = 0;
    std::atomic<bool> done{false};
    p.unpark();
    std::thread other([&] {
      second = 1;
      p.unpark();
      done.store(true, std::memory_order_relaxed);  // relaxed: the parker shall do the ordering
    });
    while (!done.load(std::memory_order_relaxed)) pinion::os::yield();  // relaxed: as above
    p.park();
    EXPECT_EQ(second, 1);
    other.join();
  }
}

TEST(parker, many_wakers_end_one_park_at_least) {
  constexpr int wakers = 4;
  parker p;
  std::vector<std::thread> threads;
  for (int i = 0; i < wakers; ++i) threads.emplace_back([&] { p.unpark(); });
  p.park();
  for (auto& t : threads) t.join();
}

// --- Two threads, and a switch between them at each instruction.

// Waits for what must come soon; false when it does not come.
template <class Condition>
bool comes(Condition condition) {
  const auto late = pinion::os::now() + 10s;
  while (!condition()) {
    if (pinion::os::now() > late) return false;
    pinion::os::yield();
  }
  return true;
}

// A thread that parks when it is told to.
class sleeper {
 public:
  explicit sleeper(parker& p)
      : thread_([this, &p] {
          tid_ = pinion::test::thread_id();
          while (!begun_) pinion::os::yield();
          p.park();
          returned_ = true;
        }) {
    while (tid_ == 0) pinion::os::yield();
  }
  ~sleeper() { thread_.join(); }
  sleeper(const sleeper&) = delete;
  sleeper& operator=(const sleeper&) = delete;

  void begin() { begun_ = true; }
  bool returned() const { return returned_; }
  bool sleeps_or_returned() const { return returned_ || pinion::test::sleeps(tid_); }
  void interrupt() { pthread_kill(thread_.native_handle(), SIGUSR1); }

 private:
  std::atomic<pid_t> tid_{0};
  std::atomic<bool> begun_{false};
  std::atomic<bool> returned_{false};
  std::thread thread_;
};

class parker_step_by_step : public testing::Test {
 protected:
  void SetUp() override {
    if (!pinion::test::can_step) GTEST_SKIP() << "threads cannot be stepped here";
  }
};

// Finds: an unpark() that looks and then stores.
TEST_F(parker_step_by_step, unpark_while_the_other_thread_parks) {
  for (std::size_t n = 1;; ++n) {
    parker p;
    sleeper other(p);
    const bool stepped = stepper::run(
        n, [&] { p.unpark(); },
        [&] {
          other.begin();
          EXPECT_TRUE(comes([&] { return other.sleeps_or_returned(); }));
        });
    other.begin();
    const bool returned = comes([&] { return other.returned(); });
    EXPECT_TRUE(returned) << "lost after instruction " << n;
    if (!returned) p.unpark();
    if (!returned || !stepped) return;
  }
}

// Finds: a park() that looks and then stores, and one that sleeps again without a look.
TEST_F(parker_step_by_step, park_while_another_thread_unparks) {
  const pid_t me = pinion::test::thread_id();
  bool lost = false;
  for (std::size_t n = 1; !lost; ++n) {
    parker p;
    std::atomic<bool> woken{false}, ended{false};
    // Where park() sleeps before its n-th instruction, it has to be woken to get there.
    std::thread rescuer([&] {
      while (!ended) {
        const bool in_vain = woken;
        if (pinion::test::sleeps(me) && !ended) {
          lost |= in_vain;
          p.unpark();
        }
        pinion::os::yield();
      }
    });
    const bool stepped = stepper::run(
        n, [&] { p.park(); },
        [&] {
          p.unpark();
          woken = true;
        });
    ended = true;
    rescuer.join();
    EXPECT_FALSE(lost) << "lost after instruction " << n;
    if (!stepped) return;
  }
}

// Finds: giving up without taking the wake-up, and giving up although it was taken.
TEST_F(parker_step_by_step, giving_up_while_another_thread_unparks) {
  constexpr auto long_ago = pinion::time_point::min();
  for (std::size_t n = 1;; ++n) {
    parker p;
    int taken = 0;
    const bool stepped = stepper::run(
        n, [&] { taken += p.park_until(long_ago); }, [&] { p.unpark(); });
    taken += p.park_until(long_ago);
    EXPECT_EQ(taken, stepped ? 1 : 0) << "after instruction " << n;
    EXPECT_FALSE(p.park_until(long_ago));
    if (!stepped) return;
  }
}

TEST_F(parker_step_by_step, unpark_while_the_other_thread_gives_up) {
  constexpr auto long_ago = pinion::time_point::min();
  for (std::size_t n = 1;; ++n) {
    parker p;
    int taken = 0;
    const bool stepped = stepper::run(
        n, [&] { p.unpark(); }, [&] { taken += p.park_until(long_ago); });
    taken += p.park_until(long_ago);
    EXPECT_EQ(taken, 1) << "after instruction " << n;
    if (!stepped) return;
  }
}

std::atomic<int> interruptions{0};

// Goal: whoever returned from park() may destroy the parker while unpark() is still running.
// Method: the sleeper is interrupted, sees the wake-up early, returns, and the parker is gone.
// Finds: a look at the word after the exchange.
TEST_F(parker_step_by_step, unpark_while_the_other_thread_destroys_it) {
  struct sigaction count {};
  struct sigaction before {};
  count.sa_handler = [](int) { ++interruptions; };
  sigaction(SIGUSR1, &count, &before);
  int gone = 0;
  for (std::size_t n = 1;; ++n) {
    pinion::test::mortal<parker> p;
    sleeper other(*p);
    other.begin();
    ASSERT_TRUE(comes([&] { return other.sleeps_or_returned(); }));
    const bool stepped = stepper::run(
        n, [&] { p->unpark(); },
        [&] {
          const int seen = interruptions;
          other.interrupt();
          EXPECT_TRUE(comes([&] { return interruptions != seen || other.returned(); }));
          EXPECT_TRUE(comes([&] { return other.sleeps_or_returned(); }));
          if (!other.returned()) return;
          p.die();
          ++gone;
        });
    EXPECT_TRUE(comes([&] { return other.returned(); }));
    EXPECT_FALSE(p.was_touched()) << "after instruction " << n;
    if (!stepped || p.was_touched()) break;
  }
  EXPECT_GT(gone, 0);
  sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
