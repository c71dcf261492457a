// SPDX-License-Identifier: MIT
// What the library does when memory runs out, at each point at which it asks for some.
//
// A scenario is run again and again: first the 1st allocation fails, then the 2nd, until one goes
// through without asking so often. Each time nothing may be lost, run twice, hang or be left
// behind: what was refused with bad_alloc is still the caller's.
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/metric.hpp"
#include "tests/support/schedulers.hpp"
#include <gtest/gtest.h>
#include <unistd.h>

#include "pinion/patterns/broadcast.hpp"
#include "pinion/patterns/channel_stage.hpp"
#include "pinion/patterns/fan_in.hpp"
#include "pinion/patterns/fan_out.hpp"
#include "pinion/patterns/singleflight.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/future.hpp"
#include "pinion/sync/stop_token.hpp"
#include "pinion/sync/timer.hpp"

namespace pinion {
namespace {

using namespace std::chrono_literals;

/// What has become of a number of jobs. Those that are alive when it goes were forgotten.
struct account {
  std::atomic<int> accepted{0}, refused{0}, ran{0}, alive{0};

  void expect_balanced() const {
    EXPECT_EQ(ran.load(), accepted.load());
    EXPECT_EQ(alive.load(), 0);
  }
};

/// A job of some size that is counted as long as it exists.
template <std::size_t Bytes>
class job_of {
 public:
  explicit job_of(account& to) noexcept : to_(&to) { to_->alive.fetch_add(1); }
  job_of(job_of&& other) noexcept : to_(other.to_) { to_->alive.fetch_add(1); }
  job_of(const job_of& other) noexcept : to_(other.to_) { to_->alive.fetch_add(1); }
  ~job_of() { to_->alive.fetch_sub(1); }
  void operator()() { to_->ran.fetch_add(1); }

 private:
  account* to_;
  std::array<char, Bytes> some_{};
};
using small_job = job_of<8>;
using large_job = job_of<1200>;  // from the heap, each

/// f() hands in one job and says whether it was taken. Counts what became of it.
template <class F>
void hand_in(account& all, F&& f) {
  try {
    all.accepted.fetch_add(f() ? 1 : 0);
  } catch (const std::bad_alloc&) {
    all.refused.fetch_add(1);
  }
}

class allocation_faults : public testing::Test {
 protected:
  // A hang ends the program. The process's thread for timers is there already: without it there is
  // no going on.
  void SetUp() override {
    ::alarm(240);
    const auto armed = with_timeout(context::background(), 1h);
  }
  void TearDown() override { ::alarm(0); }

  /// scenario(k) arms the failure of the allocation number k, and says whether it happened.
  template <class Scenario>
  static void at_each_point(Scenario scenario) {
    int points = 0;
    while (scenario(points) && !HasFatalFailure()) ++points;
    test::metric("oom_points", points);
    if (!HasFailure()) test::metric("oom_points_survived", points);
  }

  /// The same on a scheduler of its own: hand_all(sched, all) runs on a thread that is new to it.
  template <class HandAll>
  static void on_a_scheduler(HandAll hand_all) {
    at_each_point([&](int k) {
      bool happened = false;
      account all;
      {
        scheduler sched(test::counting_errors(1));
        std::thread outside([&] {
          const test::failing_allocation out(k);
          hand_all(sched, all);
          happened = out.happened();
        });
        outside.join();
        const auto end = sched.drain().wait();
        EXPECT_TRUE(end);
      }
      all.expect_balanced();
      return happened;
    });
  }
};

TEST_F(allocation_faults, a_scheduler_is_made_or_leaves_nothing_behind) {
  at_each_point([](int k) {
    const test::failing_allocation out(k);
    try {
      scheduler sched(test::counting_errors(2));
    } catch (const std::bad_alloc&) {
    } catch (const std::system_error&) {  // a thread without memory for its start
    }
    return out.happened();
  });
}

TEST_F(allocation_faults, post) {
  on_a_scheduler([](scheduler& sched, account& all) {
    for (int i = 0; i < 300; ++i) {
      hand_in(all, [&] { return sched.post(small_job(all)); });
      if (i % 16 == 0) hand_in(all, [&] { return sched.post(large_job(all)); });
    }
  });
}

TEST_F(allocation_faults, post_under_a_context) {
  on_a_scheduler([](scheduler& sched, account& all) {
    for (int i = 0; i < 100; ++i) {
      hand_in(all, [&] { return sched.post(sched.root(), small_job(all)); });
    }
  });
}

TEST_F(allocation_faults, post_to) {
  on_a_scheduler([](scheduler& sched, account& all) {
    for (int i = 0; i < 100; ++i) {
      hand_in(all, [&] { return sched.post_to(0, large_job(all)); });
      hand_in(all, [&] { return sched.post_to(0, small_job(all)); });
    }
  });
}

TEST_F(allocation_faults, try_post_never_asks_for_memory) {
  scheduler sched(test::counting_errors(1));
  account all;
  std::thread outside([&] {
    sched.attach();
    const test::failing_allocation out(0);
    for (int i = 0; i < 2000; ++i) {
      all.accepted.fetch_add(sched.try_post([&all]() noexcept { all.ran.fetch_add(1); }) ? 1 : 0);
    }
    EXPECT_FALSE(out.happened());
  });
  outside.join();
  ASSERT_TRUE(sched.drain().wait());
  all.expect_balanced();
}

// What was handed over before the failure has been accepted.
TEST_F(allocation_faults, post_bulk) {
  on_a_scheduler([](scheduler& sched, account& all) {
    std::vector<large_job> jobs;
    {
      const std::ptrdiff_t kept = test::until_failure.exchange(-1);  // this is not the library's
      jobs.reserve(130);
      for (int i = 0; i < 130; ++i) jobs.emplace_back(all);
      test::until_failure = kept;
    }
    const int before = all.alive.load();
    int taken = 0;
    try {
      taken = static_cast<int>(sched.post_bulk(jobs));
    } catch (const std::bad_alloc&) {
      taken = -1;
    }
    const auto end = sched.drain().wait();
    EXPECT_TRUE(end);
    EXPECT_LE(all.alive.load(), before);
    if (taken >= 0) {
      EXPECT_EQ(all.ran.load(), taken);
    }
    all.accepted = all.ran.load();
  });
}

TEST_F(allocation_faults, a_future_is_always_completed) {
  on_a_scheduler([](scheduler& sched, account& all) {
    for (int i = 0; i < 100; ++i) {
      hand_in(all, [&] {
        auto answer = sched.submit([job = large_job(all)]() mutable {
          job();
          return 7;
        });
        EXPECT_EQ(answer.wait().value_or(0), 7);
        return true;
      });
    }
  });
}

TEST_F(allocation_faults, work_from_inside) {
  at_each_point([](int k) {
    bool happened = false;
    account all;
    {
      scheduler sched(test::counting_errors(1));
      std::atomic<bool> done{false};
      sched.post([&] {
        const test::failing_allocation out(k);
        for (int i = 0; i < 2000; ++i) {
          hand_in(all, [&] { return sched.post(small_job(all)); });
        }
        happened = out.happened();
        done = true;
      });
      while (!done.load()) std::this_thread::yield();
      EXPECT_TRUE(sched.drain().wait());
    }
    all.expect_balanced();
    return happened;
  });
}

TEST_F(allocation_faults, delayed_work) {
  on_a_scheduler([](scheduler& sched, account& all) {
    for (int i = 0; i < 200; ++i) {
      hand_in(all, [&] { return sched.post(small_job(all), {.after = 1us * i}); });
    }
  });
}

// A worker that blocks takes a record and perhaps a thread; without them it stays on its seat.
TEST_F(allocation_faults, a_task_that_waits) {
  at_each_point([](int k) {
    bool happened = false;
    scheduler sched(test::counting_errors(2));
    auto answer = sched.submit([&] {
      const auto other = sched.submit([] { return 1; });
      const test::failing_allocation out(k);
      static_cast<void>(sleep(sched.root(), 50us).wait());
      happened = out.happened();
      return 1;
    });
    EXPECT_EQ(answer.wait().value_or(0), 1);
    EXPECT_TRUE(sched.drain().wait());
    return happened;
  });
}

// Each input is called once, or the report says that it was not.
TEST_F(allocation_faults, fan_out_loses_no_input) {
  at_each_point([](int k) {
    scheduler sched(test::counting_errors(2));
    const std::vector<int> inputs(50, 1);
    std::atomic<int> calls{0};
    bool happened = false;
    try {
      const test::failing_allocation out(k);
      auto all = fan_out(sched, sched.root(), inputs, [&](int n) {
        calls.fetch_add(n);
        return std::make_unique<int>(n);
      });
      std::uint64_t seen = 0;
      for (const auto& r : all) seen += r || r.error() == errc::failed ? 1 : 0;
      const group_report report = all.report();
      EXPECT_EQ(seen, report.succeeded + report.failed + report.canceled);
      EXPECT_EQ(seen + report.not_started, inputs.size());
      happened = out.happened();
    } catch (const std::bad_alloc&) {
      happened = true;
    }
    EXPECT_LE(calls.load(), 50);
    EXPECT_TRUE(sched.drain().wait());
    return happened;
  });
}

// Each value is received or undelivered, or none of it was made.
TEST_F(allocation_faults, channels_between_tasks_lose_no_value) {
  at_each_point([](int k) {
    scheduler sched(test::counting_errors(2));
    std::atomic<int> made{0}, undelivered{0};
    const auto give_up = [&](int&&) { undelivered.fetch_add(1); };
    const channel_options<int> each{.capacity = 2, .on_undelivered = give_up};
    int received = 0;
    bool happened = false;
    try {
      const test::failing_allocation out(k);
      auto numbers = channel_source(
          sched, sched.root(),
          [&]() -> std::optional<int> {
            return made.load() < 20 ? std::optional(made.fetch_add(1)) : std::nullopt;
          },
          each);
      std::vector<receiver<int>> one;
      one.push_back(channel_stage(sched, sched.root(), std::move(numbers), [](int n) { return n; },
                                  {.concurrency = 2, .out = each}));
      auto outs = broadcast(sched, sched.root(), fan_in(sched, sched.root(), std::move(one), each),
                            1, each);
      while (outs[0].recv().wait()) ++received;
      happened = out.happened();
    } catch (const std::bad_alloc&) {
      happened = true;
    }
    EXPECT_TRUE(sched.drain().wait());
    EXPECT_EQ(received + undelivered.load(), made.load());
    return happened;
  });
}

// Whatever failed, the key is free afterwards, and nobody is waited for who got no future.
TEST_F(allocation_faults, a_shared_call_lands_or_was_never_made) {
  at_each_point([](int k) {
    scheduler sched(test::counting_errors(2));
    singleflight<int, int> calls(sched);
    auto ctx = with_cancel(sched.root());
    bool happened = false;
    {
      const test::failing_allocation out(k);
      try {
        const auto r = calls.get(ctx, 1, [] { return 1; }).wait();
        EXPECT_TRUE(r || r.error() == errc::failed || r.error() == errc::not_started);
      } catch (const std::bad_alloc&) {
      }
      happened = out.happened();
    }
    EXPECT_EQ(*calls.get(ctx, 1, [] { return 2; }).wait().value(), 2);
    return happened;
  });
}

TEST_F(allocation_faults, contexts_and_their_ends) {
  struct key {
    using type = int;
  };
  at_each_point([](int k) {
    const test::failing_allocation out(k);
    try {
      auto top = with_cancel(context::background());
      const context named = with_value<key>(top, 5);
      auto timed = with_timeout(named, 1h);
      const auto below = with_cancel(timed);
      EXPECT_EQ(*below.value<key>(), 5);
      EXPECT_TRUE(top.cancel());
      EXPECT_TRUE(below.is_done());
      EXPECT_EQ(sleep(below, 1h).wait().error(), errc::canceled);
    } catch (const std::bad_alloc&) {
    }
    return out.happened();
  });
}

TEST_F(allocation_faults, waits_of_several_threads_under_one_context) {
  at_each_point([](int k) {
    auto ctx = with_cancel(context::background());
    std::vector<std::thread> waiting;
    waiting.reserve(4);
    for (int i = 0; i < 4; ++i) {
      waiting.emplace_back([&] { EXPECT_TRUE(ctx.done().wait()); });
    }
    bool happened = false;
    {
      const test::failing_allocation out(k);
      ctx.cancel();
      for (std::thread& t : waiting) t.join();
      happened = out.happened();
    }
    return happened;
  });
}

TEST_F(allocation_faults, promises_and_stop_sources) {
  at_each_point([](int k) {
    const test::failing_allocation out(k);
    try {
      promise<int> p;
      auto answer = p.get_future();
      EXPECT_TRUE(p.set(3));
      EXPECT_EQ(answer.wait().value_or(0), 3);
      stop_source source;
      int called = 0;
      const stop_callback tell(source.token(), [&]() noexcept { ++called; });
      source.request_stop();
      EXPECT_EQ(called, 1);
    } catch (const std::bad_alloc&) {
    }
    return out.happened();
  });
}

}  // namespace
}  // namespace pinion
