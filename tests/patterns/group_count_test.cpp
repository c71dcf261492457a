// SPDX-License-Identifier: MIT
// The count of a group by one thread, step by step; its races are in its model.
#include "pinion/patterns/group_count.hpp"

#include <mutex>

#include <gtest/gtest.h>

#include "pinion/sync/waiter.hpp"

namespace {

using pinion::wait_list;
using pinion::detail::group_count;

struct group_count_of_three : testing::Test {
  wait_list lock;
  group_count count{lock, 3};

  void end(std::size_t at) {
    if (count.try_remove(at)) return;
    const std::lock_guard held(lock);
    count.remove(at);
  }
  bool all_have_ended() {
    const std::lock_guard held(lock);
    count.make_exact();
    return count.is_zero();
  }
};

TEST_F(group_count_of_three, nothing_has_ended_when_nothing_began) {
  EXPECT_TRUE(all_have_ended());
}

TEST_F(group_count_of_three, ends_where_it_began) {
  for (int i = 0; i < 5; ++i) count.add(1);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(count.try_remove(1)) << "nobody looks yet";
    EXPECT_EQ(count.is_exact(), false);
  }
  EXPECT_FALSE(all_have_ended());
  EXPECT_FALSE(count.try_remove(1)) << "the last one needs the lock";
  end(1);
  EXPECT_TRUE(all_have_ended());
}

// Finds: a negative word that is dropped in place of being paid back.
TEST_F(group_count_of_three, ends_at_another_word_before_anybody_looks) {
  for (int i = 0; i < 6; ++i) count.add(0);
  for (int i = 0; i < 3; ++i) end(1);  // below zero
  for (int i = 0; i < 2; ++i) end(2);
  EXPECT_FALSE(all_have_ended());
  end(2);
  EXPECT_TRUE(all_have_ended());
}

// Finds: an end at a word that is zero, which is not looked for in the others.
TEST_F(group_count_of_three, ends_at_another_word_while_somebody_looks) {
  for (int i = 0; i < 7; ++i) count.add(0);
  EXPECT_FALSE(all_have_ended());
  for (int i = 0; i < 6; ++i) {
    end(1 + static_cast<std::size_t>(i) % 2);
    EXPECT_FALSE(all_have_ended()) << i;
  }
  end(2);
  EXPECT_TRUE(all_have_ended());
}

TEST_F(group_count_of_three, begins_at_zero_while_somebody_looks) {
  count.add(0);
  EXPECT_FALSE(all_have_ended());
  count.add(2);
  end(0);
  EXPECT_FALSE(all_have_ended());
  end(2);
  EXPECT_TRUE(all_have_ended());
}

TEST_F(group_count_of_three, another_round_begins_loose) {
  count.add(0);
  EXPECT_FALSE(all_have_ended());
  end(0);
  {
    const std::lock_guard held(lock);
    ASSERT_TRUE(count.is_zero());
    count.make_loose();
  }
  EXPECT_FALSE(count.is_exact());
  count.add(1);
  EXPECT_TRUE(count.try_remove(2)) << "nobody looks, so it may be below zero";
  EXPECT_TRUE(all_have_ended());
}

}  // namespace
