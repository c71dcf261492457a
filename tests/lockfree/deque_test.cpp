// SPDX-License-Identifier: MIT
// The deque as one thread sees it; owner against thieves is in the stress test of the same name.
#include "pinion/lockfree/deque.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <new>
#include <numeric>
#include <random>
#include <vector>

#include "tests/support/allocations.hpp"
#include <gtest/gtest.h>

namespace {

using deque = pinion::lockfree::deque<std::uintptr_t>;

std::vector<std::uintptr_t> numbers(std::size_t n, std::uintptr_t first = 0) {
  std::vector<std::uintptr_t> v(n);
  std::iota(v.begin(), v.end(), first);
  return v;
}

TEST(deque, empty_gives_nothing) {
  deque d;
  std::uintptr_t w = 7;
  EXPECT_FALSE(d.pop(w));
  EXPECT_FALSE(d.steal(w));
  EXPECT_EQ(d.steal_batch({&w, 1}), 0u);
  EXPECT_EQ(w, 7u);
  EXPECT_TRUE(d.looks_empty());
  EXPECT_EQ(d.size_approx(), 0u);
}

TEST(deque, owner_takes_the_newest_first) {
  deque d;
  for (std::uintptr_t i = 0; i < 100; ++i) d.push(i);
  EXPECT_EQ(d.size_approx(), 100u);
  EXPECT_FALSE(d.looks_empty());
  std::uintptr_t w = 0;
  for (std::uintptr_t i = 100; i-- > 0;) {
    ASSERT_TRUE(d.pop(w));
    EXPECT_EQ(w, i);
  }
  EXPECT_FALSE(d.pop(w));
  EXPECT_TRUE(d.looks_empty());
}

TEST(deque, thieves_take_the_oldest_first) {
  deque d;
  for (std::uintptr_t i = 0; i < 100; ++i) d.push(i);
  std::uintptr_t w = 0;
  for (std::uintptr_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(d.steal(w));
    EXPECT_EQ(w, i);
  }
  EXPECT_FALSE(d.steal(w));
  EXPECT_FALSE(d.pop(w));
}

TEST(deque, holds_pointers_and_is_usable_after_being_emptied_from_either_end) {
  int things[3] = {};
  pinion::lockfree::deque<int*> d;
  int* p = nullptr;
  for (int round = 0; round < 10; ++round) {
    for (int& thing : things) d.push(&thing);
    ASSERT_TRUE(d.steal(p));
    EXPECT_EQ(p, &things[0]);
    ASSERT_TRUE(d.pop(p));
    EXPECT_EQ(p, &things[2]);
    ASSERT_TRUE(round % 2 == 0 ? d.pop(p) : d.steal(p));
    EXPECT_EQ(p, &things[1]);
    EXPECT_FALSE(d.pop(p));
    EXPECT_TRUE(d.looks_empty());
  }
}

TEST(deque, batch_takes_half_rounded_up_and_no_more_than_fits) {
  deque d;
  std::vector<std::uintptr_t> out(64);
  d.push_many(numbers(9));
  EXPECT_EQ(d.steal_batch(out), 5u);
  EXPECT_EQ(out[0], 0u);
  EXPECT_EQ(out[4], 4u);
  EXPECT_EQ(d.steal_batch(std::span(out).first(1)), 1u);
  EXPECT_EQ(out[0], 5u);
  EXPECT_EQ(d.steal_batch({}), 0u);
  EXPECT_EQ(d.size_approx(), 3u);
  EXPECT_EQ(d.steal_batch(out), 2u);
  EXPECT_EQ(d.steal_batch(out), 1u);
  EXPECT_EQ(out[0], 8u);
  EXPECT_EQ(d.steal_batch(out), 0u);
}

TEST(deque, push_many_keeps_order_and_grows_to_any_size) {
  deque d(2);
  d.push_many({});
  EXPECT_TRUE(d.looks_empty());
  d.push_many(numbers(1000));
  d.push_many(numbers(1, 1000));
  std::uintptr_t w = 0;
  ASSERT_TRUE(d.pop(w));
  EXPECT_EQ(w, 1000u);
  for (std::uintptr_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(d.steal(w));
    EXPECT_EQ(w, i);
  }
  EXPECT_TRUE(d.looks_empty());
}

// Goal: growth in the middle of a lap keeps every item in its place.
// Method: random calls on a deque that starts with two slots, beside a std::deque.
// Finds: copying from index 0 instead of from top; a mask one too large.
TEST(deque, agrees_with_a_plain_deque_under_random_calls) {
  std::minstd_rand random(1);
  for (int round = 0; round < 50; ++round) {
    deque d(2);
    std::deque<std::uintptr_t> model;
    std::uintptr_t next = 0;
    for (int call = 0; call < 2000; ++call) {
      std::uintptr_t w = 0;
      switch (random() % 8) {
        case 0:
        case 1:
        case 2: {
          d.push(next);
          model.push_back(next++);
          break;
        }
        case 3: {
          const auto many = numbers(random() % 20, next);
          d.push_many(many);
          model.insert(model.end(), many.begin(), many.end());
          next += many.size();
          break;
        }
        case 4:
        case 5: {
          ASSERT_EQ(d.pop(w), !model.empty());
          if (model.empty()) break;
          ASSERT_EQ(w, model.back());
          model.pop_back();
          break;
        }
        case 6: {
          ASSERT_EQ(d.steal(w), !model.empty());
          if (model.empty()) break;
          ASSERT_EQ(w, model.front());
          model.pop_front();
          break;
        }
        default: {
          std::uintptr_t out[16];
          const std::size_t n = d.steal_batch(out);
          ASSERT_EQ(n, std::min<std::size_t>((model.size() + 1) / 2, 16));
          for (std::size_t i = 0; i < n; ++i, model.pop_front()) ASSERT_EQ(out[i], model.front());
        }
      }
      ASSERT_EQ(d.size_approx(), model.size());
      ASSERT_EQ(d.looks_empty(), model.empty());
    }
  }
}

TEST(deque, has_room_until_a_push_would_grow) {
  deque d(4);
  std::uintptr_t w = 0;
  for (std::uintptr_t i = 0; i < 100; ++i) {
    while (d.has_room()) d.push(i);
    EXPECT_EQ(d.size_approx(), 4u);
    const pinion::test::no_memory scope;
    ASSERT_TRUE(i % 2 == 0 ? d.pop(w) : d.steal(w));
    ASSERT_TRUE(d.has_room());
    d.push(i);
    ASSERT_TRUE(d.steal(w));
  }
}

TEST(deque, a_capacity_out_of_range_throws_bad_alloc) {
  EXPECT_THROW(deque d(~std::size_t{0}), std::bad_alloc);
}

TEST(deque, a_push_that_cannot_grow_leaves_the_deque_as_it_was) {
  deque d(2);
  d.push(0);
  d.push(1);
  const auto more = numbers(5, 2);
  {
    const pinion::test::no_memory scope;
    EXPECT_THROW(d.push(2), std::bad_alloc);
    EXPECT_THROW(d.push_many(more), std::bad_alloc);
  }
  EXPECT_EQ(d.size_approx(), 2u);
  d.push(2);
  std::uintptr_t w = 0;
  for (std::uintptr_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(d.steal(w));
    EXPECT_EQ(w, i);
  }
}

}  // namespace
