// SPDX-License-Identifier: MIT
// Do the tests of the whole scheduler bite? Each of these is run with one source of the library
// changed in one place, and must find it.
#include "tests/model/runtime/bodies.hpp"
#include "tests/model/runtime/task_bodies.hpp"
#include "tests/model/support/system.hpp"

namespace {

using namespace pinion::model;
using namespace pinion::model::scheduling;

constexpr options hard{
    .how = mode::priorities, .executions = 20'000, .steps = 20'000, .random_numbers = 2};

constexpr const char* lost_wake_up = "every thread waits";

TEST(planted, look_before_sleep) {
  EXPECT_TRUE(fails(hard, submit_and_wait<1>, lost_wake_up));
}

TEST(planted, wake_after_search) {
  EXPECT_TRUE(fails(hard, two_from_outside_that_meet, lost_wake_up));
}

TEST(planted, wake_another_cluster) {
  set_cores_per_cache(2);
  EXPECT_TRUE(fails(hard, two_that_wait_for_another_cluster, lost_wake_up));
}

TEST(planted, forgotten_by_another_cluster) {
  set_cores_per_cache(2);
  options by_lot = hard;
  by_lot.how = mode::random;  // fair: all sentinels have their turn
  EXPECT_TRUE(fails(by_lot, mail_while_another_cluster_forgets, "too many steps"));
}

TEST(planted, out_before_counted) {
  EXPECT_TRUE(fails(hard, post_against_drain<1>, "what was accepted has run at the end"));
}

TEST(planted, out_before_woken) {
  EXPECT_TRUE(fails(hard, end_behind_a_post<1>, "an atomic is used after its end"));
}

TEST(planted, record_out_of_order) {
  EXPECT_TRUE(fails(hard, post_against_drain<1>, "what was accepted has run at the end"));
}

TEST(planted, look_after_announcement) {
  EXPECT_TRUE(fails(hard, post_and_drain<2>, lost_wake_up));
}

TEST(planted, live_not_counted) {
  EXPECT_TRUE(fails(hard, drain_against_suspended<1>, ""));
}

TEST(planted, invitation_counted_twice) {
  EXPECT_TRUE(fails(hard, joins_in_a_row<2>, ""));
}

TEST(planted, unmade_not_counted) {
  EXPECT_TRUE(fails(hard, join_of_made<1>, lost_wake_up));
}

TEST(planted, invitation_kept_as_queued) {
  EXPECT_TRUE(fails(hard, join_after_a_join<2>, lost_wake_up));
}

}  // namespace
