// SPDX-License-Identifier: MIT
#include "pinion/patterns/task_group.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/patterns.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/select.hpp"
#include "pinion/sync/semaphore.hpp"
#include "pinion/sync/timer.hpp"

namespace pinion {
namespace {

using test::counted;
using test::gauge;
using test::until;

const context& forever_on = context::background();

std::uint64_t total(const group_report& r) {
  return r.succeeded + r.failed + r.canceled + r.not_started;
}

/// For jobs that run until they are told.
result<> until_canceled(const context& ctx) {
  (void)ctx.done().wait();
  return errc::canceled;
}

class task_group_with : public testing::TestWithParam<std::size_t> {
 protected:
  ~task_group_with() override { EXPECT_EQ(counted::alive.load(), 0); }
  scheduler sched{test::quiet_workers(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(workers, task_group_with, testing::Values(1, 2, 8),
                         [](const auto& which) { return std::to_string(which.param); });

// Spawned from outside, by jobs, and by what those spawned.
TEST_P(task_group_with, TG_1_join_comes_after_every_job_whoever_spawned_it) {
  task_group group(sched, forever_on);
  std::atomic<int> ran{0};
  struct tree {
    task_group& group;
    std::atomic<int>& ran;
    int depth;
    void operator()() const {
      ran.fetch_add(1);
      for (int i = 0; i < 3 && depth > 0; ++i) group.spawn(tree{group, ran, depth - 1});
    }
  };
  for (int round = 0; round < 20; ++round) {
    ran = 0;
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(group.spawn(tree{group, ran, 4}));
    EXPECT_TRUE(group.join().wait());
    EXPECT_EQ(ran.load(), 5 * (1 + 3 + 9 + 27 + 81));
    EXPECT_EQ(group.report().succeeded, static_cast<std::uint64_t>(ran.load()));
    EXPECT_EQ(total(group.report()), group.report().succeeded);
  }
}

TEST_P(task_group_with, TG_1_join_comes_after_every_job_when_some_fail) {
  task_group group(sched, forever_on, {.policy = on_error::keep_going});
  std::atomic<int> ended{0};
  for (int i = 0; i < 100; ++i) {
    group.spawn([&, i, keep = counted(i)]() -> result<> {
      ended.fetch_add(1);
      if (i % 3 == 0) throw std::runtime_error("third");
      if (i % 3 == 1) return error("other");
      return {};
    });
  }
  EXPECT_FALSE(group.join().wait());
  EXPECT_EQ(ended.load(), 100);
  EXPECT_EQ(counted::alive.load(), 0);
}

TEST_P(task_group_with, TG_2_an_empty_group_is_joined_at_once) {
  task_group group(sched, forever_on);
  EXPECT_TRUE(group.join().wait());
  EXPECT_TRUE(group.join().wait());
  EXPECT_EQ(total(group.report()), 0u);
}

TEST_P(task_group_with, TG_2_all_who_wait_get_the_same) {
  task_group group(sched, forever_on);
  semaphore go(0);
  go.grow(1);
  permit held = go.try_acquire().value();
  // Kept to the end: ThreadSanitizer does not see what orders the last of several threads that let
  // go of an exception, and reading it.
  const error the_one("the one");
  group.spawn([&](const context& ctx) -> result<> {
    (void)go.acquire(ctx).wait();
    return the_one;
  });
  std::atomic<int> same{0};
  std::atomic<int> waiting{0};
  std::vector<std::thread> all;
  for (int i = 0; i < 4; ++i) {
    all.emplace_back([&] {
      auto o = group.join();
      waiting.fetch_add(1);
      const auto r = o.wait();
      if (!r && r.error().what() == "the one") same.fetch_add(1);
    });
  }
  until([&] { return waiting.load() == 4; });
  // Those that wait by now get it; whoever comes later joins an empty round.
  held.release();
  for (auto& t : all) t.join();
  EXPECT_GE(same.load(), 1);
  EXPECT_EQ(group.report().failed + (same.load() < 4 ? 1u : 0u), 1u);
}

TEST_P(task_group_with, TG_3_the_destructor_cancels_and_joins) {
  std::atomic<int> ended{0};
  {
    task_group group(sched, forever_on);
    std::latch started(1);
    group.spawn([&](const context& ctx) {
      started.count_down();
      auto r = until_canceled(ctx);
      ended.fetch_add(1);
      return r;
    });
    started.wait();
    for (int i = 0; i < 50; ++i)
      group.spawn([c = counted(1)](const context& ctx) { return until_canceled(ctx); });
  }
  EXPECT_EQ(ended.load(), 1);
  EXPECT_EQ(counted::alive.load(), 0);
}

std::mutex told_lock;
std::vector<std::string> told;

TEST(task_group, TG_3_an_error_that_nobody_fetched_is_told) {
  told.clear();
  auto options = test::quiet_workers(2);
  options.on_unobserved_error = [](const error& e, std::string_view where) noexcept {
    const std::lock_guard lock(told_lock);
    told.push_back(std::string(where) + ": " + e.what());
  };
  scheduler sched(options);
  {
    task_group group(sched, forever_on, {.policy = on_error::keep_going});
    group.spawn([]() -> result<> { return error("fetched"); });
    EXPECT_FALSE(group.join().wait());
    std::latch ended(1);
    group.spawn([&]() -> result<> {
      ended.count_down();
      return error("not fetched");
    });
    ended.wait();
  }
  EXPECT_EQ(told, std::vector<std::string>{"task_group: not fetched"});
}

TEST_P(task_group_with, TG_4_the_next_round_is_as_new) {
  task_group group(sched, forever_on);
  for (int round = 0; round < 50; ++round) {
    EXPECT_FALSE(group.ctx().is_done());
    ASSERT_TRUE(group.spawn([]() -> result<> { return error("bad"); }));
    const auto r = group.join().wait();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().what(), "bad");
    EXPECT_EQ(group.report().failed, 1u);
    EXPECT_FALSE(group.ctx().is_done());
    ASSERT_TRUE(group.spawn([] {}));
    EXPECT_TRUE(group.join().wait());
    EXPECT_EQ(group.report().succeeded, 1u);
    EXPECT_TRUE(group.report().errors.empty());
  }
}

TEST_P(task_group_with, TG_4_a_parent_that_has_ended_stays_so) {
  auto parent = with_cancel(forever_on);
  task_group group(sched, parent);
  parent.cancel();
  EXPECT_FALSE(group.spawn([] {}));
  EXPECT_EQ(group.join().wait().error(), errc::canceled);
  EXPECT_FALSE(group.spawn([] {}));
  EXPECT_EQ(group.join().wait().error(), errc::canceled);
  EXPECT_EQ(group.report().not_started, 1u);
}

TEST_P(task_group_with, TG_5_a_job_that_joins_its_own_group_is_told) {
  task_group group(sched, forever_on, {.policy = on_error::keep_going});
  task_group other(sched, forever_on);
  group.spawn([&]() -> result<> {
    EXPECT_TRUE(other.join().wait());
    return group.join().wait();
  });
  EXPECT_EQ(group.join().wait().error(), errc::would_deadlock);
}

TEST_P(task_group_with, TG_6_a_join_that_gives_up_leaves_the_group_as_it_is) {
  task_group group(sched, forever_on);
  std::latch go(1);
  group.spawn([&] { go.wait(); });
  auto soon = with_timeout(forever_on, std::chrono::milliseconds(1));
  EXPECT_EQ(group.join(soon).wait().error(), errc::deadline_exceeded);
  EXPECT_FALSE(group.ctx().is_done());
  EXPECT_TRUE(group.spawn([] {}));
  go.count_down();
  EXPECT_TRUE(group.join().wait());
  EXPECT_EQ(group.report().succeeded, 2u);
}

TEST_P(task_group_with, TG_6_a_join_is_a_case_of_a_select) {
  task_group group(sched, forever_on);
  std::latch go(1);
  group.spawn([&] { go.wait(); });
  auto lost = select(forever_on, group.join(), sleep(std::chrono::milliseconds(1))).wait();
  EXPECT_EQ(lost->index(), 1u);
  go.count_down();
  auto won = select(forever_on, group.join(), sleep(std::chrono::hours(1))).wait();
  EXPECT_EQ(won->index(), 0u);
}

TEST_P(task_group_with, TG_7_the_first_error_by_completion_and_all_in_order) {
  task_group group(sched, forever_on, {.policy = on_error::keep_going, .keep_errors = 3});
  for (int i = 0; i < 5; ++i) {
    std::latch ended(1);
    struct last {
      std::latch& ended;
      ~last() { ended.count_down(); }
    };
    group.spawn([&, i]() -> result<> {
      const last at_end{ended};
      return error("number " + std::to_string(i));
    });
    ended.wait();
    // The error is noted after the job: the next one is behind it on one worker only.
    if (GetParam() != 1)
      until([&] { return sched.stats().ran == static_cast<std::uint64_t>(i + 1); });
  }
  EXPECT_EQ(group.join().wait().error().what(), "number 0");
  const auto r = group.report();
  EXPECT_EQ(r.failed, 5u);
  ASSERT_EQ(r.errors.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(r.errors[i].what(), "number " + std::to_string(i));
}

TEST_P(task_group_with, TG_8_an_exception_is_kept_as_it_was_thrown) {
  task_group group(sched, forever_on);
  const auto thrown = std::make_exception_ptr(std::out_of_range("far"));
  group.spawn([&] { std::rethrow_exception(thrown); });
  const auto r = group.join().wait();
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error(), errc::failed);
  EXPECT_EQ(r.error().exception(), thrown);
  EXPECT_THROW(r.error().raise(), std::out_of_range);
  EXPECT_EQ(group.report().errors.at(0).exception(), thrown);
}

// What the others answer because of it does not hide it.
TEST_P(task_group_with, TG_9_the_first_error_cancels_the_others_and_is_the_cause) {
  task_group group(sched, forever_on);
  std::latch started(2);
  std::atomic<int> saw_the_cause{0};
  for (int i = 0; i < 2; ++i) {
    group.spawn([&](const context& ctx) -> result<> {
      started.count_down();
      (void)ctx.done().wait();
      if (ctx.cause().what() == "root of it") saw_the_cause.fetch_add(1);
      return errc::canceled;
    });
  }
  started.wait();
  group.spawn([]() -> result<> { return error("root of it"); });
  EXPECT_EQ(group.join().wait().error().what(), "root of it");
  EXPECT_EQ(saw_the_cause.load(), 2);
  const auto r = group.report();
  EXPECT_EQ(r.failed, 1u);
  EXPECT_EQ(r.canceled, 2u);
}

TEST_P(task_group_with, TG_10_keep_going_cancels_nothing) {
  task_group group(sched, forever_on, {.policy = on_error::keep_going});
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(group.spawn([i]() -> result<> {
      if (i % 2 == 0) return error("even");
      return {};
    }));
  }
  EXPECT_EQ(group.join().wait().error().what(), "even");
  const auto r = group.report();
  EXPECT_EQ(r.succeeded, 100u);
  EXPECT_EQ(r.failed, 100u);
  EXPECT_EQ(r.errors.size(), 64u);
}

TEST_P(task_group_with, TG_11_canceled_by_itself_is_a_failure) {
  task_group group(sched, forever_on);
  group.spawn([]() -> result<> { return errc::canceled; });
  EXPECT_EQ(group.join().wait().error(), errc::canceled);
  EXPECT_EQ(group.report().failed, 1u);

  std::latch started(1);
  group.spawn([&](const context& ctx) {
    started.count_down();
    return until_canceled(ctx);
  });
  started.wait();
  EXPECT_TRUE(group.cancel(errc::overloaded));
  EXPECT_FALSE(group.cancel());
  const auto r = group.join().wait();
  EXPECT_EQ(r.error(), errc::canceled);
  EXPECT_EQ(r.error().cause(), make_error_code(errc::overloaded));
  EXPECT_EQ(group.report().canceled, 1u);
  EXPECT_EQ(group.report().failed, 0u);
}

TEST_P(task_group_with, TG_13_what_is_spawned_after_the_cancel_is_refused) {
  task_group group(sched, forever_on);
  group.cancel();
  auto owned = std::make_unique<int>(7);
  EXPECT_FALSE(group.spawn([p = std::move(owned)] { ADD_FAILURE(); }));
  auto kept = [c = counted(1)] { ADD_FAILURE(); };
  EXPECT_FALSE(group.spawn(std::move(kept)));
  EXPECT_EQ(counted::alive.load(), 1);  // untouched
  EXPECT_EQ(group.join().wait().error(), errc::canceled);
  EXPECT_EQ(group.report().not_started, 2u);
}

TEST_P(task_group_with, TG_14_what_has_not_started_when_it_is_canceled_does_not) {
  for (const std::size_t limit : {0, 1}) {
    task_group group(sched, forever_on, {.limit = limit});
    std::latch started(static_cast<std::ptrdiff_t>(limit == 0 ? GetParam() : 1));
    std::latch go(1);
    const int busy = limit == 0 ? static_cast<int>(GetParam()) : 1;
    for (int i = 0; i < busy; ++i) {
      group.spawn([&] {
        started.count_down();
        go.wait();
      });
    }
    started.wait();
    for (int i = 0; i < 30; ++i) group.spawn([c = counted(i)] { ADD_FAILURE(); });
    group.cancel();
    go.count_down();
    EXPECT_EQ(group.join().wait().error(), errc::canceled);
    EXPECT_EQ(group.report().succeeded, static_cast<std::uint64_t>(busy));
    EXPECT_EQ(group.report().not_started, 30u);
    EXPECT_EQ(counted::alive.load(), 0);
  }
}

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(const throws_when_copied&) { throw std::runtime_error("copy"); }
  void operator()() const { ADD_FAILURE(); }
};

TEST_P(task_group_with, TG_16_a_spawn_that_throws_counts_nothing) {
  task_group group(sched, forever_on, {.limit = 1});
  const throws_when_copied f;
  EXPECT_THROW(group.spawn(f), std::runtime_error);
  EXPECT_TRUE(group.join().wait());
  EXPECT_EQ(total(group.report()), 0u);
}

TEST_P(task_group_with, TG_17_no_more_than_the_limit_run_at_once) {
  for (const std::size_t limit : {1, 3, 10}) {
    task_group group(sched, forever_on, {.limit = limit});
    gauge inside;
    for (int i = 0; i < 1025; ++i) {
      ASSERT_TRUE(group.spawn([&] {
        inside.enter();
        if (inside.most() % 2 == 0) std::this_thread::yield();
        inside.leave();
      }));
    }
    EXPECT_TRUE(group.join().wait());
    EXPECT_LE(inside.most(), static_cast<int>(limit));
    EXPECT_EQ(group.report().succeeded, 1025u);
  }
}

TEST_P(task_group_with, TG_18_at_the_limit_spawn_queues_in_order_and_jobs_may_spawn) {
  task_group group(sched, forever_on, {.limit = 1});
  std::vector<int> order;  // one job at a time
  group.spawn([&] {
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(group.spawn([&, i] {
        order.push_back(i);
        if (i == 50) group.spawn([&] { order.push_back(100); });
      }));
    }
    EXPECT_TRUE(order.empty());
  });
  EXPECT_TRUE(group.join().wait());
  ASSERT_EQ(order.size(), 101u);
  for (int i = 0; i <= 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

// A join in a job lends the seat, so that others run.
TEST_P(task_group_with, TG_18_groups_in_groups_end_on_one_worker) {
  struct nest {
    scheduler& sched;
    std::atomic<int>& ran;
    int depth;
    result<> operator()(const context& ctx) const {
      ran.fetch_add(1);
      if (depth == 0) return {};
      task_group inner(sched, ctx, {.limit = 2});
      for (int i = 0; i < 3; ++i) inner.spawn(nest{sched, ran, depth - 1});
      return inner.join().wait();
    }
  };
  std::atomic<int> ran{0};
  task_group group(sched, forever_on);
  group.spawn(nest{sched, ran, 3});
  EXPECT_TRUE(group.join().wait());
  EXPECT_EQ(ran.load(), 1 + 3 + 9 + 27);
}

TEST_P(task_group_with, TG_22_many_jobs_of_one_line_take_no_stack) {
  task_group group(sched, forever_on, {.limit = 1});
  int sum = 0;
  for (int i = 0; i < 100'000; ++i) group.spawn([&] { ++sum; });
  EXPECT_TRUE(group.join().wait());
  EXPECT_EQ(sum, 100'000);
}

TEST_P(task_group_with, TG_23_a_steady_group_allocates_nothing) {
  task_group group(sched, forever_on);
  const auto round = [&] {
    sched
        .submit([&] {
          for (int i = 0; i < 20'000; ++i) group.spawn([&group] { (void)group.ctx().is_done(); });
          return 0;
        })
        .wait()
        .value();
    return group.join().wait();
  };
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(round());
  const test::allocation_count taken;
  EXPECT_TRUE(round());
  // What a worker has not seen yet it may have to take from the heap once more, in slabs.
  EXPECT_LE(taken.get(), 40u);
}

TEST_P(task_group_with, TG_12_a_stop_leaves_nothing_out) {
  for (const std::size_t limit : {0, 2}) {
    auto own = std::make_unique<scheduler>(test::quiet_workers(GetParam()));
    task_group group(*own, own->root(), {.limit = limit});
    std::atomic<int> refused{0};
    std::latch started(1);
    group.spawn([&](const context& ctx) {
      started.count_down();
      return until_canceled(ctx);
    });
    started.wait();
    for (int i = 0; i < 100; ++i) refused += !group.spawn([c = counted(i)] {});
    EXPECT_TRUE(own->stop().wait());
    EXPECT_FALSE(group.spawn([c = counted(1)] { ADD_FAILURE(); }));
    EXPECT_FALSE(group.join().wait());
    EXPECT_EQ(total(group.report()), 102u);
    EXPECT_EQ(group.report().failed, 0u);
    EXPECT_EQ(counted::alive.load(), 0);
  }
}

}  // namespace
}  // namespace pinion
