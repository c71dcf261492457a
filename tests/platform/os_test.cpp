// SPDX-License-Identifier: MIT
// The seam says what the kernel said: who was woken, what had changed, when time was up.
#include "pinion/platform/os.hpp"

#include <set>
#include <thread>
#include <type_traits>

#include <gtest/gtest.h>
#include <sched.h>

namespace {

namespace os = pinion::os;
using os::wait_result;
using namespace std::chrono_literals;

#if !defined(PINION_SEAM)
static_assert(std::is_same_v<os::atomic<int>, std::atomic<int>>);  // the real build costs nothing
static_assert(os::shrinkable(31, 2) == 31);
#endif

constexpr pinion::time_point long_ago{pinion::duration(-1)};

TEST(os, futex_wait_sees_a_changed_word) {
  os::atomic<std::uint32_t> word{1};
  EXPECT_EQ(os::futex_wait(word, 2), wait_result::changed);
  EXPECT_EQ(os::futex_wait(word, 2, long_ago), wait_result::changed);
}

TEST(os, futex_wait_gives_up_at_the_deadline_and_not_before) {
  os::atomic<std::uint32_t> word{1};
  EXPECT_EQ(os::futex_wait(word, 1, long_ago), wait_result::timed_out);
  EXPECT_EQ(os::futex_wait(word, 1, pinion::time_point::min()), wait_result::timed_out);
  const auto deadline = os::now() + 2ms;
  EXPECT_EQ(os::futex_wait(word, 1, deadline), wait_result::timed_out);
  EXPECT_GE(os::now(), deadline);
}

// Far deadlines are as good as none: the sleeper is there to be woken.
TEST(os, futex_wake_wakes_one_sleeper) {
  for (const auto deadline : {pinion::forever, pinion::forever - 1ns, os::now() + 24h}) {
    os::atomic<std::uint32_t> word{1};
    os::atomic<bool> done{false};
    std::thread sleeper([&] {
      EXPECT_EQ(os::futex_wait(word, 1, deadline), wait_result::woken);
      done.store(true, std::memory_order_release);  // release: ends the loop below
    });
    int woken = 0;
    // acquire: pairs with the release above.
    while (!done.load(std::memory_order_acquire)) woken += os::futex_wake(word, 1);
    sleeper.join();
    EXPECT_EQ(woken, 1);
  }
}

TEST(os, futex_wake_without_sleepers_wakes_nobody) {
  const os::atomic<std::uint32_t> word{0};
  EXPECT_EQ(os::futex_wake(word, 1), 0);
  const auto* nowhere = reinterpret_cast<const os::atomic<std::uint32_t>*>(std::uintptr_t{64});
  EXPECT_EQ(os::futex_wake(*nowhere, 1), 0);  // the address may be gone
}

// Finds: passing the address of the other half.
TEST(os, futex_of_64_bits_compares_the_low_half) {
  os::atomic<std::uint64_t> word{(std::uint64_t{7} << 32) | 1};
  EXPECT_EQ(os::futex_wait(word, 1, long_ago), wait_result::timed_out);
  EXPECT_EQ(os::futex_wait(word, 7, long_ago), wait_result::changed);
  EXPECT_EQ(os::futex_wake(word, 1), 0);
}

TEST(os, now_is_the_steady_clock) {
  const auto before = std::chrono::steady_clock::now();
  const auto between = os::now();
  const auto after = std::chrono::steady_clock::now();
  EXPECT_LE(before, between);
  EXPECT_LE(between, after);
}

// Goal: a pinned thread that asks first does not make the whole process believe in one CPU.
// Finds: reading the calling thread's mask alone (this is the first call in the process).
TEST(os, cpus_counts_what_the_process_may_use) {
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i) {
      if (CPU_ISSET(i, &mask)) CPU_SET(i, &one);
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(os::cpus(), static_cast<unsigned>(CPU_COUNT(&mask)));
  }).join();
  EXPECT_GE(os::cpus(), 1u);
}

TEST(os, thread_id_tells_threads_apart) {
  const std::uintptr_t mine = pinion::os::thread_id();
  EXPECT_NE(mine, 0u);
  EXPECT_EQ(mine, pinion::os::thread_id());
  std::thread([mine] { EXPECT_NE(mine, pinion::os::thread_id()); }).join();
}

TEST(os, random_differs_between_calls_and_threads) {
  std::set<std::uint64_t> seen;
  constexpr int each = 1000;
  for (int i = 0; i < each; ++i) seen.insert(os::random());
  std::thread([&] {
    for (int i = 0; i < each; ++i) seen.insert(os::random());
  }).join();
  EXPECT_EQ(seen.size(), 2u * each);
}

TEST(os, random_spreads_over_small_ranges) {
  constexpr int buckets = 8;
  constexpr int each = 1000;
  int count[buckets] = {};
  for (int i = 0; i < buckets * each; ++i) ++count[os::random() % buckets];
  for (const int n : count) {  // 17 standard deviations
    EXPECT_GT(n, each / 2);
    EXPECT_LT(n, each + each / 2);
  }
}

TEST(os, hints_and_fences_can_be_called) {
  os::spin_hint();
  os::yield();
  os::full_fence();
}

}  // namespace
