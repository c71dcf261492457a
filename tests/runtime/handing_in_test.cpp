// SPDX-License-Identifier: MIT
// What user code may do in the middle of a hand-in: copies of callables, and ranges, that block.
#include <atomic>
#include <cstddef>
#include <functional>
#include <iterator>
#include <latch>

#include "tests/support/schedulers.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/gate.hpp"
#include "pinion/runtime/scheduler.hpp"

namespace pinion {
namespace {

using test::with_workers;

/// Where the task under test blocks, and a job that holds its seat when it has lost it.
struct blocked_hand_in {
  std::latch blocks{1}, seat_is_taken{1}, handed_in{1}, leave{1};
  scoped_context go_on = with_cancel(context::background());
  std::atomic<int> ran{0};

  void block() {
    blocks.count_down();
    static_cast<void>(go_on.done().wait());  // lends the seat
  }

  template <class F>
  void run(scheduler& sched, F hand_in) {
    sched.post([&] {
      hand_in();
      handed_in.count_down();
    });
    blocks.wait();
    sched.post([&] {
      seat_is_taken.count_down();
      leave.wait();
    });
    seat_is_taken.wait();
    go_on.cancel();
    handed_in.wait();
  }
};

struct blocks_when_copied {
  explicit blocks_when_copied(blocked_hand_in& b) : at(&b) {}
  blocks_when_copied(const blocks_when_copied& other) : at(other.at) { at->block(); }
  void operator()() const { at->ran.fetch_add(1); }
  blocked_hand_in* at;
};

struct range_that_blocks {
  blocked_hand_in* at;
  struct iterator {
    using value_type = std::function<void()>;
    using difference_type = std::ptrdiff_t;
    blocked_hand_in* at;
    int position = 0;
    value_type operator*() const {
      return [where = at] { where->ran.fetch_add(1); };
    }
    iterator& operator++() {
      if (++position == 2) at->block();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return position == 3; }
  };
  iterator begin() const { return {at}; }
  std::default_sentinel_t end() const { return {}; }
};

// Goal: a worker that has lost its seat while it hands in leaves the seat alone. Finds: work that
// it puts into the queue, and memory that it takes from the cache, of a seat with another owner.
TEST(handing_in, a_worker_that_blocks_while_a_callable_is_copied_hands_in_without_its_seat) {
  scheduler sched(with_workers(1));
  blocked_hand_in at;
  const blocks_when_copied job(at);
  at.run(sched, [&] { sched.post(job); });
  EXPECT_EQ(sched.stats().workers[0].queued, 0u);
  EXPECT_EQ(sched.stats().queued_outside, 1u);
  at.leave.count_down();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(at.ran.load(), 1);
}

TEST(handing_in, a_worker_that_blocks_in_a_range_hands_in_without_its_seat) {
  scheduler sched(with_workers(1));
  blocked_hand_in at;
  at.run(sched, [&] { sched.post_bulk(range_that_blocks{&at}); });
  EXPECT_EQ(sched.stats().workers[0].queued, 0u);
  EXPECT_EQ(sched.stats().queued_outside, 3u);
  at.leave.count_down();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(at.ran.load(), 3);
}

}  // namespace
}  // namespace pinion
