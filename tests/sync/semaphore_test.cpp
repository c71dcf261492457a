// SPDX-License-Identifier: MIT
#include "pinion/sync/semaphore.hpp"

#include <deque>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/hand_wait.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/sanitizer.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

namespace pinion {
namespace {

using wait_for = test::hand_wait<op<permit>>;

bool somebody_waits(semaphore& s) {  // nothing fits, unless somebody is before it
  const auto none = s.try_acquire(0);
  return !none && none.error() == errc::not_ready;
}

TEST(semaphore, SEM_1_takes_all_at_once_or_nothing) {
  semaphore s(5);
  {
    const permit three = s.acquire(3).wait().value();
    EXPECT_EQ(three.weight(), 3u);
    EXPECT_EQ(s.available_approx(), 2u);
    EXPECT_EQ(s.try_acquire(3).error(), errc::not_ready);
    EXPECT_EQ(s.available_approx(), 2u);
    wait_for more(s.acquire(3));
    EXPECT_FALSE(more.over());
    EXPECT_EQ(s.available_approx(), 2u);  // a part of it is not held back either
  }
  EXPECT_EQ(s.available_approx(), 5u);
}

TEST(semaphore, SEM_2_a_large_request_is_not_overtaken) {
  semaphore s(4);
  permit two = s.try_acquire(2).value();
  wait_for large(s.acquire(4)), small(s.acquire(1));
  EXPECT_FALSE(small.over());  // though it would fit
  two.release();
  ASSERT_TRUE(large.over());
  EXPECT_FALSE(small.over());
  permit four = large.get().value();
  four.release();
  ASSERT_TRUE(small.over());
  EXPECT_EQ(small.get().value().weight(), 1u);
}

TEST(semaphore, SEM_3_try_acquire_takes_only_when_nobody_waits) {
  semaphore s(3);
  permit two = s.try_acquire(2).value();
  wait_for large(s.acquire(3));
  EXPECT_EQ(s.try_acquire(1).error(), errc::not_ready);
  EXPECT_EQ(large.get().error(), errc::not_ready);  // leaves
  EXPECT_TRUE(s.try_acquire(1));
}

TEST(semaphore, SEM_4_a_release_wakes_exactly_those_who_fit_in_order) {
  semaphore s(6);
  permit all = s.try_acquire(6).value();
  std::deque<wait_for> waits;
  for (const std::uint64_t n : {2u, 1u, 4u, 1u}) waits.emplace_back(s.acquire(n));
  permit part = all.split(4);
  part.release();
  EXPECT_TRUE(waits[0].over());
  EXPECT_TRUE(waits[1].over());
  EXPECT_FALSE(waits[2].over());  // one is free
  EXPECT_FALSE(waits[3].over());  // and would do for this one
  EXPECT_EQ(s.available_approx(), 1u);
}

TEST(semaphore, SEM_5_a_head_that_gives_up_lets_those_behind_it_have_what_fits) {
  semaphore s(4);
  permit two = s.try_acquire(2).value();
  auto ctx = with_cancel(context::background());
  wait_for head(s.acquire(ctx, 4)), second(s.acquire(1)), third(s.acquire(2)), last(s.acquire(1));
  ctx.cancel();
  ASSERT_TRUE(head.over());
  EXPECT_FALSE(second.over());  // it still stands there
  EXPECT_EQ(head.get().error(), errc::canceled);
  EXPECT_TRUE(second.over());
  EXPECT_FALSE(third.over());
  two.release();
  EXPECT_TRUE(third.over());
  EXPECT_TRUE(last.over());
}

TEST(semaphore, SEM_5_who_gives_up_in_the_middle_changes_nothing_for_others) {
  semaphore s(2);
  permit all = s.try_acquire(2).value();
  auto ctx = with_cancel(context::background());
  wait_for first(s.acquire(1)), middle(s.acquire(ctx, 1)), last(s.acquire(1));
  ctx.cancel();
  EXPECT_EQ(middle.get().error(), errc::canceled);
  EXPECT_FALSE(first.over());
  all.release();
  EXPECT_TRUE(first.over());
  EXPECT_TRUE(last.over());
}

TEST(semaphore, SEM_6_what_was_granted_stays_granted_when_the_context_ends) {
  semaphore s(1);
  permit one = s.try_acquire().value();
  auto ctx = with_cancel(context::background());
  wait_for waits(s.acquire(ctx));
  one.release();
  ctx.cancel();
  EXPECT_EQ(waits.get().value().weight(), 1u);
  EXPECT_EQ(s.available_approx(), 1u);
}

TEST(semaphore, SEM_7_a_context_that_is_done_takes_no_permit) {
  semaphore s(1);
  auto ctx = with_cancel(context::background());
  ctx.cancel(errc::overloaded);
  const auto got = s.acquire(ctx).wait();
  EXPECT_EQ(got.error(), errc::canceled);
  EXPECT_EQ(got.error().cause(), make_error_code(errc::overloaded));
  EXPECT_EQ(s.available_approx(), 1u);
}

TEST(semaphore, SEM_8_more_than_there_are_is_refused_at_once_and_blocks_nobody) {
  semaphore s(3);
  EXPECT_EQ(s.acquire(4).wait().error(), errc::too_large);
  EXPECT_EQ(s.try_acquire(4).error(), errc::too_large);
  EXPECT_EQ(s.acquire(~std::uint64_t{0}).wait().error(), errc::too_large);
  EXPECT_EQ(s.try_acquire(~std::uint64_t{0}).error(), errc::too_large);
  EXPECT_TRUE(s.try_acquire(3));
  s.grow(1);
  EXPECT_TRUE(s.acquire(4).wait());
}

TEST(semaphore, SEM_8_who_waits_for_more_than_are_left_waits_for_more) {
  semaphore s(3);
  permit one = s.try_acquire().value();
  wait_for waits(s.acquire(3));
  s.shrink(1);
  one.release();
  EXPECT_FALSE(waits.over());
  s.grow(1);
  EXPECT_TRUE(waits.over());
}

TEST(semaphore, SEM_9_nothing_is_there_at_once_unless_somebody_waits) {
  semaphore none(0);
  EXPECT_EQ(none.acquire(0).wait().value().weight(), 0u);
  semaphore s(1);
  permit one = s.try_acquire().value();
  EXPECT_TRUE(s.try_acquire(0));
  wait_for first(s.acquire(1)), second(s.acquire(0));
  EXPECT_EQ(s.try_acquire(0).error(), errc::not_ready);
  EXPECT_FALSE(second.over());
  one.release();
  EXPECT_TRUE(first.over());
  EXPECT_TRUE(second.over());
}

TEST(semaphore, SEM_10_permits_split_and_merge_and_keep_their_weight) {
  semaphore s(5);
  permit all = s.try_acquire(5).value();
  permit two = all.split(2);
  permit none = all.split(0);
  EXPECT_EQ(two.weight(), 2u);
  EXPECT_EQ(all.weight(), 3u);
  EXPECT_EQ(test::refusal_of([&] { (void)two.split(3); }), "permit::split: 3 of a weight of 2");
  EXPECT_EQ(two.weight(), 2u);
  none.merge(std::move(two));
  EXPECT_EQ(none.weight(), 2u);
  EXPECT_EQ(two.weight(), 0u);
  two = std::move(all);
  EXPECT_EQ(s.available_approx(), 0u);
  two.merge(std::move(none));
  EXPECT_EQ(two.weight(), 5u);
  two.release();
  two.release();
  EXPECT_EQ(s.available_approx(), 5u);
}

TEST(semaphore, SEM_10_a_permit_of_another_semaphore_is_not_merged) {
  semaphore a(1), b(1);
  permit of_a = a.try_acquire().value(), of_b = b.try_acquire().value();
  EXPECT_THROW(of_a.merge(std::move(of_b)), std::invalid_argument);
  EXPECT_EQ(of_a.weight(), 1u);
  EXPECT_EQ(of_b.weight(), 1u);
  permit nothing;
  of_a.merge(std::move(nothing));
  nothing.merge(std::move(of_b));  // who has none may take any
  EXPECT_EQ(nothing.weight(), 1u);
  of_a = std::move(nothing);  // what it held goes back
  EXPECT_EQ(a.available_approx(), 1u);
  EXPECT_EQ(b.available_approx(), 0u);
}

TEST(semaphore, SEM_12_closed_ends_all_waits_and_permits_still_come_back) {
  semaphore s(2);
  permit all = s.try_acquire(2).value();
  wait_for one(s.acquire(1)), two(s.acquire(2));
  EXPECT_TRUE(s.close());
  EXPECT_FALSE(s.close());
  EXPECT_EQ(one.get().error(), errc::closed);
  EXPECT_EQ(two.get().error(), errc::closed);
  EXPECT_EQ(s.try_acquire(9).error(), errc::closed);  // whatever else is wrong with it
  EXPECT_EQ(s.acquire(9).wait().error(), errc::closed);
  all.release();
  EXPECT_EQ(s.available_approx(), 2u);
  EXPECT_EQ(s.acquire().wait().error(), errc::closed);
}

TEST(semaphore, SEM_13_a_semaphore_that_shrinks_owes_what_is_out) {
  semaphore s(4);
  permit all = s.try_acquire(4).value();
  s.shrink(3);
  EXPECT_EQ(s.available_approx(), 0u);
  permit one = all.split(1);
  permit another = all.split(1);
  one.release();
  another.release();
  EXPECT_EQ(s.try_acquire().error(), errc::not_ready);
  all.release();
  EXPECT_EQ(s.available_approx(), 1u);
  s.shrink(9);  // there is one
  EXPECT_EQ(s.try_acquire().error(), errc::too_large);
  s.grow(2);
  EXPECT_EQ(s.available_approx(), 2u);
}

TEST(semaphore, SEM_13_what_grows_goes_to_the_line_in_order) {
  semaphore s(3);
  permit all = s.try_acquire(3).value();
  wait_for three(s.acquire(3)), one(s.acquire(1));
  s.grow(2);
  EXPECT_FALSE(one.over());
  s.grow(1);
  EXPECT_TRUE(three.over());
  EXPECT_FALSE(one.over());
  s.grow(1);
  EXPECT_TRUE(one.over());
}

TEST(semaphore, SEM_17_releases_are_chained_without_recursion) {
  constexpr std::size_t many = 20000;
  semaphore s(1);
  permit one = s.try_acquire().value();
  std::vector<std::unique_ptr<wait_for>> waits(many);
  for (auto& w : waits) w = std::make_unique<wait_for>(s.acquire());
  for (auto& w : waits) {
    one.release();
    ASSERT_TRUE(w->over());
    one = w->get().value();
  }
}

TEST(semaphore, an_operation_may_be_run_again) {
  semaphore s(1);
  auto asks = s.acquire(2);
  EXPECT_EQ(asks.wait().error(), errc::too_large);
  s.grow(1);
  EXPECT_EQ(asks.wait().value().weight(), 2u);
  s.close();
  EXPECT_EQ(asks.wait().error(), errc::closed);
}

TEST(semaphore, SEM_14_threads_wait_and_see_what_was_done_before) {
  semaphore s(1);
  int guarded = 0;
  auto work = [&] {
    for (int i = 0; i < 1000; ++i) {
      const permit mine = s.acquire().wait().value();
      ++guarded;
    }
  };
  std::thread a(work), b(work);
  a.join(), b.join();
  EXPECT_EQ(guarded, 2000);
}

TEST(semaphore, XC_10_neither_taking_nor_waiting_allocates) {
  semaphore s(1);
  auto ctx = with_cancel(context::background());
  permit one = s.try_acquire().value();
  std::thread giver([&] {
    test::until([&] { return somebody_waits(s); });
    one.release();
  });
  auto asks = s.acquire(ctx);
  const test::allocation_count count;
  EXPECT_TRUE(asks.wait());
  EXPECT_TRUE(s.acquire(ctx).wait());
  EXPECT_TRUE(s.try_acquire());
  EXPECT_EQ(count.get(), 0u);
  giver.join();
}

TEST(semaphore, misuse_is_told) {
  EXPECT_EQ(test::refusal_of([] { semaphore s(semaphore::max_permits + 1); }),
            "semaphore: 1152921504606846976 permits, must be 1152921504606846975 at most");
  EXPECT_THROW(semaphore(std::uint64_t{1} << 61), std::invalid_argument);  // too many to count
  semaphore most(semaphore::max_permits);
  EXPECT_TRUE(most.try_acquire(semaphore::max_permits));
}

#if !defined(NDEBUG) && !defined(PINION_TEST_TSAN)
TEST(semaphoreDeathTest, XC_19_destroying_a_semaphore_with_permits_out_is_caught_in_debug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        auto s = std::make_unique<semaphore>(1);
        const permit out = s->try_acquire().value();
        s.reset();
      },
      "permits of it are out");
}
#endif

}  // namespace
}  // namespace pinion
