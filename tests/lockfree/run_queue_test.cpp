// SPDX-License-Identifier: MIT
#include "src/lockfree/run_queue.hpp"

#include <atomic>
#include <vector>

#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

namespace pinion::lockfree {
namespace {

using word = run_queue::word;

TEST(run_queue, gives_the_oldest_first) {
  run_queue q(2);
  word later = 0;
  EXPECT_EQ(q.pop(later), 0u);
  EXPECT_TRUE(q.looks_empty());
  for (word w = 1; w <= 100; ++w) q.push(w);
  EXPECT_FALSE(q.looks_empty());
  EXPECT_EQ(q.size_approx(), 100u);
  for (word w = 1; w <= 100; ++w) EXPECT_EQ(q.pop(later), w);
  EXPECT_EQ(q.pop(later), 0u);
  EXPECT_TRUE(q.looks_empty());
}

TEST(run_queue, a_thief_takes_half_of_what_there_is_rounded_up) {
  run_queue q;
  const std::vector<word> words = {1, 2, 3, 4, 5, 6, 7};
  q.push_many(words);
  word out[16];
  EXPECT_EQ(q.steal(out), 4u);
  EXPECT_EQ(out[0], 1u);
  EXPECT_EQ(out[3], 4u);
  EXPECT_EQ(q.steal({out, 1}), 1u);
  EXPECT_EQ(out[0], 5u);
  EXPECT_EQ(q.steal(out), 1u);
  EXPECT_EQ(q.steal(out), 1u);
  EXPECT_EQ(q.steal(out), 0u);
}

TEST(run_queue, has_room_until_a_push_would_grow) {
  run_queue q(4);
  for (word w = 1; w <= 4; ++w) {
    EXPECT_TRUE(q.has_room());
    q.push(w);
  }
  EXPECT_FALSE(q.has_room());
  word later = 0;
  EXPECT_EQ(q.pop(later), 1u);
  EXPECT_TRUE(q.has_room());
}

// Goal: every word is taken exactly once, and each taker sees them in rising order.
// Method: the owner pushes numbers, one by one and many at once, and pops now and then; thieves
// take; a small first buffer makes it grow and wrap.
// Finds: head moved by a store instead of the CAS.
class run_queue_thieves : public testing::TestWithParam<unsigned> {};

TEST_P(run_queue_thieves, every_word_exactly_once_and_in_order) {
  const std::size_t total = test::scaled(400'000);
  std::vector<std::atomic<unsigned char>> count(total + 1);
  std::atomic<std::size_t> taken{0};
  std::atomic<bool> disorder{false};
  run_queue q(2);
  const auto note = [&](word w, word& last) {
    if (w <= last) disorder = true;
    last = w;
    count[w].fetch_add(1);
    taken.fetch_add(1);
  };
  const auto own = [&] {
    auto chance = test::generator(0);
    word last = 0, later = 0, next = 1;
    while (next <= total) {
      word some[8];
      std::size_t n = 0;
      for (const auto wanted = chance() % 8 + 1; n < wanted && next <= total; ++n) some[n] = next++;
      n == 1 ? q.push(some[0]) : q.push_many({some, n});
      if (chance() % 4 == 0) {
        if (const word w = q.pop(later)) note(w, last);
      }
    }
    while (taken.load() < total) {
      if (const word w = q.pop(later)) note(w, last);
    }
  };
  const auto steal = [&] {
    word last = 0;
    word out[32];
    while (taken.load() < total) {
      const std::size_t n = q.steal(out);
      for (std::size_t i = 0; i < n; ++i) note(out[i], last);
    }
  };
  test::run_threads(1 + GetParam(), [&](unsigned t) { t == 0 ? own() : steal(); });
  std::size_t wrong = 0;
  for (std::size_t w = 1; w <= total; ++w) wrong += count[w].load() != 1 ? 1 : 0;
  EXPECT_EQ(wrong, 0u);
  EXPECT_FALSE(disorder.load());
}

INSTANTIATE_TEST_SUITE_P(thieves, run_queue_thieves, testing::Values(0, 1, 2, 15));

}  // namespace
}  // namespace pinion::lockfree
