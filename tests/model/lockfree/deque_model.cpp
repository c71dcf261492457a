// SPDX-License-Identifier: MIT
// The work-stealing deque in all interleavings, with two slots: it wraps, and it grows, within a
// few items.
#include <vector>

#include "tests/model/support/items.hpp"
#include "tests/model/support/model.hpp"

#include "pinion/lockfree/deque.hpp"

namespace {

using namespace pinion::model;
using word = std::uintptr_t;
using deque = pinion::lockfree::deque<word>;

constexpr std::size_t two_slots = 2;

void pop_one(deque& d, items& all) {
  if (word w; d.pop(w)) all.take(w);
}

void pop_rest(deque& d, items& all) {
  for (word w; d.pop(w);) all.take(w);
  all.expect_all_taken();
}

void steal(deque& d, items& all, std::size_t most = 1) {
  std::array<word, 2> words;
  all.take_all({words.data(), d.steal_batch({words.data(), most})});
}

// They meet at the last item. With P1, P2 or S2 weaker than seq_cst, both take it.
void owner_and_thief() {
  deque d(two_slots);
  items all;
  thread thief([&] { steal(d, all), steal(d, all); });
  d.push(all.make());
  d.push(all.make());
  pop_one(d, all);
  pop_one(d, all);
  thief.join();
  pop_rest(d, all);
}

void owner_and_two_thieves() {
  deque d(two_slots);
  items all;
  d.push(all.make());
  d.push(all.make());
  thread one([&] { steal(d, all); });
  thread other([&] { steal(d, all); });
  pop_one(d, all);
  one.join(), other.join();
  pop_rest(d, all);
}

// Reads bottom again after each item, or it takes what the owner took from the other end.
void a_batch() {
  deque d(two_slots);
  items all;
  for (int i = 0; i < 3; ++i) d.push(all.make());
  thread thief([&] { steal(d, all, 2); });
  pop_one(d, all);
  pop_one(d, all);
  thief.join();
  pop_rest(d, all);
}

// The slot that a thief reads is used again. Without the look at top the thief takes the new item.
void wrap_around() {
  deque d(two_slots);
  items all;
  d.push(all.make());
  d.push(all.make());
  thread thief([&] { steal(d, all); });
  thread other([&] { steal(d, all); });
  if (d.has_room()) d.push(all.make());
  thief.join(), other.join();
  pop_rest(d, all);
}

// A last item that a thief took: its slot is used again at once.
void last_item_then_another() {
  deque d(two_slots);
  items all;
  d.push(all.make());
  thread thief([&] { steal(d, all), steal(d, all); });
  pop_one(d, all);
  d.push(all.make());
  d.push(all.make());
  thief.join();
  pop_rest(d, all);
}

void growth() {
  deque d(two_slots);
  items all;
  thread thief([&] { steal(d, all), steal(d, all); });
  for (int i = 0; i < 3; ++i) d.push(all.make());
  pop_one(d, all);
  thief.join();
  pop_rest(d, all);
}

void many_at_once() {
  deque d(two_slots);
  items all;
  thread thief([&] { steal(d, all, 2); });
  const word words[] = {all.make(), all.make(), all.make()};
  d.push_many(words);
  pop_one(d, all);
  thief.join();
  pop_rest(d, all);
}

// The pusher sees the announcement, or the sleeper sees the item.
void sleeper(bool at_once) {
  deque d(two_slots);
  items all;
  pinion::os::atomic<int> asleep{0};
  bool sees = true;
  thread sleeps([&] {
    asleep.store(1, std::memory_order_seq_cst);
    sees = !d.looks_empty();
  });
  const word w = all.make();
  if (at_once)
    d.push_many({&w, 1});
  else
    d.push(w);
  const bool wakes = asleep.load(std::memory_order_seq_cst) != 0;
  sleeps.join();
  require(sees || wakes, "nobody sees the item");
  pop_rest(d, all);
}

// It pushes, pops and grows, and may be stopped in the middle of each.
void owner_stands_still() {
  deque d(two_slots);
  items all;
  d.push(all.make());
  thread owner([&] {
    for (int i = 0; i < 2; ++i) d.push(all.make());
    pop_one(d, all);
  });
  thread thief([&] { steal(d, all); });
  thief.join();
  owner.join();
  pop_rest(d, all);
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 2, .may_fail = {.freezes = 1}};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {{}, owner_and_thief},    {two_stops, owner_and_two_thieves}, {{}, a_batch},
      {two_stops, wrap_around}, {{}, last_item_then_another},       {{}, growth},
      {{}, many_at_once},       {{}, [] { sleeper(false); }},       {{}, [] { sleeper(true); }},
  };
  return all;
}

TEST(deque_model, owner_and_thieves_take_each_item_once) {
  EXPECT_TRUE(holds_always({}, owner_and_thief));
  EXPECT_TRUE(holds_always(two_stops, owner_and_two_thieves));
}
TEST(deque_model, a_batch_takes_each_item_once) {
  EXPECT_TRUE(holds_always({}, a_batch));
}
TEST(deque_model, a_slot_is_used_again_only_when_it_was_read) {
  EXPECT_TRUE(holds_always(two_stops, wrap_around));
  EXPECT_TRUE(holds_always({}, last_item_then_another));
}
TEST(deque_model, it_grows_under_a_thief) {
  EXPECT_TRUE(holds_always({}, growth));
}
TEST(deque_model, many_are_seen_at_once) {
  EXPECT_TRUE(holds_always({}, many_at_once));
}
TEST(deque_model, pusher_or_sleeper_sees_the_other) {
  EXPECT_TRUE(holds_always({}, [] { sleeper(false); }));
  EXPECT_TRUE(holds_always({}, [] { sleeper(true); }));
}

TEST(deque_model, XC_18_one_that_stands_still_holds_up_nobody) {
  for (const auto run : {owner_stands_still, owner_and_two_thieves, wrap_around, growth})
    EXPECT_TRUE(holds_always(one_freezes, run));
}
TEST(deque_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"deque.hpp"}));
}

}  // namespace
