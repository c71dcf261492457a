// SPDX-License-Identifier: MIT
#include "src/lockfree/shelf.hpp"

#include <gtest/gtest.h>

namespace pinion::lockfree {
namespace {

using word = shelf::word;

TEST(shelf, gives_the_oldest_first_and_is_full_at_its_capacity) {
  shelf s;
  EXPECT_TRUE(s.looks_empty());
  EXPECT_EQ(s.take(), 0u);
  for (word round = 0; round < 3; ++round) {
    for (word w = 1; w <= shelf::capacity; ++w) EXPECT_TRUE(s.put(w));
    EXPECT_FALSE(s.put(99));
    EXPECT_EQ(s.count(), shelf::capacity);
    EXPECT_EQ(s.take(), 1u);
    EXPECT_TRUE(s.put(99));
    for (word w = 2; w <= shelf::capacity; ++w) EXPECT_EQ(s.take(), w);
    EXPECT_EQ(s.take(), 99u);
    EXPECT_EQ(s.take(), 0u);
    EXPECT_TRUE(s.looks_empty());
  }
}

TEST(shelf, what_somebody_took_is_skipped) {
  shelf s;
  for (word w = 1; w <= 3; ++w) s.put(w);
  EXPECT_EQ(s.take_cell(1), 2u);
  EXPECT_EQ(s.take_cell(1), 0u);
  EXPECT_EQ(s.take(), 1u);
  EXPECT_EQ(s.take(), 3u);
  EXPECT_EQ(s.take(), 0u);
}

TEST(shelf, says_when_its_owner_has_moved) {
  shelf s;
  s.put(1);
  const auto before = s.taken();
  s.put(2);
  s.take_cell(0);
  EXPECT_EQ(s.taken(), before) << "only the owner moves it";
  EXPECT_EQ(s.take(), 2u);
  EXPECT_NE(s.taken(), before);
}

}  // namespace
}  // namespace pinion::lockfree
