// SPDX-License-Identifier: MIT
// The node pool in all interleavings, with magazines of two blocks: they change hands within a few
// takes and gives. A block is written by who takes it, so one that two threads have, or that comes
// before its last user has left it, is a data race.
#include <new>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/lockfree/node_pool.hpp"

namespace {

using namespace pinion::model;
using pinion::lockfree::node_cache;
using pinion::lockfree::node_pool;

constexpr std::size_t block_size = 64;

using block = cell<int>;

block* take(node_cache& from) {
  return new (from.take()) block(1);
}
void give(node_cache& to, block* b) {
  b->write(2);
  b->~block();
  to.give(b);
}

// Each takes and gives through a cache of its own: magazines come from and go to the depot.
void two_caches() {
  node_pool pool(block_size);
  const auto use = [&] {
    node_cache cache(pool);
    give(cache, take(cache));
  };
  thread other(use);
  use();
  other.join();
}

// Blocks that one thread has filled magazines with are the other's next ones.
void handed_over() {
  node_pool pool(block_size);
  {
    node_cache first(pool);
    std::vector<block*> blocks;
    for (int i = 0; i < 6; ++i) blocks.push_back(take(first));
    for (block* b : blocks) give(first, b);
  }
  const auto use = [&] {
    node_cache cache(pool);
    give(cache, take(cache));
  };
  thread other(use);
  use();
  other.join();
}

// A magazine that is popped, pushed and on top again is not taken for the one that was there:
// without the count of pops its old successor would become the top.
void back_on_top() {
  node_pool pool(block_size);
  {
    node_cache a(pool), b(pool);
    std::vector<block*> blocks;
    for (int i = 0; i < 8; ++i) blocks.push_back(take(a));
    for (block* each : blocks) give(b, each);
  }
  thread other([&] {
    node_cache cache(pool);
    give(cache, take(cache));
  });
  {
    node_cache cache(pool);
    std::vector<block*> blocks;
    for (int i = 0; i < 3; ++i) blocks.push_back(take(cache));
    for (block* each : blocks) give(cache, each);
  }
  other.join();
}

void reserved_is_there() {
  node_pool pool(block_size);
  node_cache mine(pool);
  thread other([&] {
    node_cache cache(pool);
    cache.reserve(2);
  });
  (void)pool.reserved_bytes();
  other.join();
  void* const a = mine.try_take();
  void* const b = mine.try_take();
  require(a != nullptr && b != nullptr && a != b, "what was reserved is not there");
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 0, .may_fail = {.freezes = 1}};
const options one_stop{.preemptions = 1};

TEST(node_pool_model, a_block_has_one_user_at_a_time) {
  EXPECT_TRUE(holds_always(two_stops, two_caches));
  EXPECT_TRUE(holds_always(two_stops, handed_over));
}
TEST(node_pool_model, a_magazine_that_comes_back_is_not_mistaken) {
  EXPECT_TRUE(holds_always(one_stop, back_on_top));
  EXPECT_TRUE(holds({.how = mode::priorities, .executions = 50'000, .changes = 3}, back_on_top));
}
TEST(node_pool_model, what_is_reserved_is_there) {
  EXPECT_TRUE(holds_always(two_stops, reserved_is_there));
}

// Wherever memory runs out, nothing is lost but the block that was asked for.
TEST(node_pool_model, memory_runs_out) {
  EXPECT_TRUE(holds({.preemptions = 0, .may_fail = {.allocations = 1}}, [] {
    node_pool pool(block_size);
    const auto use = [&] {
      try {
        node_cache cache(pool);
        give(cache, take(cache));
        cache.reserve(2);
      } catch (const std::bad_alloc&) {
      }
    };
    thread other(use);
    use();
    other.join();
  }));
}

TEST(node_pool_model, XC_18_one_that_stands_still_holds_up_nobody) {
  for (const auto run : {two_caches, handed_over, back_on_top})
    EXPECT_TRUE(holds_always(one_freezes, run));
}
TEST(node_pool_model, mutants_are_killed) {
  EXPECT_TRUE(
      survivors_are_known(sampled(4'000, {two_caches, handed_over, back_on_top, reserved_is_there}),
                          {"node_pool.cpp"}));
}

}  // namespace
