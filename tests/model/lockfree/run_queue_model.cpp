// SPDX-License-Identifier: MIT
// The run queue in all interleavings, with two slots: it wraps, and it grows, within a few items.
#include <vector>

#include "tests/model/support/items.hpp"
#include "tests/model/support/model.hpp"

#include "src/lockfree/run_queue.hpp"

namespace {

using namespace pinion::model;
using pinion::lockfree::run_queue;

constexpr std::size_t two_slots = 2;

void pop_one(run_queue& q, items& all) {
  run_queue::word next = 0;
  if (const auto w = q.pop(next)) all.take(w);
}

void pop_rest(run_queue& q, items& all) {
  run_queue::word next = 0;
  while (const auto w = q.pop(next)) all.take(w);
  all.expect_all_taken();
}

void steal(run_queue& q, items& all, std::size_t most) {
  std::array<run_queue::word, 2> words;
  all.take_all({words.data(), q.steal({words.data(), most})});
}

// Without the CAS in either, both take the same item.
void owner_and_thief() {
  run_queue q(two_slots);
  items all;
  thread thief([&] { steal(q, all, 1), steal(q, all, 1); });
  q.push(all.make());
  q.push(all.make());
  pop_one(q, all);
  pop_one(q, all);
  thief.join();
  pop_rest(q, all);
}

// The third item comes where the first one was. Without the look at head in between, a thief takes
// the third in place of the first.
void wrap_around() {
  run_queue q(two_slots);
  items all;
  q.push(all.make());
  q.push(all.make());
  thread thief([&] { steal(q, all, 2), steal(q, all, 2); });
  pop_one(q, all);
  if (q.has_room()) q.push(all.make());
  thief.join();
  pop_rest(q, all);
}

// Freed by a thief alone, so that its CAS is all that lets the owner use the slot again.
void room_made_by_a_thief() {
  run_queue q(two_slots);
  items all;
  q.push(all.make());
  q.push(all.make());
  thread one([&] { steal(q, all, 1); });
  thread other([&] { steal(q, all, 1); });
  q.push(all.make());
  one.join(), other.join();
  pop_rest(q, all);
}

// A thief that reads the old buffer finds the items that were there, and no others.
void growth() {
  run_queue q(two_slots);
  items all;
  thread thief([&] { steal(q, all, 2), steal(q, all, 1); });
  for (int i = 0; i < 3; ++i) q.push(all.make());
  thief.join();
  pop_rest(q, all);
}

void many_at_once() {
  run_queue q(two_slots);
  items all;
  thread thief([&] { steal(q, all, 2); });
  const run_queue::word words[] = {all.make(), all.make(), all.make()};
  q.push_many(words);
  pop_one(q, all);
  thief.join();
  pop_rest(q, all);
}

// W2 and S2 of the idle protocol: the pusher sees the announcement, or the sleeper the item.
void sleeper(bool at_once) {
  run_queue q(two_slots);
  items all;
  pinion::os::atomic<int> asleep{0};
  bool sees = true;
  thread sleeps([&] {
    asleep.store(1, std::memory_order_seq_cst);
    sees = !q.looks_empty();
  });
  const run_queue::word w = all.make();
  if (at_once)
    q.push_many({&w, 1});
  else
    q.push(w);
  const bool wakes = asleep.load(std::memory_order_seq_cst) != 0;
  sleeps.join();
  require(sees || wakes, "nobody sees the item");
  pop_rest(q, all);
}

// It pushes, pops and grows, and may be stopped in the middle of each.
void owner_stands_still() {
  run_queue q(two_slots);
  items all;
  q.push(all.make());
  thread owner([&] {
    for (int i = 0; i < 2; ++i) q.push(all.make());
    pop_one(q, all);
  });
  thread thief([&] { steal(q, all, 1); });
  thief.join();
  owner.join();
  pop_rest(q, all);
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 2, .may_fail = {.freezes = 1}};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {{}, owner_and_thief},
      {{}, wrap_around},
      {two_stops, room_made_by_a_thief},
      {{}, growth},
      {{}, many_at_once},
      {{}, [] { sleeper(false); }},
      {{}, [] { sleeper(true); }},
  };
  return all;
}

TEST(run_queue_model, owner_and_thief_take_each_item_once) {
  EXPECT_TRUE(holds_always({}, owner_and_thief));
}
TEST(run_queue_model, a_slot_is_used_again_only_when_it_was_read) {
  EXPECT_TRUE(holds_always({}, wrap_around));
  EXPECT_TRUE(holds_always(two_stops, room_made_by_a_thief));
}
TEST(run_queue_model, it_grows_under_a_thief) {
  EXPECT_TRUE(holds_always({}, growth));
}
TEST(run_queue_model, many_are_seen_at_once) {
  EXPECT_TRUE(holds_always({}, many_at_once));
}
TEST(run_queue_model, pusher_or_sleeper_sees_the_other) {
  EXPECT_TRUE(holds_always({}, [] { sleeper(false); }));
  EXPECT_TRUE(holds_always({}, [] { sleeper(true); }));
}

// No memory for a larger buffer: the queue is as it was.
TEST(run_queue_model, growth_fails_and_loses_nothing) {
  EXPECT_TRUE(holds({.preemptions = 1, .may_fail = {.allocations = 1}}, [] {
    try {
      run_queue q(two_slots);
      items all;
      thread thief([&] { steal(q, all, 1); });
      for (int i = 0; i < 3; ++i) {
        const auto w = all.make();
        try {
          q.push(w);
        } catch (const std::bad_alloc&) {
          all.take(w);
        }
      }
      thief.join();
      pop_rest(q, all);
    } catch (const std::bad_alloc&) {  // the first buffer
    }
  }));
}

TEST(run_queue_model, XC_18_one_that_stands_still_holds_up_nobody) {
  for (const auto run : {owner_stands_still, owner_and_thief, room_made_by_a_thief, growth})
    EXPECT_TRUE(holds_always(one_freezes, run));
}
TEST(run_queue_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"run_queue.hpp"}));
}

}  // namespace
