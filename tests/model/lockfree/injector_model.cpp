// SPDX-License-Identifier: MIT
// The injector in all interleavings: no worker sleeps beside a word that nobody else looks for, and
// each word is taken once. The queue inside is the overlay's.
#include <array>
#include <vector>

#include "tests/model/support/items.hpp"
#include "tests/model/support/model.hpp"

#include "src/lockfree/injector.hpp"

namespace {

using namespace pinion::model;
using pinion::lockfree::injector;
using pinion::os::atomic;

constexpr auto seq_cst = std::memory_order_seq_cst;

/// What a pool does around it. Each worker looks, or goes to sleep, once. One that has got a word
/// is busy for good with it: it looks for no other.
struct pool {
  injector queue{0};
  items all;
  atomic<int> sleepers{0};
  bool wakes_when_restored = true;
  bool woken = false;  // somebody who slept will look
  bool awake = false;  // somebody who found nothing does not sleep
  bool asleep = false;

  void wake_one() {
    if (sleepers.load(seq_cst) != 0) woken = true;  // P4, or the look in C4
  }

  void push(injector::producer& from, std::size_t count) {
    std::array<std::uintptr_t, 2> words;
    for (std::size_t i = 0; i < count; ++i) words[i] = all.make();
    if (count == 1)
      queue.push(from, words[0]);
    else
      queue.push_many(from, words.data(), count);
    wake_one();
  }

  void look() {
    injector::consumer me(queue);
    std::uintptr_t word = 0;
    const injector::popped got = queue.pop_many(me, &word, 1);
    if (got.restored && wakes_when_restored) wake_one();  // C4
    if (got.count == 0) return go_to_sleep();
    all.take(word);
  }

  void go_to_sleep() {
    sleepers.fetch_add(1, seq_cst);              // W1
    (queue.has_work() ? awake : asleep) = true;  // W2
  }

  void expect_nobody_left_behind() const {
    if (asleep && !woken && !awake) require(queue.size_approx() == 0, "asleep beside a word");
  }

  void take_rest() {
    injector::consumer me(queue);
    std::uintptr_t word = 0;
    while (queue.size_approx() != 0)
      if (queue.pop_many(me, &word, 1).count != 0) all.take(word);
    all.expect_all_taken();
    require(queue.pop_many(me, &word, 1).count == 0, "a word that nobody pushed");
  }

  /// Leaves the flag up, and nothing behind it.
  void use_once(injector::producer& from) {
    push(from, 1);
    look();
    require(queue.maybe_work(), "it goes down only by the count");
  }
};

// Without P2 or C2, or without the look in C3, the word stays and the flag is down.
void pusher_and_popper(bool used) {
  pool p;
  injector::producer from(p.queue);
  if (used) p.use_once(from);
  thread pusher([&] { p.push(from, 1); });
  p.look();
  pusher.join();
  p.expect_nobody_left_behind();
  p.take_rest();
}

// The flag is down for a moment, and the sleeper looks then; the popper is busy with the first
// word, and the second is the sleeper's. So without C4 it stays.
void sleeper_and_popper(bool wakes) {
  pool p;
  p.wakes_when_restored = wakes;
  injector::producer from(p.queue);
  p.use_once(from);
  thread pusher([&] { p.push(from, 2); });
  thread sleeper([&] { p.go_to_sleep(); });
  p.look();
  pusher.join(), sleeper.join();
  p.expect_nobody_left_behind();
  p.take_rest();
}

// The disputed word: two go for the first, the loser is stopped before it has taken back its wish,
// and the third does not find the second. Without the look in C3, it is left behind.
void disputed() {
  pool p;
  injector::producer from(p.queue);
  p.push(from, 1);
  thread pusher([&] { p.push(from, 1); });
  thread other([&] { p.look(); });
  thread third([&] { p.look(); });
  p.look();
  pusher.join(), other.join(), third.join();
  p.expect_nobody_left_behind();
  p.take_rest();
}

// Two producers, each in order for one consumer; the words that are no work come out of nothing.
void two_producers() {
  injector queue(0);
  items all;
  std::array<std::uintptr_t, 4> words;
  for (auto& w : words) w = all.make();
  const auto produce = [&](std::size_t first) {
    injector::producer from(queue);
    queue.push(from, words[first]);
    require(queue.try_push(from, words[first + 1]), "there is room");
  };
  thread a([&] { produce(0); });
  thread b([&] { produce(2); });
  std::vector<std::size_t> order;
  injector::consumer me(queue);
  const auto pop = [&] {
    std::array<std::uintptr_t, 2> some;
    const auto got = queue.pop_many(me, some.data(), some.size());
    for (std::size_t i = 0; i < got.count; ++i) {
      all.take(some[i]);
      order.push_back(all.number_of(some[i]));
    }
  };
  pop();
  a.join(), b.join();
  while (queue.maybe_work()) pop();
  all.expect_all_taken();
  require(queue.size_approx() == 0, "it is empty");
  for (std::size_t i = 1; i < order.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      require(order[k] / 2 != order[i] / 2 || order[k] < order[i], "out of order");
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 2, .may_fail = {.freezes = 1}};
const options some{.how = mode::priorities, .executions = 20'000, .changes = 4};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {{.preemptions = 3}, [] { pusher_and_popper(false); }},
      {{.preemptions = 3}, [] { pusher_and_popper(true); }},
      {two_stops, [] { sleeper_and_popper(true); }},
  };
  return all;
}

TEST(injector_model, nobody_sleeps_beside_a_word) {
  EXPECT_TRUE(holds_always({.preemptions = 3}, [] { pusher_and_popper(false); }));
  EXPECT_TRUE(holds_always({.preemptions = 3}, [] { pusher_and_popper(true); }));
  EXPECT_TRUE(holds_always(two_stops, [] { sleeper_and_popper(true); }));
}
TEST(injector_model, restored_obliges_to_wake_one) {
  EXPECT_TRUE(fails(
      two_stops, [] { sleeper_and_popper(false); }, "asleep beside a word"));
}
TEST(injector_model, a_disputed_word_is_not_forgotten) {
  EXPECT_TRUE(holds(some, disputed));
}
TEST(injector_model, each_word_once_and_in_order) {
  EXPECT_TRUE(holds_always(two_stops, two_producers));
}

TEST(injector_model, XC_18_one_that_stands_still_holds_up_nobody) {
  EXPECT_TRUE(holds_always(one_freezes, [] { pusher_and_popper(true); }));
  EXPECT_TRUE(holds_always(one_freezes, two_producers));
}
TEST(injector_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"injector.hpp", "injector.cpp"}));
}

}  // namespace
