// SPDX-License-Identifier: MIT
#include "pinion/runtime/scheduler.hpp"

#include <array>
#include <atomic>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/refusal.hpp"
#include "tests/support/schedulers.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>
#include <pthread.h>

namespace pinion {
namespace {

using test::counting_errors;
using test::errors_seen;
using test::last_error;
using test::until;
using test::with_workers;

// Each test of what a pool does runs with one worker, with two, and with more than there are
// cores.
class scheduler_with : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(workers, scheduler_with, testing::Values(1, 2, 16));

TEST_P(scheduler_with, runs_everything_that_is_posted) {
  std::atomic<int> ran{0};
  scheduler sched(with_workers(GetParam()));
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(sched.post([&] { ran.fetch_add(1); }));
  const auto report = sched.drain().wait();
  ASSERT_TRUE(report);
  EXPECT_EQ(ran.load(), 10'000);
  EXPECT_EQ(report->ran, 10'000u);
  EXPECT_EQ(report->not_started, 0u);
  EXPECT_TRUE(report->blocking.empty());
}

TEST_P(scheduler_with, runs_what_tasks_post) {
  std::atomic<int> ran{0};
  scheduler sched(with_workers(GetParam()));
  sched.post([&] {
    for (int i = 0; i < 1000; ++i) {
      sched.post([&] {
        ran.fetch_add(1);
        sched.post([&] { ran.fetch_add(1); });
      });
    }
  });
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(ran.load(), 2000);
}

TEST_P(scheduler_with, callables_of_every_size_are_destroyed_once) {
  const auto alive = std::make_shared<int>(0);
  {
    scheduler sched(with_workers(GetParam()));
    for (int i = 0; i < 100; ++i) {
      sched.post([alive] {});
      sched.post([alive, big = std::array<char, 60>{}] { static_cast<void>(big); });
      sched.post([alive, big = std::array<char, 180>{}] { static_cast<void>(big); });
      sched.post([alive, big = std::array<char, 5000>{}] { static_cast<void>(big); });
    }
  }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST_P(scheduler_with, bulk_accepts_a_whole_range) {
  std::atomic<int> sum{0};
  scheduler sched(with_workers(GetParam()));
  std::vector<std::function<void()>> jobs;
  for (int i = 1; i <= 1000; ++i) jobs.push_back([&sum, i] { sum.fetch_add(i); });
  EXPECT_EQ(sched.post_bulk(jobs), 1000u);
  sched.post([&] { EXPECT_EQ(sched.post_bulk(jobs), 1000u); });
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(sum.load(), 2 * 500'500);
}

TEST_P(scheduler_with, post_to_runs_on_that_worker_only) {
  scheduler sched(with_workers(GetParam()));
  std::atomic<int> wrong{0};
  std::atomic<int> ran{0};
  for (int i = 0; i < 1000; ++i) {
    const std::size_t w = static_cast<std::size_t>(i) % sched.workers();
    sched.post_to(w, [&, w] {
      if (sched.this_worker() != w) wrong.fetch_add(1);
      ran.fetch_add(1);
    });
  }
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(ran.load(), 1000);
  EXPECT_THROW(sched.post_to(sched.workers(), [] {}), std::out_of_range);
}

TEST_P(scheduler_with, switching_the_idle_policy_while_it_runs_loses_nothing) {
  std::atomic<int> ran{0};
  scheduler sched(with_workers(GetParam()));
  for (int i = 0; i < 3000; ++i) {
    if (i % 100 == 0) sched.set_idle_policy(idle_policy::park());
    if (i % 100 == 40) sched.set_idle_policy(idle_policy::spin());
    if (i % 100 == 80) sched.set_idle_policy({});
    sched.post([&] { ran.fetch_add(1); });
  }
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(ran.load(), 3000);
}

TEST_P(scheduler_with, POOL_1_submit_gives_the_result_of_every_kind_of_job) {
  scheduler sched(with_workers(GetParam()));
  EXPECT_EQ(sched.submit([] { return 6 * 7; }).wait().value(), 42);
  EXPECT_EQ(*sched.submit([] { return std::make_unique<int>(7); }).wait().value(), 7);
  EXPECT_TRUE(sched.submit([] {}).wait().has_value());
  EXPECT_EQ(sched.submit([]() -> result<int> { return errc::closed; }).wait().error(),
            errc::closed);
  auto thrown = sched.submit([]() -> int { throw std::runtime_error("mine"); }).wait();
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error(), errc::failed);
  EXPECT_EQ(thrown.error().what(), "mine");
  auto ctx = with_cancel(context::background());
  EXPECT_TRUE(sched.submit(ctx, [&](const context& c) { return c == ctx; }).wait().value());
  ctx.cancel();
  EXPECT_EQ(sched.submit(ctx, [] { return 1; }).wait().error(), errc::not_started);
}

TEST_P(scheduler_with, POOL_1_a_future_outlives_its_scheduler) {
  std::vector<future<std::string>> answers;
  {
    scheduler sched(with_workers(GetParam()));
    for (int i = 0; i < 100; ++i) {
      answers.push_back(sched.submit([i] { return std::to_string(i) + " with some more text"; }));
    }
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(answers[static_cast<std::size_t>(i)].wait().value(),
              std::to_string(i) + " with some more text");
  }
}

// Finds: memory of results that is left where it is when the thread has no record to put it into.
TEST(scheduler, a_thread_that_only_takes_results_gives_their_memory_back) {
  scheduler sched(with_workers(1));
  std::size_t bytes = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<future<int>> answers;
    for (int i = 0; i < 100; ++i) answers.push_back(sched.submit([] { return 1; }));
    std::thread([&] {
      for (auto& answer : answers) static_cast<void>(answer.wait());
      answers.clear();
    }).join();
    if (round == 10) bytes = sched.stats().node_bytes;
  }
  EXPECT_EQ(sched.stats().node_bytes, bytes);
}

TEST(scheduler, POOL_1_refused_work_gives_a_future_that_says_so) {
  scheduler sched(with_workers(1));
  sched.close();
  EXPECT_EQ(sched.submit([] { return 1; }).wait().error(), errc::stopped);
  EXPECT_EQ(sched.stats().refused, 1u);
}

TEST(scheduler, RE_3_an_error_that_nobody_fetches_reaches_the_hook_once) {
  {
    scheduler sched(counting_errors(1));
    {
      auto dropped = sched.submit([]() -> int { throw std::runtime_error("unseen"); });
    }
    auto fetched = sched.submit([]() -> int { throw std::runtime_error("seen"); });
    EXPECT_FALSE(fetched.wait());
  }
  EXPECT_EQ(errors_seen.load(), 1);
  EXPECT_EQ(last_error, "unseen");
}

TEST(scheduler, waiting_for_a_future_inside_a_task_lends_the_seat) {
  scheduler sched(with_workers(1));
  auto outer = sched.submit([&] { return sched.submit([] { return 5; }).wait().value() + 1; });
  EXPECT_EQ(outer.wait().value(), 6);
}

// Without the look at who runs it, the job waits for ever.
TEST(scheduler, a_job_that_waits_for_its_own_future_is_told) {
  scheduler sched(with_workers(1));
  std::optional<pinion::future<int>> own;
  std::atomic<bool> there{false};
  std::atomic<int> seen{0};
  own.emplace(sched.submit([&] {
    until([&] { return there.load(); });
    // Also after another wait, for which the seat was lent.
    seen = sched.submit([] { return 5; }).wait().value();
    return own->wait().error() == errc::would_deadlock ? 1 : 2;
  }));
  there = true;
  until([&] { return own->ready(); });
  EXPECT_EQ(own->wait().value(), 1);
  EXPECT_EQ(seen.load(), 5);
}

// Finds: a close() that does not wait for who is inside (accepted and ran differ).
TEST(scheduler, POOL_11_exceptions_reach_the_hook_and_workers_live_on) {
  scheduler sched(counting_errors(1));
  sched.post([] { throw std::runtime_error("lost?"); });
  sched.post([] { throw 7; });
  sched.post([]() -> result<> { return errc::closed; });
  std::atomic<bool> alive{false};
  sched.post([&] { alive = true; });
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_TRUE(alive.load());
  EXPECT_EQ(errors_seen.load(), 3);
  EXPECT_EQ(sched.stats().unobserved_errors, 3u);
}

TEST(scheduler, POOL_17_outside_work_is_not_starved_by_a_task_that_feeds_itself) {
  scheduler sched(with_workers(1));
  std::atomic<bool> stop{false};
  std::function<void()> again = [&] {
    if (!stop.load()) sched.post(again);
  };
  sched.post(again);
  for (int i = 0; i < 100; ++i) {
    std::latch ran(1);
    sched.post([&] { ran.count_down(); });
    ran.wait();
  }
  stop = true;
  ASSERT_TRUE(sched.drain().wait());
}

// Goal: one thread's work runs in its order where one worker runs it. Finds: a batch from outside
// that comes before what came in earlier batches.
TEST(scheduler, outside_work_of_one_thread_is_first_in_first_out) {
  scheduler sched(with_workers(1));
  constexpr int count = 20'000;
  int next = 0, out_of_order = 0;
  for (int i = 0; i < count; ++i) {
    sched.post([&, i] { out_of_order += i != next++ ? 1 : 0; });
  }
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(next, count);
  EXPECT_EQ(out_of_order, 0);
}

// Goal: the same of a task that posts itself to its own worker. Finds: an inbox that always comes
// first.
TEST(scheduler, POOL_17_outside_work_is_not_starved_by_a_task_that_posts_to_its_worker) {
  scheduler sched(with_workers(1));
  std::atomic<bool> stop{false};
  struct again {
    scheduler* to;
    std::atomic<bool>* stop;
    void operator()() const {
      if (!stop->load()) to->post_to(0, *this);
    }
  };
  sched.post_to(0, again{&sched, &stop});
  std::latch ran(1);
  sched.post([&] { ran.count_down(); });
  ran.wait();
  stop = true;
  ASSERT_TRUE(sched.drain().wait());
}

// The own queue is never empty, and neither is the inbox.
TEST(scheduler, POOL_17_outside_work_and_the_inbox_do_not_starve_each_other) {
  scheduler sched(with_workers(1));
  std::atomic<bool> stop{false};
  std::atomic<int> from_inbox{0};
  std::function<void()> again = [&] {
    if (!stop.load()) sched.post(again);
  };
  std::function<void()> to_itself = [&] {
    from_inbox.fetch_add(1);
    if (!stop.load()) sched.post_to(0, to_itself);
  };
  sched.post(again);
  sched.post_to(0, to_itself);
  for (int i = 0; i < 100; ++i) {
    const int before = from_inbox.load();
    std::latch ran(1);
    sched.post([&] { ran.count_down(); });
    ran.wait();
    while (from_inbox.load() == before) std::this_thread::yield();
  }
  stop = true;
  ASSERT_TRUE(sched.drain().wait());
}

TEST(scheduler, a_bound_context_that_is_done_keeps_the_job_from_starting) {
  scheduler sched(with_workers(1));
  auto ctx = with_cancel(context::background());
  ctx.cancel();
  bool ran = false;
  sched.post(ctx, [&] { ran = true; });
  const auto report = sched.drain().wait();
  ASSERT_TRUE(report);
  EXPECT_FALSE(ran);
  EXPECT_EQ(report->not_started, 1u);
}

// One worker, and as many tasks that block as there are spare threads: each needs another seat.
TEST(scheduler, a_blocked_worker_lends_its_seat) {
  scheduler_options o = with_workers(1);
  o.spares = 4;
  scheduler sched(o);
  std::latch all_in(4);
  auto ctx = with_cancel(context::background());
  std::atomic<int> done{0};
  for (int i = 0; i < 4; ++i) {
    sched.post([&] {
      all_in.count_down();
      static_cast<void>(ctx.done().wait());
      done.fetch_add(1);
      sched.post([&] { done.fetch_add(1); });
    });
  }
  all_in.wait();
  std::latch still_runs(1);
  sched.post([&] { still_runs.count_down(); });
  still_runs.wait();
  ctx.cancel();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(done.load(), 8);
  EXPECT_GE(sched.stats().workers[0].lent, 4u);
  EXPECT_LE(sched.stats().threads, 5u);
}

TEST(scheduler, at_the_limit_of_spares_the_worker_blocks_on_its_seat) {
  scheduler_options o = with_workers(1);
  o.spares = 1;
  scheduler sched(o);
  auto ctx = with_cancel(context::background());
  std::latch two_in(2);
  std::atomic<bool> third{false};
  for (int i = 0; i < 2; ++i) {
    sched.post([&] {
      two_in.count_down();
      static_cast<void>(ctx.done().wait());
    });
  }
  two_in.wait();
  sched.post([&] { third = true; });
  EXPECT_LE(sched.stats().threads, 2u);
  EXPECT_FALSE(third.load());  // nobody is left to run it
  ctx.cancel();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_TRUE(third.load());
}

// Goal: whoever has waited on this executor is resumed by it, however much waits to be started.
// Finds: a resumption that counts as new work; it is refused then, or runs in the waker.
TEST(scheduler, work_without_a_wake_up_is_found_by_spinning_and_by_parked_workers) {
  for (const idle_policy policy : {idle_policy::spin(), idle_policy::park(), idle_policy{}}) {
    scheduler_options o = with_workers(2);
    o.idle = policy;
    scheduler sched(o);
    for (int i = 0; i < 20; ++i) {
      std::latch ran(1);
      sched.post([&] { ran.count_down(); }, {.wake = false});
      ran.wait();
    }
  }
}

// Goal: whoever of the idle workers looks after such work, somebody goes on looking when that one
// is busy. Finds: a sentinel that goes to work and tells nobody; then the second job waits for the
// first.
TEST(scheduler, work_without_a_wake_up_is_found_while_one_worker_is_busy) {
  scheduler_options o = with_workers(2);
  o.idle = idle_policy::park();
  scheduler sched(o);
  for (int i = 0; i < 50; ++i) {
    std::latch started(1), found(1), quiet(2);
    sched.post([&] {
      started.count_down();
      found.wait();  // a thread's wait: the worker keeps its seat
      quiet.count_down();
    });
    started.wait();
    sched.post(
        [&] {
          found.count_down();
          quiet.count_down();
        },
        {.wake = false});
    quiet.wait();
  }
}

// Finds: a sentinel that looks at its own inbox only; then the second round hangs.
TEST(scheduler, work_for_one_worker_without_a_wake_up_is_found_while_all_sleep) {
  scheduler_options o = with_workers(3);
  o.idle = idle_policy::park();
  scheduler sched(o);
  for (std::size_t i = 0; i < 30; ++i) {
    std::latch ran(1);
    sched.post_to(i % 3, [&] { ran.count_down(); }, {.wake = false});
    ran.wait();
  }
}

TEST(scheduler, hooks_run_in_each_thread) {
  std::atomic<int> started{0}, exited{0};
  scheduler_options o = with_workers(3);
  o.on_worker_start = [&](std::size_t) { started.fetch_add(1); };
  o.on_worker_exit = [&](std::size_t) { exited.fetch_add(1); };
  { scheduler sched(o); }
  EXPECT_EQ(started.load(), 3);
  EXPECT_EQ(exited.load(), 3);
}

TEST(scheduler, try_post_needs_an_attached_thread_and_a_free_node) {
  scheduler_options o = with_workers(1);
  o.realtime.prealloc = 64;
  scheduler sched(o);
  std::atomic<int> ran{0};
  std::thread other([&] {
    EXPECT_EQ(sched.try_post([&] { ran.fetch_add(1); }).error(), errc::not_ready);
    sched.attach();
    EXPECT_TRUE(sched.try_post([&] { ran.fetch_add(1); }));
    EXPECT_TRUE(sched.try_post([&] { ran.fetch_add(1); }, {.wake = false}));
  });
  other.join();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(ran.load(), 2);
}

TEST(scheduler, options_out_of_range_are_named_with_their_limit) {
  const auto message = [](const scheduler_options& o) {
    return test::refusal_of([&] { scheduler sched(o); });
  };
  scheduler_options o;
  o.workers = 257;
  EXPECT_EQ(message(o), "scheduler_options::workers is 257, must be 256 at most");
  o = {};
  o.realtime.fifo_priority = 100;
  EXPECT_EQ(message(o), "scheduler_options::realtime.fifo_priority is 100, must be 0 to 99");
  o = {};
  o.idle.spin_for = duration(-1);
  EXPECT_EQ(message(o), "scheduler_options::idle.spin_for is -1 ns, must be 0 or more");
  o = {};
  o.realtime.prealloc = (std::size_t{1} << 24) + 1;
  EXPECT_EQ(message(o), "scheduler_options::realtime.prealloc is 16777217, must be 2^24 at most");
  o = {};
  o.stack_size = std::size_t{1} << 31;
  EXPECT_EQ(message(o), "scheduler_options::stack_size is 2147483648 bytes, must be 2^30 at most");
  o = {};
  o.when_full = static_cast<reject>(9);
  EXPECT_EQ(message(o), "scheduler_options::when_full is 9, must be fail, block or caller_runs");
}

TEST(scheduler, the_number_of_a_worker_is_seen_however_long_the_name_is) {
  scheduler_options o = with_workers(2);
  o.name = "order-matching-engine";
  scheduler sched(o);
  std::array<char, 16> name{};
  std::latch ran(1);
  sched.post_to(1, [&] {
    ::pthread_getname_np(::pthread_self(), name.data(), name.size());
    ran.count_down();
  });
  ran.wait();
  EXPECT_STREQ(name.data(), "order-match-w01");
}

TEST(scheduler, converts_to_an_executor) {
  scheduler sched(with_workers(1));
  struct item : work_item {
    std::latch ran{1};
  } one;
  one.run = [](work_item& w) noexcept { static_cast<item&>(w).ran.count_down(); };
  const executor_ref where = sched;
  EXPECT_TRUE(where->post(one));
  one.ran.wait();
  bool same = false;
  sched.post([&] { same = this_executor() == where; });
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_TRUE(same);
}

}  // namespace
}  // namespace pinion
