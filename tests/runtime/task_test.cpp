// SPDX-License-Identifier: MIT
// What a task is: lazy, awaited by one, resumed by its own executor, counted until it has ended.
#include "pinion/runtime/task.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/sanitizer.hpp"
#include "tests/support/schedulers.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/when_all.hpp"
#include "pinion/sync/future.hpp"
#include "pinion/sync/time_source.hpp"
#include "pinion/sync/timer.hpp"

namespace pinion {
namespace {

using test::allocation_count;
using test::counting_errors;
using test::errors_seen;
using test::gate;
using test::last_error;
using test::mailbox;
using test::until;
using test::waiters_of;
using test::with_workers;

#if defined(PINION_TEST_TSAN) || defined(PINION_TEST_ASAN)
constexpr int many = 100'000;
#else
constexpr int many = 1'000'000;
#endif

task<int> number(int n) {
  co_return n;
}
task<int> sum_of(int a, int b) {
  const int x = co_await number(a);
  const int y = co_await number(b);
  co_return x + y;
}
task<> nothing() {
  co_return;
}
task<int> failing(const char* why) {
  throw std::runtime_error(why);
  co_return 0;
}
task<result<int>> refusing() {
  co_return errc::closed;
}

// --- What it gives.

TEST(task, gives_its_value_to_who_awaits_it) {
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(sum_of(3, 4)).wait().value(), 7);
  EXPECT_TRUE(sched.submit(nothing()).wait());
  EXPECT_EQ(sched.submit([] { return sum_of(1, 2); }).wait().value(), 3);
  EXPECT_EQ(sched.submit(refusing()).wait().error(), errc::closed);
  static_assert(job<task<int>> && job<task<>>);
  static_assert(std::same_as<job_result<task<result<int>>>, int>);
}

task<std::unique_ptr<int>> move_only(std::unique_ptr<int> p) {
  co_return p;
}

TEST(task, carries_what_can_only_be_moved) {
  scheduler sched(with_workers(1));
  EXPECT_EQ(*sched.submit(move_only(std::make_unique<int>(7))).wait().value(), 7);
}

struct never_assigned {
  const int n;
};
task<never_assigned> give_constant() {
  co_return never_assigned{7};
}

TEST(task, carries_what_cannot_be_assigned) {
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(give_constant()).wait().value().n, 7);
  EXPECT_EQ(sched.submit([] { return never_assigned{8}; }).wait().value().n, 8);
}

struct breaks {
  explicit breaks(int& left) : moves_left(&left) {}
  breaks(breaks&& other) : moves_left(other.moves_left) {
    if ((*moves_left)-- == 0) throw std::runtime_error("in transit");
  }
  int* moves_left;
};
task<breaks> give_what_breaks(int& moves_left) {
  co_return breaks(moves_left);
}

TEST(task, XC_14_a_move_that_throws_becomes_the_result) {
  std::array<int, 20> left;
  scheduler sched(counting_errors(1));
  std::size_t broken = 0;
  for (std::size_t moves = 0; broken == moves; ++moves) {
    left[2 * moves] = left[2 * moves + 1] = static_cast<int>(moves);
    sched.post(give_what_breaks(left[2 * moves]));
    auto answer = sched.submit(give_what_breaks(left[2 * moves + 1]));
    try {
      const auto r = answer.wait();
      if (!r) {
        EXPECT_EQ(r.error(), errc::failed);
        ++broken;
      }
    } catch (const std::runtime_error&) {  // on the way out of the future
      ++broken;
    }
  }
  EXPECT_GE(broken, 3u);
}

task<int> rescue() {
  int n = 0;
  try {
    n = co_await failing("lost");
  } catch (const std::runtime_error& e) {
    n = std::string(e.what()) == "lost" ? 7 : 0;
  }
  co_return n;
}

TEST(task, throws_at_who_awaits_it_what_it_threw) {
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(rescue()).wait().value(), 7);
  const auto r = sched.submit(failing("alone")).wait();
  EXPECT_EQ(r.error(), errc::failed);
  EXPECT_THROW(r.error().raise(), std::runtime_error);
}

TEST(task, an_error_of_a_posted_task_goes_to_the_hook) {
  {
    scheduler sched(counting_errors(1));
    sched.post(failing("unheard"));
    ASSERT_TRUE(sched.drain().wait());
  }
  EXPECT_EQ(errors_seen.load(), 1);
  EXPECT_EQ(last_error, "unheard");
}

// --- When it lives.

task<> keep(std::shared_ptr<int> alive, std::atomic<int>& started) {
  started.fetch_add(1);
  co_await nothing();
  EXPECT_GE(alive.use_count(), 2);
}

TEST(task, destroyed_unstarted_nothing_has_happened) {
  const auto alive = std::make_shared<int>(0);
  std::atomic<int> started{0};
  {
    auto t = keep(alive, started);
    EXPECT_EQ(alive.use_count(), 2);
    auto other = std::move(t);
    other = keep(alive, started);
  }
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(started.load(), 0);
}

TEST(task, POOL_7_is_given_up_unstarted_by_a_stop) {
  const auto alive = std::make_shared<int>(0);
  std::atomic<int> started{0};
  gate hold;
  std::vector<future<>> results;
  {
    scheduler_options o = with_workers(1);
    o.spares = 0;
    scheduler busy(o);
    std::atomic<bool> in{false};
    busy.post([&] {
      in = true;
      (void)hold.pass().wait();
    });
    until([&] { return in.load(); });
    results.push_back(busy.submit(keep(alive, started)));
    busy.post(keep(alive, started));
    const auto soon = with_timeout(context::background(), duration::zero());
    (void)busy.stop(soon).wait();
    hold.open();
    const auto report = busy.stop().wait();
    EXPECT_EQ(report->not_started, 2u);
  }
  EXPECT_EQ(results[0].wait().error(), errc::not_started);
  EXPECT_EQ(started.load(), 0);
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(task, does_not_start_when_its_context_is_done) {
  const auto alive = std::make_shared<int>(0);
  std::atomic<int> started{0};
  scheduler sched(with_workers(1));
  auto ctx = with_cancel(context::background());
  ctx.cancel();
  EXPECT_EQ(sched.submit(ctx, keep(alive, started)).wait().error(), errc::not_started);
  sched.post(ctx, keep(alive, started));
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(started.load(), 0);
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(task, the_callable_that_made_it_is_kept_until_it_has_ended) {
  gate g;
  const auto alive = std::make_shared<int>(7);
  scheduler sched(with_workers(1));
  auto answer = sched.submit([&g, kept = alive]() -> task<int> {
    (void)co_await g.pass();
    co_return *kept;
  });
  until([&] { return waiters_of(g.waiting) == 1; });
  EXPECT_EQ(alive.use_count(), 2);
  g.open();
  EXPECT_EQ(answer.wait().value(), 7);
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(alive.use_count(), 1);
}

struct key : context_key<int> {};

task<int> value_of_context() {
  const context& ctx = co_await task_context();
  const int* n = ctx.value<key>();
  co_return n != nullptr ? *n : 0;
}
task<int> ask_child() {
  co_return co_await value_of_context();
}

TEST(task, the_context_travels_with_it) {
  scheduler sched(with_workers(1));
  const auto ctx = with_value<key>(context::background(), 7);
  EXPECT_EQ(sched.submit(ctx, ask_child()).wait().value(), 7);
  EXPECT_EQ(sched.submit(ask_child()).wait().value(), 0);
}

// --- How it runs.

// The lowest and the highest place of the stack that was seen.
struct stack_range {
  std::uintptr_t low = UINTPTR_MAX, high = 0;
  [[gnu::noinline]] void look() {
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    low = std::min(low, here);
    high = std::max(high, here);
  }
};

task<int> chain(int depth, stack_range& seen) {
  seen.look();
  int below = 0;
  if (depth != 0) below = co_await chain(depth - 1, seen);
  seen.look();
  co_return below + 1;
}
task<int> row(int length, stack_range& seen) {
  int sum = 0;
  for (int i = 0; i < length; ++i) {
    sum += co_await number(1);
    seen.look();
  }
  co_return sum;
}

TEST(task, a_chain_of_a_million_awaits_uses_no_stack) {
  scheduler sched(with_workers(1));
  stack_range deep, wide;
  EXPECT_EQ(sched.submit(chain(many, deep)).wait().value(), many + 1);
  EXPECT_EQ(sched.submit(row(many / 10, wide)).wait().value(), many / 10);
  EXPECT_LT(deep.high - deep.low, 256u << 10);
  EXPECT_LT(wide.high - wide.low, 256u << 10);
}

// Each is the only child of the one before.
task<int> chain_of_joins(int n, stack_range& seen) {
  seen.look();
  if (n == 0) co_return 0;
  std::array<int, 1> below{};
  co_await when_all(std::span(below), [&](std::size_t) { return chain_of_joins(n - 1, seen); });
  co_return below[0] + 1;
}

TEST(task, a_chain_of_joins_uses_no_stack) {
  scheduler sched(with_workers(1));
  stack_range seen;
  EXPECT_EQ(sched.submit(chain_of_joins(many / 10, seen)).wait().value(), many / 10);
  EXPECT_LT(seen.high - seen.low, 256u << 10);
}

task<std::size_t> allocations_of_awaits(int n) {
  for (int i = 0; i < 100; ++i) (void)co_await sum_of(1, 2);
  const allocation_count count;
  for (int i = 0; i < n; ++i) (void)co_await sum_of(1, 2);
  co_return count.get();
}

TEST(task, in_steady_state_spawning_and_awaiting_allocates_nothing) {
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(allocations_of_awaits(10'000)).wait().value(), 0u);
  for (int i = 0; i < 1000; ++i) (void)sched.submit(sum_of(1, 2)).wait();
  const allocation_count count;
  for (int i = 0; i < 1000; ++i) (void)sched.submit(sum_of(1, 2)).wait();
  EXPECT_EQ(count.get(), 0u);
}

// --- Who resumes it.

// 1 if it goes on in a thread that is none of its executor's.
template <class Op>
task<int> stray(scheduler& home, Op awaited) {
  const auto r = co_await awaited;
  co_return home.this_worker() ? 0 : 1;
}

TEST(task, XC_6_is_resumed_by_its_own_executor_whoever_wakes_it) {
  manual_clock clock;
  scheduler_options o = with_workers(2);
  o.time = &clock;
  scheduler home(o);
  scheduler other(with_workers(1));
  for (int i = 0; i < 50; ++i) {
    mailbox by_thread, by_worker, by_cancel, by_deadline;
    promise<> set;
    auto ctx = with_cancel(context::background());
    const auto timed = with_timeout(home.root(), std::chrono::seconds(1));
    std::vector<future<int>> all;
    all.push_back(home.submit(stray(home, by_thread.take())));
    all.push_back(home.submit(stray(home, by_worker.take())));
    all.push_back(home.submit(stray(home, by_cancel.take(ctx))));
    all.push_back(home.submit(stray(home, by_deadline.take(timed))));
    all.push_back(home.submit(stray(home, sleep(timed, std::chrono::milliseconds(1)))));
    all.push_back(home.submit(stray(home, set.get_future())));
    for (mailbox* box : {&by_thread, &by_worker, &by_cancel, &by_deadline}) {
      until([&] { return waiters_of(box->waiting) == 1; });
    }
    by_thread.give(1);
    other.post([&] {
      by_worker.give(1);
      set.set({});
    });
    ctx.cancel();
    clock.advance(std::chrono::seconds(2));  // this thread fires what is due
    for (auto& one : all) EXPECT_EQ(one.wait().value(), 0);
  }
}

// --- What the end of a scheduler waits for.

task<int> wait_for(mailbox& box) {
  co_return (co_await box.take()).value();
}

TEST(task, XC_7_POOL_6_a_drain_waits_for_what_is_suspended_and_resuming_it_is_never_refused) {
  for (int i = 0; i < 20; ++i) {
    mailbox box;
    scheduler sched(with_workers(2));
    auto answer = sched.submit(wait_for(box));
    sched.post(wait_for(box));
    until([&] { return waiters_of(box.waiting) == 2; });
    sched.close();
    const auto soon = with_timeout(context::background(), duration::zero());
    const auto report = sched.drain(soon).wait();
    // A worker may not have come back from what it started.
    EXPECT_TRUE(std::any_of(report->blocking.begin(), report->blocking.end(),
                            [](const blocker& b) { return b.task == "2 live coroutines"; }));
    box.give(1);
    box.give(2);
    EXPECT_TRUE(sched.drain().wait()->blocking.empty());
    EXPECT_TRUE(answer.ready());
  }
}

// Finds: names that are not given back when a coroutine ends.
TEST(task, POOL_6_a_drain_names_what_is_suspended) {
  scheduler sched(with_workers(2));
  mailbox box;
  for (const char* name : {"fetch", "store", "fetch"}) sched.post(wait_for(box), {.name = name});
  auto answer = sched.submit(wait_for(box), {.name = "ended"});
  sched.post(wait_for(box));
  until([&] { return waiters_of(box.waiting) == 5; });
  sched.close();
  const auto names = [&] {
    const auto soon = with_timeout(context::background(), duration::zero());
    const auto report = sched.drain(soon).wait();
    std::vector<std::string> all;
    for (const blocker& b : report->blocking) {
      if (b.thread.empty()) all.push_back(b.task);
    }
    std::sort(all.begin(), all.end());
    return all;
  };
  EXPECT_EQ(names(),
            (std::vector<std::string>{"1 live coroutine", "1 live coroutine: ended",
                                      "1 live coroutine: store", "2 live coroutines: fetch"}));
  for (int i = 0; i < 5; ++i) box.give(i);
  EXPECT_TRUE(sched.drain().wait()->blocking.empty());
}

// By a thread that has no record at the scheduler, and gets none.
TEST(task, XC_7_resuming_needs_no_memory) {
  scheduler sched(with_workers(2));
  for (int i = 0; i < 20; ++i) {
    mailbox box;
    auto answer = sched.submit(wait_for(box));
    until([&] { return waiters_of(box.waiting) == 1; });
    std::thread waker([&] {
      const test::no_memory out;
      box.give(7);
    });
    waker.join();
    EXPECT_EQ(answer.wait().value(), 7);
  }
}

TEST(task, POOL_9_a_stop_cancels_what_waits_under_the_root) {
  mailbox box;
  scheduler sched(with_workers(1));
  auto answer = sched.submit(
      [&](const context& ctx) -> task<result<int>> { co_return co_await box.take(ctx); });
  until([&] { return waiters_of(box.waiting) == 1; });
  EXPECT_TRUE(sched.stop().wait()->blocking.empty());
  EXPECT_EQ(answer.wait().error(), errc::canceled);
}

// Suspended in each kind of queue, then canceled: it ends, and nothing is left behind.
TEST(task, XC_4_is_canceled_in_whatever_queue_it_is_suspended) {
  scheduler sched(with_workers(2));
  for (int i = 0; i < 20; ++i) {
    auto ctx = with_cancel(context::background());
    const auto watched = with_cancel(context::background());
    mailbox a, b;
    gate g;
    promise<int> never;
    auto f = never.get_future();
    f.with(ctx);
    std::vector<future<>> all;
    const auto expect_canceled = [&](auto op, wait_list* where) {
      all.push_back(sched.submit([op = std::move(op)]() mutable -> task<result<>> {
        const auto r = co_await op;
        if (r) co_return errc::failed;
        co_return r.error();
      }));
      if (where != nullptr) until([&] { return waiters_of(*where) == 1; });
    };
    expect_canceled(g.pass(ctx), &g.waiting);
    expect_canceled(test::either(&ctx, a.take(), b.take()), &b.waiting);
    expect_canceled(std::move(f), nullptr);
    expect_canceled(test::either(nullptr, a.take(ctx), b.take()), nullptr);
    ctx.cancel();
    for (auto& one : all) EXPECT_EQ(one.wait().error(), errc::canceled);
    never.set(0);
    EXPECT_EQ(waiters_of(a.waiting) + waiters_of(b.waiting) + waiters_of(g.waiting), 0u);
  }
}

}  // namespace
}  // namespace pinion
