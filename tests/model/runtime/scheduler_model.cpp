// SPDX-License-Identifier: MIT
// The whole scheduler in many interleavings: its loop, waking, handing in, spare threads and end,
// as they are in the library. Of what it is built on, the queue inside the injector is a stand-in,
// and threads, timers and the plan of the machine are the checker's.
//
// An execution has some thousand steps, too many for all interleavings. So they are drawn by lot,
// in part with priorities, which find what needs one or two rare changes; and depth first, with one
// preemption and newest stores only, goes as far as its number of executions allows.
#include "tests/model/runtime/bodies.hpp"
#include "tests/model/support/system.hpp"

namespace {

using namespace pinion::model;
using namespace pinion::model::scheduling;

constexpr std::size_t steps_max = 20'000;

constexpr options by_lot(std::uint64_t executions, unsigned cpus) {
  return {.how = mode::random,
          .executions = executions,
          .steps = steps_max,
          .cpus = cpus,
          .random_numbers = 2};
}
constexpr options by_priority(std::uint64_t executions, unsigned cpus) {
  options o = by_lot(executions, cpus);
  o.how = mode::priorities;
  return o;
}
constexpr options in_turn(std::uint64_t executions, int preemptions) {
  return {
      .preemptions = preemptions, .executions = executions, .steps = steps_max, .stale_reads = 0};
}

// With one CPU workers go to sleep at once; with two they watch their cells before.
void expect_holds(const body& run) {
  EXPECT_TRUE(holds(by_lot(200, 1), run));
  EXPECT_TRUE(holds(by_priority(500, 1), run));
  EXPECT_TRUE(holds(by_priority(200, 2), run));
  EXPECT_TRUE(holds(in_turn(200, 1), run));
}

// Who hands in may be stopped for good anywhere in that: others still hand in, and theirs runs.
void one_that_posts_stands_still() {
  pinion::scheduler s(with_workers(1));
  tasks all(2);
  thread other([&] { require(s.post(all.run(1)), "it is open"); });
  require(s.submit(all.run(0)).wait().has_value(), "it ran");
  other.join();
  require(s.drain().wait()->ran == 2, "all have run");
  all.expect_all();
}

class caches {
 public:
  explicit caches(unsigned cores_each) { set_cores_per_cache(cores_each); }
  ~caches() { set_cores_per_cache(0); }
};

TEST(scheduler_model, begins_and_ends) {
  EXPECT_TRUE(holds_always(in_turn(5'000, 1), begin_and_end<1>));
  expect_holds(begin_and_end<2>);
}

TEST(scheduler_model, XC_18_one_that_stands_still_holds_up_nobody) {
  for (options o : {by_lot(2'000, 1), by_priority(2'000, 1), by_priority(1'000, 2)}) {
    o.may_fail.freezes = 1;
    EXPECT_TRUE(holds(o, one_that_posts_stands_still));
  }
}

TEST(scheduler_model, a_submitted_task_runs) {
  EXPECT_TRUE(holds_always(in_turn(5'000, 0), submit_and_wait<1>));
  expect_holds(submit_and_wait<1>);
  expect_holds(submit_and_wait<2>);
}

TEST(scheduler_model, a_drain_waits_for_all) {
  EXPECT_TRUE(holds_always(in_turn(5'000, 0), post_and_drain<1>));
  expect_holds(post_and_drain<1>);
  expect_holds(post_and_drain<2>);
}

TEST(scheduler_model, a_stop_gives_up_what_has_not_begun) {
  EXPECT_TRUE(holds_always(in_turn(5'000, 0), post_and_stop<1>));
  expect_holds(post_and_stop<1>);
  expect_holds(post_and_stop<2>);
}

TEST(scheduler_model, tasks_hand_in_tasks) {
  EXPECT_TRUE(holds_always(in_turn(5'000, 0), spawn_inside<1>));
  expect_holds(spawn_inside<1>);
  expect_holds(spawn_inside<2>);
}

TEST(scheduler_model, work_spreads_as_long_as_anybody_is_idle) {
  expect_holds(two_that_meet);
  expect_holds(two_from_outside_that_meet);
}

TEST(scheduler_model, post_to_reaches_its_worker) {
  EXPECT_TRUE(holds_always(in_turn(5'000, 0), post_to_each<1>));
  expect_holds(post_to_each<1>);
  expect_holds(post_to_each<2>);
}

TEST(scheduler_model, work_without_a_wake_up_is_found) {
  EXPECT_TRUE(holds_always(in_turn(5'000, 0), post_without_wake<1>));
  expect_holds(post_without_wake<1>);
  expect_holds(post_without_wake<2>);
}

// The first post of a thread, too: a drain that does not see its record ends without it.
TEST(scheduler_model, nothing_is_accepted_behind_the_end) {
  expect_holds(post_against_drain<1>);
  expect_holds(post_against_drain<2>);
  expect_holds(post_against_stop<1>);
  expect_holds(post_against_stop<2>);
  expect_holds(post_against_two_ends<1>);
}

TEST(scheduler_model, it_stays_until_nobody_is_inside) {
  expect_holds(end_behind_a_post<1>);
  expect_holds(end_behind_a_post<2>);
}

TEST(scheduler_model, two_threads_hand_in) {
  expect_holds(two_that_post<1>);
  expect_holds(two_that_post<2>);
}

TEST(scheduler_model, a_task_that_blocks_lends_its_seat) {
  expect_holds(task_that_blocks<1>);
  expect_holds(task_that_blocks<2>);
}

TEST(scheduler_model, workers_with_a_cache_each) {
  const caches machine(1);
  expect_holds(submit_and_wait<2>);
  expect_holds(spawn_inside<2>);
  expect_holds(two_that_meet);
  expect_holds(two_from_outside_that_meet);
  expect_holds(post_against_drain<2>);
}

TEST(scheduler_model, two_workers_with_a_cache_and_one_with_another) {
  const caches machine(2);
  expect_holds(two_that_wait_for_another_cluster);
  EXPECT_TRUE(holds(by_lot(500, 1), mail_while_another_cluster_forgets));
}

TEST(scheduler_model, threads_that_cannot_be_made) {
  options o = in_turn(5'000, 0);
  o.may_fail = {.threads = 1};
  EXPECT_TRUE(holds_always(o, begin_or_not<2, false>));
}

TEST(scheduler_model, memory_that_is_not_there) {
  options o = in_turn(5'000, 0);
  o.may_fail = {.allocations = 1};
  EXPECT_TRUE(holds_always(o, begin_or_not<1, true>));
}

}  // namespace
