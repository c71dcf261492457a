// SPDX-License-Identifier: MIT
// The search for a linearization, and the specifications of the queues, on histories written by
// hand.
#include "tests/support/linearizability.hpp"

#include <cstdint>
#include <vector>

#include "tests/support/queue_specs.hpp"
#include <gtest/gtest.h>

namespace {

using namespace pinion::test;

call one(char what, std::uint32_t value, std::uint64_t began, std::uint64_t ended) {
  return {0, what, {value}, 1, began, ended};
}
call none(std::uint64_t began, std::uint64_t ended) {
  return {0, '0', {}, 0, began, ended};
}

TEST(linearizability, an_empty_history_fits) {
  EXPECT_TRUE(is_linearizable<run_queue_spec>({}));
}

TEST(linearizability, calls_one_after_the_other_have_one_order) {
  EXPECT_TRUE(is_linearizable<run_queue_spec>(
      {one('+', 1, 0, 1), one('+', 2, 2, 3), one('-', 1, 4, 5), one('-', 2, 6, 7), none(8, 9)}));
  EXPECT_FALSE(is_linearizable<run_queue_spec>(
      {one('+', 1, 0, 1), one('+', 2, 2, 3), one('-', 2, 4, 5), one('-', 1, 6, 7)}));
  EXPECT_FALSE(is_linearizable<run_queue_spec>({one('+', 1, 0, 1), none(2, 3)}));
}

TEST(linearizability, calls_at_the_same_time_have_any_order) {
  EXPECT_TRUE(is_linearizable<run_queue_spec>(
      {one('+', 1, 0, 3), one('+', 2, 1, 2), one('-', 2, 4, 5), one('-', 1, 6, 7)}));
  EXPECT_TRUE(is_linearizable<run_queue_spec>({one('+', 1, 0, 3), none(1, 2)}));
  EXPECT_TRUE(is_linearizable<run_queue_spec>({one('-', 1, 0, 2), one('+', 1, 1, 3)}));
}

// The pop has to be before the push that it overlaps and after it: each alone would do.
TEST(linearizability, every_pair_may_fit_and_the_whole_not) {
  EXPECT_FALSE(is_linearizable<run_queue_spec>(
      {one('+', 1, 0, 1), one('-', 1, 2, 9), one('+', 2, 3, 4), none(5, 6), one('-', 2, 10, 11)}));
}

TEST(linearizability, nothing_is_lost_or_twice) {
  EXPECT_FALSE(
      is_linearizable<run_queue_spec>({one('+', 1, 0, 1), one('-', 1, 2, 5), one('-', 1, 3, 4)}));
  EXPECT_FALSE(is_linearizable<injector_spec>({one('-', 7, 0, 1)}));
}

TEST(linearizability, sixty_four_calls_at_once_are_decided) {
  history calls;
  for (std::uint32_t i = 0; i < history_max; ++i)
    calls.push_back(one(i < 32 ? '+' : '-', i % 32, i, 1000));
  EXPECT_TRUE(is_linearizable<run_queue_spec>(calls));
}

TEST(queue_specs, a_steal_takes_up_to_half_of_a_run_queue) {
  const history pushes = {one('+', 1, 0, 1), one('+', 2, 2, 3), one('+', 3, 4, 5)};
  history half = pushes, more = pushes;
  half.push_back({1, 's', {1, 2}, 2, 6, 7});
  more.push_back({1, 's', {1, 2, 3}, 3, 6, 7});
  EXPECT_TRUE(is_linearizable<run_queue_spec>(half));
  EXPECT_FALSE(is_linearizable<run_queue_spec>(more));
}

TEST(queue_specs, a_deque_has_two_ends) {
  const history pushes = {one('+', 1, 0, 1), one('+', 2, 2, 3)};
  history good = pushes, bad = pushes;
  good.insert(good.end(), {one('-', 2, 4, 5), one('s', 1, 6, 7), none(8, 9)});
  bad.insert(bad.end(), {one('-', 1, 4, 5)});
  EXPECT_TRUE(is_linearizable<deque_spec>(good));
  EXPECT_FALSE(is_linearizable<deque_spec>(bad));
}

// The first place is claimed and not yet published: the second, which is, cannot be had.
TEST(queue_specs, an_unpublished_place_hides_what_is_behind_it) {
  const history hidden = {one('c', 1, 0, 9), one('p', 1, 0, 9), one('c', 2, 1, 2),
                          one('p', 2, 1, 2), none(3, 4)};
  EXPECT_TRUE(is_linearizable<results_ring_spec>(hidden));
  EXPECT_TRUE(is_linearizable<inbox_spec>(hidden));
  const history visible = {one('c', 2, 1, 2), one('p', 2, 1, 2), none(3, 4)};
  EXPECT_FALSE(is_linearizable<results_ring_spec>(visible));
  EXPECT_FALSE(is_linearizable<inbox_spec>(visible));
}

TEST(queue_specs, an_injector_has_an_order_for_each_producer) {
  const history pushes = {one('+', 1001, 0, 1), one('+', 1002, 2, 3), one('+', 2001, 4, 5)};
  history good = pushes, bad = pushes;
  good.insert(good.end(), {one('-', 2001, 6, 7), one('-', 1001, 8, 9), one('-', 1002, 10, 11)});
  bad.insert(bad.end(), {one('-', 1002, 6, 7)});
  EXPECT_TRUE(is_linearizable<injector_spec>(good));
  EXPECT_FALSE(is_linearizable<injector_spec>(bad));
}

}  // namespace
