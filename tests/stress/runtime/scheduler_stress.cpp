// SPDX-License-Identifier: MIT
// A scheduler under load: every task exactly once, no wake-up lost, an end at any moment.
#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "tests/support/metric.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/timer.hpp"

namespace pinion {
namespace {

struct shape {
  std::size_t workers;
  bool one_cpu;
};

class scheduler_stress : public testing::TestWithParam<shape> {
 protected:
  scheduler_stress() {
    if (GetParam().one_cpu) cpu_ = std::make_unique<test::on_one_cpu>();
  }
  scheduler_options options() const {
    scheduler_options o;
    o.workers = GetParam().workers;
    o.pin = pinning::none();
    o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
    return o;
  }

 private:
  std::unique_ptr<test::on_one_cpu> cpu_;
};

INSTANTIATE_TEST_SUITE_P(shapes, scheduler_stress,
                         testing::Values(shape{1, false}, shape{2, false}, shape{16, false},
                                         shape{1, true}, shape{2, true}, shape{16, true}));

// Goal: each task runs exactly once, whoever posts it and wherever it is stolen to.
// Method: outside threads post numbered tasks, each of which posts two more from inside; every
// number has a count.
// Finds: a deque that gives its last task to the owner and to a thief.
TEST_P(scheduler_stress, each_task_runs_exactly_once) {
  constexpr unsigned posters = 3;
  const std::size_t each = test::scaled(30'000);
  std::vector<std::atomic<unsigned char>> count(posters * each * 3);
  scheduler sched(options());
  test::run_threads(posters, [&](unsigned p) {
    for (std::size_t i = 0; i < each; ++i) {
      const std::size_t n = (p * each + i) * 3;
      sched.post([&, n] {
        count[n].fetch_add(1);
        sched.post([&, n] { count[n + 1].fetch_add(1); });
        sched.post([&, n] { count[n + 2].fetch_add(1); });
      });
    }
  });
  const auto report = sched.drain().wait();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->ran, count.size());
  std::size_t wrong = 0;
  for (auto& c : count) wrong += c.load() != 1 ? 1 : 0;
  EXPECT_EQ(wrong, 0u);
}

// One task at a time, the next when the one before has run, so each finds the workers on their way
// to idleness or idle. A lost wake-up hangs.
void hand_in_one_by_one(scheduler& sched, int rounds, bool spins) {
  std::atomic<int> ran{0};
  auto chance = test::generator(0);
  for (int i = 0; i < rounds; ++i) {
    if (chance() % 4 == 0) {
      sched.post([&] { sched.post([&] { ran.fetch_add(1); }); });
    } else {
      sched.post([&] { ran.fetch_add(1); });
    }
    while (ran.load() <= i) {
      if (!spins || chance() % 64 == 0) std::this_thread::yield();
    }
  }
  EXPECT_EQ(ran.load(), rounds);
}

// Goal: a pool that parks at once never sleeps through a task.
// Finds: the looks at the queues after the announcement, by the idle worker and by the sleeper,
// left out (hangs within seconds).
TEST_P(scheduler_stress, POOL_12_submit_to_a_sleeping_pool) {
  scheduler_options o = options();
  o.idle = idle_policy::park();
  scheduler sched(o);
  const bool spins = !GetParam().one_cpu;
  hand_in_one_by_one(sched, static_cast<int>(test::scaled(spins ? 250'000 : 85'000)), spins);
}

// Goal: a worker that never sleeps misses no task either. It looks at its cell alone, so it depends
// on the first look after the announcement; a sleeper has another one.
// Finds: that look left out. Few rounds: on a busy machine each waits for a spinner to be
// preempted.
TEST(spinning_pool_stress, POOL_12_submit_to_a_spinning_pool) {
  scheduler_options o;
  o.workers = 2;
  o.pin = pinning::none();
  o.idle = idle_policy::spin();
  scheduler sched(o);
  hand_in_one_by_one(sched, static_cast<int>(test::scaled(4'000)), false);
}

// Goal: an end at any moment loses nothing: accepted == ran + not started, and a later post is
// refused.
TEST_P(scheduler_stress, stop_under_load) {
  const int rounds = static_cast<int>(test::scaled(300));
  auto chance = test::generator(1);
  for (int round = 0; round < rounds; ++round) {
    const auto alive = std::make_shared<int>(0);
    std::atomic<std::uint64_t> accepted{0}, ran{0};
    {
      scheduler sched(options());
      const unsigned patience = static_cast<unsigned>(chance() % 2000);
      test::run_threads(3, [&](unsigned t) {
        if (t == 0) {
          for (unsigned i = 0; i < patience; ++i) os::spin_hint();
          const auto report = sched.stop().wait();
          ASSERT_TRUE(report);
          EXPECT_EQ(report->ran, ran.load());
          EXPECT_FALSE(sched.post([] {}));
          return;
        }
        // The second try is after the first refusal: still refused.
        while (sched.post([&, alive] { ran.fetch_add(1); })) accepted.fetch_add(1);
        EXPECT_FALSE(sched.post([] {}));
      });
      const auto stats = sched.stats();
      EXPECT_EQ(stats.accepted, accepted.load());
      EXPECT_EQ(stats.ran + stats.not_started, accepted.load());
      EXPECT_EQ(stats.ran, ran.load());
    }
    EXPECT_EQ(alive.use_count(), 1);
  }
  test::metric("stops_under_load", rounds);
}

// Goal: contexts that end at any moment, by a cancel or by their time, leave each task either run
// or given up, and nothing behind.
// Method: threads post under contexts that another one cancels meanwhile; some tasks sleep under
// them, and some make contexts below. Every task is counted when it is called and when it goes.
// Finds: a bound task whose callable is destroyed twice, or never, when its context has ended.
TEST_P(scheduler_stress, cancel_storm) {
  const std::size_t rounds = test::scaled(20'000);
  const auto alive = std::make_shared<int>(0);
  std::atomic<std::size_t> accepted{0}, ran{0};
  {
    scheduler sched(options());
    test::run_threads(4, [&](unsigned t) {
      auto chance = test::generator(t);
      for (std::size_t i = 0; i < rounds; ++i) {
        auto ctx = with_timeout(sched.root(), std::chrono::microseconds(chance() % 300));
        for (int k = 0; k < 16; ++k) {
          const bool taken = sched.post(ctx, [&, alive, k](const context& c) {
            ran.fetch_add(1);
            const auto below = with_cancel(c);
            if (k == 15) static_cast<void>(sleep(below, std::chrono::seconds(10)).wait());
          });
          accepted.fetch_add(taken ? 1 : 0);
        }
        if (chance() % 2 == 0) ctx.cancel();
      }
    });
    const auto report = sched.drain().wait();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->ran, ran.load());
    EXPECT_EQ(report->ran + report->not_started, accepted.load());
  }
  EXPECT_EQ(alive.use_count(), 1);
}

// Goal: strict placement under load: each node reaches its worker once.
TEST_P(scheduler_stress, post_to_every_worker) {
  const std::size_t each = test::scaled(20'000);
  scheduler sched(options());
  std::atomic<std::size_t> right{0};
  test::run_threads(3, [&](unsigned t) {
    for (std::size_t i = 0; i < each; ++i) {
      const std::size_t w = (i + t) % sched.workers();
      sched.post_to(w, [&, w] { right.fetch_add(sched.this_worker() == w ? 1 : 0); });
    }
  });
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(right.load(), 3 * each);
}

// Goal: threads that come and go leave their records to others, and no work behind.
TEST_P(scheduler_stress, short_lived_posters) {
  const std::size_t rounds = test::scaled(300);
  scheduler sched(options());
  std::atomic<std::size_t> ran{0};
  for (std::size_t i = 0; i < rounds; ++i) {
    test::run_threads(4, [&](unsigned) {
      for (int k = 0; k < 5; ++k) sched.post([&] { ran.fetch_add(1); });
    });
  }
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(ran.load(), rounds * 20);
}

}  // namespace
}  // namespace pinion
