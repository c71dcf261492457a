// SPDX-License-Identifier: MIT
// A singleflight in all interleavings, and those with a mistake in them, which must be found.
#include "singleflight_dying_is_joined.hpp"
#include "singleflight_forgotten_takes_another.hpp"
#include "singleflight_landed_is_joined.hpp"
#include "singleflight_one_leaves_for_all.hpp"
#include "tests/model/patterns/singleflight_bodies.hpp"

#include "pinion/patterns/singleflight.hpp"

namespace {

using namespace pinion::model;
using flights = pinion::singleflight<int, int>;

const options one_stop{.preemptions = 1, .stale_reads = 0};
const options without_stops{.preemptions = 0, .stale_reads = 0};
const options some{.how = mode::priorities, .executions = 2'000, .changes = 3};

TEST(singleflight_model, SF_1_callers_share_a_call_or_have_one_each) {
  EXPECT_TRUE(holds_always(without_stops, two_callers<flights>));
  EXPECT_TRUE(holds(some, two_callers<flights>));
}
TEST(singleflight_model, SF_8_nobody_joins_what_is_canceled) {
  EXPECT_TRUE(holds(some, joined_against_the_last_who_leaves<flights>));
}
TEST(singleflight_model, SF_6_the_end_against_a_caller_who_leaves) {
  EXPECT_TRUE(holds_always(one_stop, ended_against_leaving<flights>));
  EXPECT_TRUE(holds(some, ended_against_leaving<flights>));
}
TEST(singleflight_model, SF_4_what_is_forgotten_leaves_the_next_one_alone) {
  EXPECT_TRUE(holds(some, forgotten<flights>));
}
TEST(singleflight_model, a_call_that_is_refused_is_told) {
  EXPECT_TRUE(holds(some, refused<flights, 1>));
}

// Made from the same source.
TEST(singleflight_model, mutants_are_killed) {
  EXPECT_TRUE(fails(
      some, joined_against_the_last_who_leaves<pinion::singleflight_dying_is_joined<int, int>>,
      ""));
  EXPECT_TRUE(fails(
      some, joined_against_the_last_who_leaves<pinion::singleflight_one_leaves_for_all<int, int>>,
      ""));
  EXPECT_TRUE(fails(some, forgotten<pinion::singleflight_forgotten_takes_another<int, int>>, ""));
  EXPECT_TRUE(fails(some, two_callers<pinion::singleflight_landed_is_joined<int, int>>, ""));
}

}  // namespace
