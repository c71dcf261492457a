// SPDX-License-Identifier: MIT
// Groups that are spawned into, joined, canceled and stopped at once: each job is in one count.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

#include "tests/support/patterns.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/patterns/task_group.hpp"
#include "pinion/runtime/scheduler.hpp"

namespace {

using namespace pinion;
using namespace pinion::test;

/// What the jobs and those who spawn saw of one round.
struct seen {
  std::atomic<std::uint64_t> spawned{0}, succeeded{0}, failed{0};

  void expect(const group_report& r) const {
    EXPECT_EQ(r.succeeded + r.failed + r.canceled + r.not_started, spawned.load());
    EXPECT_EQ(r.succeeded, succeeded.load());
    EXPECT_EQ(r.failed, failed.load());
  }
};

/// A job that spawns some more, and ends in one of the ways. The dice alone may go round in a
/// circle: `below` bounds the tree.
struct node {
  task_group& group;
  seen& saw;
  counted alive;
  std::uint32_t dice;
  std::uint32_t below;  // jobs at most

  node(task_group& g, seen& s, std::uint32_t d, std::uint32_t b)
      : group(g), saw(s), alive(1), dice(d), below(b) {}
  node(node&&) = default;

  void spawn() && {
    saw.spawned.fetch_add(1);
    group.spawn(std::move(*this));
  }
  result<> operator()() const {
    const std::uint32_t next = dice * 2654435761u + 12345u;
    const std::uint32_t children = std::min(next % 3, below);
    for (std::uint32_t i = 0; i < children; ++i) {
      node(group, saw, (next >> 8) + i, below / children - 1).spawn();
    }
    if (next % 64 == 5) std::this_thread::yield();
    if (next % 512 == 7) {
      saw.failed.fetch_add(1);
      throw std::runtime_error("seven");
    }
    if (next % 512 == 9) {
      saw.failed.fetch_add(1);
      return errc::overloaded;
    }
    if (next % 2048 == 11) group.cancel();
    saw.succeeded.fetch_add(1);
    return {};
  }
};

class task_group_stress : public stress {
 protected:
  template <class Random>
  group_options options(Random& random) const {
    group_options o;
    o.limit = random() % 2 == 0 ? 0 : 1 + random() % (2 * threads());
    o.policy = random() % 2 == 0 ? on_error::cancel_siblings : on_error::keep_going;
    o.keep_errors = random() % 4;
    return o;
  }
};

INSTANTIATE_TEST_SUITE_P(task_group, task_group_stress, shapes(), name);

// Goal: spawned == succeeded + failed + canceled + not_started at the return of each join.
// Method: a few jobs from outside make trees of others, fail, throw and cancel at random; the group
// is used again for several rounds.
// Finds: a last job that is not seen by who joins, or seen too early; a word that gets to zero
// without the lock; a line that nobody goes on with.
TEST_P(task_group_stress, TG_12_every_job_is_in_one_count) {
  scheduler sched(quiet_workers(threads()));
  auto random = generator(0);
  for (std::size_t round = scaled(150); round > 0; --round) {
    task_group group(sched, sched.root(), options(random));
    for (int again = 0; again < 4; ++again) {
      seen saw;
      const std::size_t roots = random() % 200;
      for (std::size_t i = 0; i < roots; ++i) {
        node(group, saw, static_cast<std::uint32_t>(random()), 50).spawn();
      }
      const bool failed = !group.join().wait();
      saw.expect(group.report());
      if (!failed) {
        EXPECT_EQ(group.report().succeeded, saw.spawned.load());
      }
      EXPECT_EQ(counted::alive.load(), 0);
      if (HasFailure()) return;
    }
  }
}

// Goal: a join that others race with by spawning has their job or leaves it to the next one.
// Method: threads spawn from outside while two of them join, and one cancels.
// Finds: a job that begins while a round is closed and is in no report; a context that is replaced
// under somebody who has a job in it.
TEST_P(task_group_stress, TG_15_joins_against_spawns_from_outside) {
  scheduler sched(quiet_workers(2));
  auto random = generator(1);
  task_group group(sched, sched.root(), options(random));
  std::atomic<std::uint64_t> started{0};
  const std::size_t each = scaled(4000) / threads() + 1;
  run_threads(threads(), [&](unsigned t) {
    auto dice = generator(100 + t);
    for (std::size_t i = 0; i < each; ++i) {
      group.spawn([&started, c = counted(1)] { started.fetch_add(1); });
      if (dice() % 64 == 0) (void)group.join().wait();
      if (dice() % 256 == 0) group.cancel();
    }
  });
  (void)group.join().wait();
  const std::uint64_t before = started.load();
  EXPECT_TRUE(group.spawn([] {}));
  EXPECT_TRUE(group.join().wait());
  EXPECT_EQ(group.report().succeeded, 1u);
  EXPECT_EQ(started.load(), before);
  EXPECT_EQ(counted::alive.load(), 0);
}

// Goal: a group that goes as soon as its join returns is touched by nobody any more.
// Method: many groups of a few jobs, on the heap.
// Finds: a job that looks at its group after it has counted itself out.
TEST_P(task_group_stress, TG_1_nothing_touches_a_group_after_its_join) {
  scheduler sched(quiet_workers(threads()));
  auto random = generator(2);
  for (std::size_t round = scaled(3000); round > 0; --round) {
    auto group = std::make_unique<task_group>(sched, sched.root(), options(random));
    std::atomic<std::size_t> ran{0};
    const std::size_t jobs = random() % 5;
    for (std::size_t i = 0; i < jobs; ++i) group->spawn([&ran] { ran.fetch_add(1); });
    ASSERT_TRUE(group->join().wait());
    ASSERT_EQ(ran.load(), jobs);
    group.reset();
  }
}

// Goal: what was accepted is counted when the scheduler stops under it, and what was refused, too.
// Method: a thread stops the scheduler while another one spawns, until it is refused.
// Finds: a line that is forgotten when its jobs cannot be handed in any more.
TEST_P(task_group_stress, TG_12_a_stop_loses_no_count) {
  auto random = generator(3);
  for (std::size_t round = scaled(60); round > 0; --round) {
    scheduler sched(quiet_workers(threads()));
    task_group group(sched, context::background(), options(random));
    std::atomic<std::uint64_t> ran{0};
    const std::uint64_t stop_at = random() % 300;
    std::thread stopper([&] {
      while (ran.load() < stop_at) std::this_thread::yield();
      (void)sched.stop().wait();
    });
    std::uint64_t spawned = 1;
    while (group.spawn([&ran, c = counted(1)] { ran.fetch_add(1); })) ++spawned;
    stopper.join();
    EXPECT_EQ(group.join().wait().error(), errc::stopped);
    const auto r = group.report();
    EXPECT_EQ(r.succeeded, ran.load());
    EXPECT_EQ(r.succeeded + r.not_started, spawned);
    EXPECT_EQ(counted::alive.load(), 0);
    if (HasFailure()) return;
  }
}

}  // namespace
