// SPDX-License-Identifier: MIT
// The ring as one thread sees it; producers against the consumer is in the stress test.
#include "pinion/lockfree/results_ring.hpp"

#include <deque>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include <gtest/gtest.h>

namespace {

using pinion::results_ring;
using credit = results_ring<int>::credit;
using credits = results_ring<int>::credits;

void push(results_ring<int>& ring, int value) {
  auto c = ring.try_credit();
  ASSERT_TRUE(c);
  ring.push(std::move(*c), value);
}

TEST(results_ring, gives_as_many_credits_as_it_has_room) {
  for (const std::size_t capacity : {1U, 2U, 3U, 64U, 100U}) {
    results_ring<int> ring(capacity);
    EXPECT_EQ(ring.capacity(), capacity);
    std::vector<credit> held;
    while (auto c = ring.try_credit()) held.push_back(std::move(*c));
    EXPECT_EQ(held.size(), capacity);
    EXPECT_FALSE(ring.has_credit());
    held.pop_back();
    EXPECT_TRUE(ring.has_credit());
    EXPECT_TRUE(ring.try_credit());
  }
}

TEST(results_ring, has_room_for_one_at_least) {
  results_ring<int> ring(0);
  EXPECT_EQ(ring.capacity(), 1u);
  push(ring, 5);
  EXPECT_EQ(ring.try_pop(), 5);
}

TEST(results_ring, a_result_frees_its_credit_when_it_is_popped) {
  results_ring<int> ring(1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(ring.has_ready());
    push(ring, i);
    EXPECT_TRUE(ring.has_ready());
    EXPECT_EQ(ring.size_approx(), 1u);
    EXPECT_FALSE(ring.try_credit());
    EXPECT_EQ(ring.try_pop(), i);
    EXPECT_EQ(ring.try_pop(), std::nullopt);
  }
}

TEST(results_ring, credits_come_and_go_together) {
  results_ring<int> ring(10);
  credits some = ring.try_credits(4);
  EXPECT_EQ(some.size(), 4u);
  credits rest = ring.try_credits(100);
  EXPECT_EQ(rest.size(), 6u);
  EXPECT_EQ(ring.try_credits(1).size(), 0u);
  {
    const credit one = some.split();
    EXPECT_EQ(some.size(), 3u);
    some = credits(std::move(rest));  // the three go back at the end of the line
    EXPECT_EQ(some.size(), 6u);
    EXPECT_EQ(ring.try_credits(100).size(), 3u);
  }
  EXPECT_EQ(ring.try_credits(100).size(), 4u);
  std::vector<int> values{1, 2, 3};
  ring.push_many(some, {});
  ring.push_many(some, values);
  EXPECT_EQ(some.size(), 3u);
  for (const int i : values) EXPECT_EQ(ring.try_pop(), i);
}

TEST(results_ring, pop_many_takes_what_is_ready_and_fits) {
  results_ring<int> ring(8);
  for (int i = 0; i < 5; ++i) push(ring, i);
  std::vector<int> out(3);
  EXPECT_EQ(ring.pop_many({}), 0u);
  EXPECT_EQ(ring.pop_many(out), 3u);
  EXPECT_EQ(out, (std::vector{0, 1, 2}));
  EXPECT_EQ(ring.pop_many(out), 2u);
  EXPECT_EQ(out, (std::vector{3, 4, 2}));
  EXPECT_EQ(ring.pop_many(out), 0u);
  EXPECT_EQ(ring.try_credits(100).size(), 8u);
}

TEST(results_ring, a_result_that_is_only_taken_keeps_its_credit_busy) {
  results_ring<int> ring(2);
  push(ring, 1);
  push(ring, 2);
  EXPECT_EQ(ring.try_take(), 1);
  EXPECT_EQ(ring.try_take(), 2);
  EXPECT_EQ(ring.try_take(), std::nullopt);
  EXPECT_FALSE(ring.try_credit());
  ring.free_credits(2);
  EXPECT_EQ(ring.try_credits(3).size(), 2u);
}

TEST(results_ring, carries_what_only_moves_and_destroys_what_is_left) {
  const auto token = std::make_shared<int>(0);
  {
    results_ring<std::unique_ptr<std::shared_ptr<int>>> ring(3);
    for (int i = 0; i < 3; ++i)
      ring.push(*ring.try_credit(), std::make_unique<std::shared_ptr<int>>(token));
    EXPECT_EQ(token.use_count(), 4);
    EXPECT_TRUE(ring.try_pop());
    EXPECT_EQ(token.use_count(), 3);
    ring.push(*ring.try_credit(), std::make_unique<std::shared_ptr<int>>(token));
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(results_ring, allocates_only_when_it_is_made) {
  results_ring<int> ring(16);
  const pinion::test::allocation_count count;
  for (int i = 0; i < 100; ++i) {
    push(ring, i);
    EXPECT_EQ(ring.try_pop(), i);
  }
  EXPECT_EQ(count.get(), 0u);
  const pinion::test::no_memory scope;
  EXPECT_THROW(results_ring<int> another(16), std::bad_alloc);
}

// Goal: full, empty and order are exact through many laps, at any capacity.
// Method: random calls beside a std::deque.
// Finds: credits that count slots instead of capacity; a lap that is taken for the one before.
TEST(results_ring, agrees_with_a_plain_queue_under_random_calls) {
  std::minstd_rand random(1);
  for (std::size_t capacity = 1; capacity < 20; ++capacity) {
    results_ring<std::string> ring(capacity);
    std::deque<std::string> model;
    std::vector<std::string> batch;
    for (int call = 0; call < 2000; ++call) {
      switch (random() % 4) {
        case 0: {
          auto c = ring.try_credit();
          ASSERT_EQ(c.has_value(), model.size() < capacity);
          if (!c) break;
          model.push_back(std::to_string(call));
          ring.push(std::move(*c), model.back());
          break;
        }
        case 1: {
          auto some = ring.try_credits(random() % 8);
          batch.assign(some.size(), std::to_string(call));
          model.insert(model.end(), batch.begin(), batch.end());
          ring.push_many(some, batch);
          break;
        }
        case 2: {
          const auto result = ring.try_pop();
          ASSERT_EQ(result.has_value(), !model.empty());
          if (!result) break;
          ASSERT_EQ(*result, model.front());
          model.pop_front();
          break;
        }
        default: {
          batch.assign(random() % 8, "");
          const std::size_t n = ring.pop_many(batch);
          ASSERT_EQ(n, std::min(model.size(), batch.size()));
          for (std::size_t i = 0; i < n; ++i, model.pop_front()) ASSERT_EQ(batch[i], model.front());
        }
      }
      ASSERT_EQ(ring.size_approx(), model.size());
      ASSERT_EQ(ring.has_ready(), !model.empty());
      ASSERT_EQ(ring.has_credit(), model.size() < capacity);
    }
  }
}

}  // namespace
