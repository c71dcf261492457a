// SPDX-License-Identifier: MIT
#include "pinion/lockfree/node_pool.hpp"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

namespace pinion::lockfree {
namespace {

TEST(node_pool, blocks_are_aligned_and_distinct) {
  node_pool pool(128);
  node_cache cache(pool);
  std::set<void*> seen;
  for (int i = 0; i < 5000; ++i) {
    void* block = cache.take();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0u);
    EXPECT_TRUE(seen.insert(block).second);
    std::memset(block, 0xab, 128);
  }
  // No two overlap: neighbours in address order are at least a block apart.
  auto before = reinterpret_cast<std::uintptr_t>(*seen.begin()) - 128;
  for (void* block : seen) {
    EXPECT_GE(reinterpret_cast<std::uintptr_t>(block) - before, 128u);
    before = reinterpret_cast<std::uintptr_t>(block);
  }
  for (void* block : seen) cache.give(block);
}

TEST(node_pool, what_was_given_back_is_taken_again) {
  node_pool pool(64);
  node_cache cache(pool);
  std::vector<void*> held;
  for (int i = 0; i < 1000; ++i) held.push_back(cache.take());
  for (void* block : held) cache.give(block);
  const std::size_t reserved = pool.reserved_bytes();
  for (int round = 0; round < 100; ++round) {
    held.clear();
    for (int i = 0; i < 1000; ++i) held.push_back(cache.take());
    for (void* block : held) cache.give(block);
  }
  EXPECT_EQ(pool.reserved_bytes(), reserved);
}

// The way of a task: made by one thread, freed by another. Memory must not grow with the number
// of tasks, and what the first thread carved must come back to it.
TEST(node_pool, one_takes_and_another_gives_within_bounded_memory) {
  node_pool pool(64);
  node_cache maker(pool);
  node_cache freer(pool);
  for (int round = 0; round < 10000; ++round) {
    void* blocks[40];
    for (void*& b : blocks) b = maker.take();
    for (void* b : blocks) freer.give(b);
  }
  EXPECT_LE(pool.reserved_bytes(), std::size_t{64} << 10);
}

TEST(node_pool, a_cache_that_ends_leaves_its_blocks_to_the_others) {
  node_pool pool(64);
  {
    node_cache gone(pool);
    for (int i = 0; i < 10; ++i) gone.give(gone.take());
  }
  const std::size_t reserved = pool.reserved_bytes();
  node_cache next(pool);
  for (int i = 0; i < 500; ++i) EXPECT_NE(next.try_take(), nullptr) << i;
  EXPECT_EQ(pool.reserved_bytes(), reserved);
}

TEST(node_pool, a_thread_without_a_cache_gives_back_within_bounded_memory) {
  node_pool pool(64);
  node_cache cache(pool);
  std::vector<void*> held(100);
  for (int round = 0; round < 1000; ++round) {
    for (void*& block : held) block = cache.take();
    for (void* block : held) pool.give(block);
  }
  EXPECT_LE(pool.reserved_bytes(), std::size_t{64} << 10);
}

TEST(node_pool, try_take_does_not_go_to_the_heap) {
  node_pool pool(64);
  node_cache cache(pool);
  EXPECT_EQ(cache.try_take(), nullptr);
  cache.reserve(100);
  node_cache other(pool);
  for (int i = 0; i < 100; ++i) EXPECT_NE(other.try_take(), nullptr) << i;
}

// Goal: no block is held by two threads at once, whatever way the magazines go.
// Method: each thread takes more than its cache holds, so that every round goes through the
// depot, writes its mark into the blocks, checks the marks, and gives the blocks back.
// Finds: a depot that hands a magazine out twice (pop by load and store in place of the CAS).
class node_pool_threads : public testing::TestWithParam<int> {};

TEST_P(node_pool_threads, never_two_owners) {
  constexpr std::size_t held = 3 * node_pool::magazine_capacity;
  const int threads = GetParam();
  const int rounds = static_cast<int>(test::scaled(400'000)) / threads;
  node_pool pool(64);
  std::atomic<int> wrong{0};
  const auto work = [&](std::uint64_t who) {
    node_cache cache(pool);
    std::uint64_t* blocks[held];
    for (int i = 0; i < rounds; ++i) {
      const std::uint64_t mark = (who << 32) | static_cast<std::uint64_t>(i);
      for (auto*& b : blocks) *(b = static_cast<std::uint64_t*>(cache.take())) = mark;
      for (auto* b : blocks) wrong.fetch_add(*b != mark);
      for (auto* b : blocks) cache.give(b);
    }
  };
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) all.emplace_back(work, static_cast<std::uint64_t>(t + 1));
  for (auto& t : all) t.join();
  EXPECT_EQ(wrong.load(), 0);
}

INSTANTIATE_TEST_SUITE_P(threads, node_pool_threads, testing::Values(1, 2, 16));

}  // namespace
}  // namespace pinion::lockfree
