// SPDX-License-Identifier: MIT
// The shelf in all interleavings, with two places; and what makes up for a put that is seen late.
#include "tests/model/support/items.hpp"
#include "tests/model/support/model.hpp"

#include "src/lockfree/shelf.hpp"

namespace {

using namespace pinion::model;
using pinion::lockfree::shelf;

void take_all_that_is_seen(shelf& s, items& all) {
  for (std::size_t cell = 0; cell < shelf::capacity; ++cell) {
    if (const auto w = s.take_cell(cell)) all.take(w);
  }
}

void take_rest(shelf& s, items& all) {
  while (const auto w = s.take()) all.take(w);
  all.expect_all_taken();
}

// Without the exchange in either, both take the same item.
void owner_and_thief() {
  shelf s;
  items all;
  thread thief([&] { take_all_that_is_seen(s, all); });
  require(s.put(all.make()), "there is room");
  require(s.put(all.make()), "there is room");
  if (const auto w = s.take()) all.take(w);
  thief.join();
  take_rest(s, all);
}

// A place is used again when the thief has emptied it before the owner came by.
void used_again() {
  shelf s;
  items all;
  require(s.put(all.make()), "there is room");
  thread thief([&] { take_all_that_is_seen(s, all), take_all_that_is_seen(s, all); });
  if (const auto w = s.take()) all.take(w);
  require(s.put(all.make()), "there is room");
  require(s.put(all.make()), "there is room");
  thief.join();
  take_rest(s, all);
}

void two_thieves() {
  shelf s;
  items all;
  require(s.put(all.make()), "there is room");
  thread one([&] { take_all_that_is_seen(s, all); });
  thread other([&] { take_all_that_is_seen(s, all); });
  one.join(), other.join();
  take_rest(s, all);
}

// Work without a wake-up is left to a sentinel, which gives up when for long there was none. The
// put is no full barrier. So the sentinel gives up only while all are idle, and looks at that after
// it has said so; or the owner still sees somebody looking, and the sentinel nothing to find.
void left_to_one_that_gives_up(bool while_all_are_idle) {
  shelf s;
  items all;
  pinion::os::atomic<int> busy{0};
  pinion::os::atomic<bool> looked_after{true};
  bool gave_up = false, sees = false;
  thread sentinel([&] {
    looked_after.store(false, std::memory_order_seq_cst);
    if (while_all_are_idle && busy.load(std::memory_order_seq_cst) != 0) return;
    gave_up = true;
    sees = !s.looks_empty();
  });
  busy.fetch_add(1, std::memory_order_seq_cst);  // it leaves the idle word
  require(s.put(all.make()), "there is room");
  const bool wakes = !looked_after.load(std::memory_order_seq_cst);
  sentinel.join();
  require(!gave_up || sees || wakes, "nobody comes for the item");
  take_rest(s, all);
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 2, .may_fail = {.freezes = 1}};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {{}, owner_and_thief},
      {two_stops, used_again},
      {{}, two_thieves},
      {{}, [] { left_to_one_that_gives_up(true); }},
  };
  return all;
}

TEST(shelf_model, owner_and_thief_take_each_item_once) {
  EXPECT_TRUE(holds_always({}, owner_and_thief));
  EXPECT_TRUE(holds_always(two_stops, used_again));
  EXPECT_TRUE(holds_always({}, two_thieves));
}
TEST(shelf_model, a_sentinel_gives_up_while_all_are_idle) {
  EXPECT_TRUE(holds_always({}, [] { left_to_one_that_gives_up(true); }));
}
TEST(shelf_model, one_that_gives_up_while_somebody_works_misses_what_is_put) {
  EXPECT_TRUE(fails(
      {}, [] { left_to_one_that_gives_up(false); }, "nobody comes for the item"));
}
TEST(shelf_model, XC_18_one_that_stands_still_holds_up_nobody) {
  for (const auto run : {owner_and_thief, used_again, two_thieves})
    EXPECT_TRUE(holds_always(one_freezes, run));
}
TEST(shelf_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"shelf.hpp"}));
}

}  // namespace
