// SPDX-License-Identifier: MIT
// Coroutines as jobs of a group, and as those who join it.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <latch>
#include <stdexcept>
#include <string>

#include "tests/support/allocations.hpp"
#include "tests/support/patterns.hpp"
#include <gtest/gtest.h>

#include "pinion/patterns/task_group.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/task.hpp"
#include "pinion/sync/semaphore.hpp"

namespace pinion {
namespace {

using test::counted;

const context& forever_on = context::background();

class task_group_coroutine : public testing::TestWithParam<std::size_t> {
 protected:
  scheduler sched{test::quiet_workers(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(workers, task_group_coroutine, testing::Values(1, 2, 8),
                         [](const auto& which) { return std::to_string(which.param); });

task<result<int>> waits_for(const context& ctx, semaphore& go, bool fails) {
  const auto p = co_await go.acquire(ctx);
  if (!p) co_return p.error();
  if (fails) throw std::runtime_error("coroutine");
  co_return 1;
}

struct breaks_when_moved {
  breaks_when_moved() = default;
  breaks_when_moved(breaks_when_moved&& other) : moves(other.moves + 1) {
    if (moves == 2) throw std::runtime_error("in transit");
  }
  int moves = 0;
};
task<breaks_when_moved> give_what_breaks() {
  co_return breaks_when_moved();
}

// A group has no use for a value.
TEST_P(task_group_coroutine, XC_14_a_value_that_nobody_gets_is_not_moved) {
  task_group group(sched, forever_on);
  ASSERT_TRUE(group.spawn(give_what_breaks()));
  EXPECT_TRUE(group.join().wait());
  EXPECT_EQ(group.report().succeeded, 1u);
}

task<int> value_of(const context& ctx, semaphore& never, std::latch& started) {
  started.count_down();
  const auto p = co_await never.acquire(ctx);
  p.value();
  co_return 1;
}

// As value() throws: what has canceled them, or that they are canceled.
TEST_P(task_group_coroutine, TG_12_who_throws_that_its_context_has_ended_is_canceled) {
  task_group group(sched, forever_on);
  semaphore never(1);
  permit held = never.try_acquire().value();
  for (const bool by_sibling : {true, false}) {
    std::latch started(10);
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(group.spawn([&](const context& ctx) { return value_of(ctx, never, started); }));
    }
    started.wait();
    if (by_sibling) {
      ASSERT_TRUE(group.spawn([] { throw std::runtime_error("the one"); }));
    } else {
      group.cancel();
    }
    const auto r = group.join().wait();
    EXPECT_EQ(r.error(), by_sibling ? errc::failed : errc::canceled);
    EXPECT_EQ(group.report().failed, by_sibling ? 1u : 0u);
    EXPECT_EQ(group.report().canceled, 10u);
  }
}

// Suspended, they hold no worker; the limit counts them all the same.
TEST_P(task_group_coroutine, TG_1_tasks_are_jobs_until_they_have_ended) {
  for (const std::size_t limit : {0, 1, 7}) {
    task_group group(sched, forever_on, {.policy = on_error::keep_going, .limit = limit});
    semaphore go(1);
    permit held = go.try_acquire().value();
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(group.spawn(waits_for(forever_on, go, false)));
      ASSERT_TRUE(group.spawn(
          [&go, i, c = counted(i)](const context& ctx) { return waits_for(ctx, go, i == 7); }));
    }
    auto soon = with_timeout(forever_on, std::chrono::milliseconds(1));
    EXPECT_EQ(group.join(soon).wait().error(), errc::deadline_exceeded);
    held.release();
    const auto r = group.join().wait();
    ASSERT_FALSE(r);
    EXPECT_THROW(r.error().raise(), std::runtime_error);
    EXPECT_EQ(group.report().succeeded, 39u);
    EXPECT_EQ(group.report().failed, 1u);
    EXPECT_EQ(counted::alive.load(), 0);
  }
}

TEST_P(task_group_coroutine, TG_9_a_task_is_told_by_the_context) {
  task_group group(sched, forever_on);
  semaphore never(1);
  const permit held = never.try_acquire().value();
  for (int i = 0; i < 10; ++i) {
    group.spawn([&never](const context& ctx) { return waits_for(ctx, never, false); });
  }
  group.spawn([]() -> result<> { return error("stop"); });
  EXPECT_EQ(group.join().wait().error().what(), "stop");
  const auto r = group.report();
  EXPECT_EQ(r.failed, 1u);
  EXPECT_EQ(r.canceled + r.not_started, 10u);
}

task<int> joins(task_group& group) {
  const auto r = co_await group.join();
  co_return r ? 1 : 0;
}

TEST_P(task_group_coroutine, TG_1_a_coroutine_joins_without_a_thread) {
  task_group group(sched, forever_on);
  std::latch go(1);
  group.spawn([&] { go.wait(); });
  auto joined = sched.submit(joins(group));
  go.count_down();
  EXPECT_EQ(joined.wait().value(), 1);
}

task<> counts(std::atomic<int>& n) {
  n.fetch_add(1);
  co_return;
}

// Those that stand in line at the limit included.
TEST_P(task_group_coroutine, XC_10_TG_23_steady_tasks_allocate_nothing) {
  for (const std::size_t limit : {0u, 3u}) {
    task_group group(sched, forever_on, {.limit = limit});
    std::atomic<int> ran{0};
    const auto round = [&] {
      sched
          .submit([&] {
            for (int i = 0; i < 4000; ++i) group.spawn(counts(ran));
            return 0;
          })
          .wait()
          .value();
      return group.join().wait();
    };
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(round());
    const test::allocation_count taken;
    EXPECT_TRUE(round());
    EXPECT_LE(taken.get(), 40u);  // what a worker takes in slabs when it has not seen it yet
    EXPECT_EQ(ran.load(), 21 * 4000);
  }
}

}  // namespace
}  // namespace pinion
