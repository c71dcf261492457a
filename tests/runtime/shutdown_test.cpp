// SPDX-License-Identifier: MIT
// The end of a scheduler: closing, draining, stopping, destroying.
#include "pinion/runtime/shutdown.hpp"

#include <atomic>
#include <barrier>
#include <cstddef>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fork.hpp"
#include "tests/support/schedulers.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context_callback.hpp"

namespace pinion {
namespace {

using test::counting_errors;
using test::errors_seen;
using test::last_error;
using test::with_workers;

TEST(shutdown, POOL_7_futures_of_what_is_given_up_say_not_started) {
  scheduler_options o = with_workers(1);
  o.spares = 0;  // nobody stands in for the worker that blocks
  scheduler sched(o);
  std::latch entered(1);
  auto first = sched.submit([&](const context& ctx) {
    entered.count_down();
    return ctx.done().wait().has_value();
  });
  entered.wait();
  auto second = sched.submit([] { return 1; });
  ASSERT_TRUE(sched.stop().wait());
  EXPECT_TRUE(first.wait().value());
  EXPECT_EQ(second.wait().error(), errc::not_started);
}

// What a context has posted, and a stop gives up before it began, is not run by whoever stops.
// Without drop() in the item it would be lost, and whoever removes it would wait for ever.
TEST(shutdown, CTX_45_a_callback_that_a_stop_gives_up_is_told_once) {
  scheduler_options o = counting_errors(1);
  o.spares = 0;
  scheduler sched(o);
  std::latch entered(1);
  sched.post([&](const context& ctx) {
    entered.count_down();
    static_cast<void>(ctx.done().wait());
  });
  entered.wait();
  auto ctx = with_cancel(context::background());
  int ran = 0;
  auto made = ctx.on_done(sched, [&] { ++ran; });
  auto late = ctx.on_done(sched, [&] { ++ran; });
  ctx.cancel();  // posts both behind the task that blocks
  EXPECT_TRUE(late.try_remove());
  ASSERT_TRUE(sched.stop().wait());
  EXPECT_TRUE(made.remove().wait());
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(errors_seen.load(), 1);
  auto refused = ctx.on_done(sched, [&] { ++ran; });
  EXPECT_EQ(errors_seen.load(), 2);
  EXPECT_EQ(ran, 0);
}

TEST(shutdown, CTX_30_a_callback_runs_on_a_worker_and_does_not_hold_up_a_drain) {
  scheduler sched(counting_errors(1));
  auto ctx = with_cancel(context::background());
  auto other = with_cancel(context::background());
  std::atomic<bool> on_worker{false};
  auto made = ctx.on_done(sched, [&] { on_worker = sched.this_worker().has_value(); });
  auto waits = other.on_done(sched, [] {});
  ctx.cancel();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_TRUE(on_worker.load());
  EXPECT_TRUE(waits.try_remove());
}

TEST(shutdown, POOL_3_after_close_work_is_refused_and_stays_with_the_caller) {
  scheduler sched(counting_errors(1));
  EXPECT_TRUE(sched.close());
  EXPECT_FALSE(sched.close());
  auto value = std::make_unique<int>(7);
  auto job = [v = std::move(value)] { static_cast<void>(v); };
  EXPECT_FALSE(sched.post(std::move(job)));
  EXPECT_EQ(errors_seen.load(), 1);
  // Untouched: moving it into something else still finds the value.
  auto still = std::move(job);
  static_cast<void>(still);
  EXPECT_EQ(sched.stats().refused, 1u);
}

TEST(shutdown, POOL_4_work_racing_close_is_refused_or_runs) {
  for (int round = 0; round < 200; ++round) {
    scheduler_options o = with_workers(2);
    o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
    scheduler sched(o);
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> ran{0};
    std::barrier start(3);
    const auto submit = [&] {
      start.arrive_and_wait();
      while (sched.post([&] { ran.fetch_add(1); })) accepted.fetch_add(1);
    };
    std::thread a(submit), b(submit);
    start.arrive_and_wait();
    while (accepted.load() < 100) std::this_thread::yield();
    const auto report = sched.drain().wait();
    a.join();
    b.join();
    ASSERT_TRUE(report);
    EXPECT_EQ(ran.load(), accepted.load());
    EXPECT_EQ(report->ran, accepted.load());
  }
}

TEST(shutdown, POOL_5_tasks_may_still_post_after_close) {
  std::atomic<int> ran{0};
  scheduler sched(with_workers(2));
  std::latch closed(1);
  sched.post([&] {
    closed.wait();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(sched.post([&] { ran.fetch_add(1); }));
  });
  sched.close();
  closed.count_down();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(ran.load(), 10);
}

TEST(shutdown, POOL_6_a_drain_that_ends_early_names_who_blocks_and_can_be_repeated) {
  scheduler sched(with_workers(1));
  std::latch entered(1), leave(1);
  sched.post(
      [&] {
        entered.count_down();
        leave.wait();
      },
      {.name = "stubborn"});
  entered.wait();
  auto ctx = with_cancel(context::background());
  std::thread canceler([&] { ctx.cancel(); });
  const auto early = sched.drain(ctx).wait();
  canceler.join();
  ASSERT_TRUE(early);
  ASSERT_EQ(early->blocking.size(), 1u);
  EXPECT_EQ(early->blocking[0].task, "stubborn");
  leave.count_down();
  const auto done = sched.drain().wait();
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->blocking.empty());
  EXPECT_EQ(done->ran, 1u);
}

TEST(shutdown, POOL_7_stop_gives_up_what_has_not_started_and_cancels_the_root) {
  scheduler_options o = with_workers(1);
  o.spares = 0;  // nobody stands in for the worker that blocks
  scheduler sched(o);
  std::latch entered(1);
  const auto alive = std::make_shared<int>(0);
  sched.post([&](const context& ctx) {
    entered.count_down();
    EXPECT_TRUE(ctx.done().wait());
    EXPECT_TRUE(ctx.is_done());
  });
  entered.wait();
  for (int i = 0; i < 100; ++i) sched.post([alive] {});
  const auto report = sched.stop().wait();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->ran + report->not_started, 101u);
  EXPECT_GE(report->not_started, 1u);
  EXPECT_TRUE(sched.root().is_done());
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(shutdown, POOL_8_the_destructor_runs_what_was_accepted) {
  std::atomic<int> ran{0};
  {
    scheduler sched(with_workers(2));
    for (int i = 0; i < 5000; ++i) sched.post([&] { ran.fetch_add(1); });
  }
  EXPECT_EQ(ran.load(), 5000);
}

TEST(shutdown, POOL_8_a_destructor_out_of_patience_stops_and_names_what_was_left) {
  scheduler_options o = counting_errors(1);
  o.drain_for = duration::zero();
  {
    scheduler sched(o);
    std::latch entered(1);
    sched.post([&](const context& ctx) {
      entered.count_down();
      static_cast<void>(ctx.done().wait());
    });
    entered.wait();
  }
  EXPECT_EQ(errors_seen.load(), 1);
}

TEST(shutdown, POOL_8_a_task_may_destroy_its_scheduler) {
  std::atomic<bool> after{false};
  auto* sched = new scheduler(with_workers(2));
  std::latch ended(1);
  sched->post([&, sched] {
    delete sched;
    after = true;
    ended.count_down();
  });
  ended.wait();
  EXPECT_TRUE(after.load());
}

TEST(shutdown, POOL_10_waiting_for_the_end_from_inside_is_an_error) {
  scheduler sched(with_workers(1));
  std::atomic<int> wrong{0};
  sched.post([&] {
    const auto a = sched.drain().wait();
    const auto b = sched.stop().wait();
    wrong = (a || a.error() != errc::would_deadlock) + (b || b.error() != errc::would_deadlock);
  });
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(wrong.load(), 0);
}

// Goal: what nobody would run is refused. Finds: a hook that still has the seat of its worker.
TEST(shutdown, work_from_an_exit_hook_is_refused) {
  scheduler* raw = nullptr;
  std::atomic<int> accepted{0}, ran{0};
  future<int> answer(errc::not_ready);
  scheduler_options o = counting_errors(1);
  o.on_worker_exit = [&](std::size_t) {
    if (raw->post([&] { ran.fetch_add(1); })) accepted.fetch_add(1);
    answer = raw->submit([] { return 1; });
  };
  {
    scheduler sched(o);
    raw = &sched;
  }
  EXPECT_EQ(accepted.load(), 0);
  EXPECT_EQ(ran.load(), 0);
  ASSERT_TRUE(answer.ready());
  EXPECT_EQ(answer.wait().error(), errc::stopped);
}

// Goal: a child that a task makes does not run what its parent runs. Finds: a child that takes
// itself for the worker; it posts, and its spare threads run the tasks that were queued at the
// fork.
TEST(shutdown, POOL_15_the_child_of_a_task_is_refused) {
  std::atomic<int> ran{0};
  scheduler sched(counting_errors(1));
  sched.post([&] { ran.fetch_add(1); });
  auto in_child = sched.submit([&] {
    sched.post([&] { ran.fetch_add(1); });
    return test::in_child_of_a_fork([&] {
      if (sched.post([] {})) return 1;
      const auto answer = sched.submit([] { return 1; }).wait();
      return !answer && answer.error() == errc::stopped ? 0 : 2;
    });
  });
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(in_child.wait().value(), 0);
  EXPECT_EQ(ran.load(), 2);
}

// Goal: what an executor has taken it runs. Finds: an item that a stop gives up like a task;
// whoever was to go on with it waits for ever.
TEST(shutdown, XC_7_a_stop_does_not_give_up_what_an_executor_has_taken) {
  scheduler sched(with_workers(1));
  std::latch entered(1);
  sched.post([&](const context& root) {
    entered.count_down();
    while (!root.is_done()) std::this_thread::yield();
  });
  entered.wait();
  struct item : work_item {
    std::atomic<bool> ran{false};
  } one;
  one.run = [](work_item& w) noexcept { static_cast<item&>(w).ran = true; };
  ASSERT_TRUE(executor_ref(sched)->post(one));
  ASSERT_TRUE(sched.stop().wait());
  EXPECT_TRUE(one.ran.load());
}

TEST(shutdown, POOL_19_two_schedulers_post_to_each_other_and_end_in_any_order) {
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> ran{0};
    scheduler_options quiet = with_workers(1);
    quiet.on_unobserved_error = [](const error&, std::string_view) noexcept {};
    auto a = std::make_unique<scheduler>(quiet);
    auto b = std::make_unique<scheduler>(quiet);
    for (int i = 0; i < 100; ++i) {
      a->post([&] { b->post([&] { ran.fetch_add(1); }); });
    }
    a->drain().wait().value();
    if (round % 2 == 0) a.reset();
    b.reset();
    EXPECT_EQ(ran.load(), 100);
  }
}

// Finds: a worker that joins others without lending its seat.
TEST(shutdown, a_worker_that_destroys_another_scheduler_lends_its_seat) {
  scheduler sched(with_workers(1));
  sched
      .submit([&] {
        scheduler_options o = with_workers(1);
        o.on_worker_exit = [&](std::size_t) { sched.submit([] {}).wait().value(); };
        const scheduler other(o);
      })
      .wait()
      .value();
}

TEST(shutdown, stop_gives_up_delayed_work) {
  scheduler sched(with_workers(1));
  const auto alive = std::make_shared<int>(0);
  for (int i = 0; i < 10; ++i) sched.post([alive] {}, {.after = std::chrono::hours(1)});
  const auto report = sched.stop().wait();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->not_started, 10u);
  EXPECT_EQ(alive.use_count(), 1);
}

// Finds: a report that names nobody, which says that all has ended.
TEST(shutdown, POOL_6_a_drain_that_ends_before_delayed_work_says_so) {
  scheduler sched(with_workers(1));
  sched.post([] {}, {.after = std::chrono::hours(1)});
  auto ended = with_cancel(context::background());
  ended.cancel();
  const auto report = sched.drain(ended).wait();
  ASSERT_TRUE(report);
  ASSERT_EQ(report->blocking.size(), 1u);
  EXPECT_EQ(report->blocking[0].task, "work that has not started");
  EXPECT_EQ(sched.stop().wait()->not_started, 1u);
}

TEST(shutdown, a_task_without_a_seat_may_still_post_after_close) {
  scheduler sched(with_workers(1));
  auto ctx = with_cancel(context::background());
  std::latch entered(1);
  std::atomic<bool> ran{false};
  sched.post([&] {
    entered.count_down();
    static_cast<void>(ctx.done().wait());  // the seat is lent from here on
    EXPECT_TRUE(sched.post([&] { ran = true; }));
  });
  entered.wait();
  sched.close();
  ctx.cancel();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_TRUE(ran.load());
}

}  // namespace
}  // namespace pinion
