// SPDX-License-Identifier: MIT
// Tasks on a whole scheduler in many interleavings: resume against suspend, drain against live
// work, joins whose children run here and there, and a task that visits another scheduler.
//
// A frame that is touched after its end shows as a use of freed memory or of an atomic after its
// end, a lost resumption as "every thread waits".
#include "tests/model/runtime/task_bodies.hpp"
#include "tests/model/support/system.hpp"

namespace {

using namespace pinion::model;
using namespace pinion::model::scheduling;

constexpr options by_lot(std::uint64_t executions, unsigned cpus) {
  return {.how = mode::random,
          .executions = executions,
          .steps = 20'000,
          .cpus = cpus,
          .random_numbers = 2};
}
constexpr options by_priority(std::uint64_t executions, unsigned cpus) {
  options o = by_lot(executions, cpus);
  o.how = mode::priorities;
  return o;
}

void expect_holds(const body& run) {
  EXPECT_TRUE(holds(by_lot(150, 1), run));
  EXPECT_TRUE(holds(by_priority(400, 1), run));
  EXPECT_TRUE(holds(by_priority(150, 2), run));
}

TEST(task_model, a_drain_waits_for_what_is_suspended) {
  expect_holds(drain_against_suspended<1>);
  expect_holds(drain_against_suspended<2>);
}

TEST(task_model, a_wait_ends_once) {
  expect_holds(cancel_against_wake);
}

TEST(task_model, a_parent_goes_on_after_its_children) {
  expect_holds(joins_in_a_row<1>);
  expect_holds(joins_in_a_row<2>);
  expect_holds(join_after_a_join<1>);
  expect_holds(join_after_a_join<2>);
  expect_holds(join_of_suspended<1>);
  expect_holds(join_of_suspended<2>);
}

TEST(task_model, a_parent_goes_on_after_children_that_are_made) {
  expect_holds(join_of_made<1>);
  expect_holds(join_of_made<2>);
  expect_holds(join_of_made_and_suspended<1>);
  expect_holds(join_of_made_and_suspended<2>);
}

TEST(task_model, a_visitor_comes_home) {
  expect_holds(visit_and_end);
}

}  // namespace
