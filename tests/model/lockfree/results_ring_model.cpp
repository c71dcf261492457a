// SPDX-License-Identifier: MIT
// The results ring in all interleavings, with one or two slots and more results than that: every
// slot is used again. The results are watched memory, so a producer that comes before the consumer
// has left a slot, or a consumer that comes before a result is written, is a data race.
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/lockfree/results_ring.hpp"

namespace {

using namespace pinion::model;
using ring = pinion::results_ring<cell<int>>;
using pinion::os::atomic;

constexpr auto seq_cst = std::memory_order_seq_cst;

// What the consumer has got, in the order in which it came.
struct received {
  std::vector<int> values;

  void take(const cell<int>& c) { values.push_back(c.read()); }
  void take_one(ring& r) {
    if (auto c = r.try_pop()) take(*c);
  }
  void take_rest(ring& r, std::size_t sent) {
    while (auto c = r.try_pop()) take(*c);
    require(values.size() == sent, "a result is lost, or comes twice");
    for (const int v : values)
      require(std::count(values.begin(), values.end(), v) == 1, "a result comes twice");
  }
  void expect_in_order(int first, int then) const {
    const auto a = std::find(values.begin(), values.end(), first);
    const auto b = std::find(values.begin(), values.end(), then);
    require(a <= b || a == values.end() || b == values.end(),
            "two of one producer in the wrong order");
  }
};

std::size_t push_if_credit(ring& r, int value) {
  auto c = r.try_credit();
  if (!c) return 0;
  r.push(std::move(*c), value);
  return 1;
}

// One slot, used again as soon as its credit is free. Without the acquire in take_credits() the
// second producer writes where the consumer still reads.
void one_slot() {
  ring r(1);
  std::size_t sent[2] = {};
  received got;
  thread a([&] { sent[0] = push_if_credit(r, 1); });
  thread b([&] { sent[1] = push_if_credit(r, 2); });
  got.take_one(r);
  a.join(), b.join();
  got.take_rest(r, sent[0] + sent[1]);
}

// The credit that frees a slot may be another producer's: claims of tickets are one chain. Without
// the release or the acquire in claim() this is a data race.
void credits_of_others() {
  ring r(2);
  std::size_t sent[2] = {};
  received got;
  const auto produce = [&](std::size_t who) {
    for (int i = 0; i < 2; ++i) sent[who] += push_if_credit(r, static_cast<int>(10 * who) + i);
  };
  thread a([&] { produce(0); });
  thread b([&] { produce(1); });
  got.take_one(r);
  got.take_one(r);
  a.join(), b.join();
  got.expect_in_order(0, 1);
  got.take_rest(r, sent[0] + sent[1]);
}

// Both credits are taken before either of the tickets.
void credits_in_advance() {
  ring r(2);
  received got;
  r.push(std::move(*r.try_credit()), 1);
  r.push(std::move(*r.try_credit()), 2);
  std::size_t sent = 2;
  const auto one_more = [&](int value) {
    if (auto c = r.try_credit()) {
      r.push(std::move(*c), value);
      ++sent;
    }
  };
  thread a([&] { one_more(3); });
  thread b([&] { one_more(4); });
  got.take_one(r);
  got.take_one(r);
  a.join(), b.join();
  got.take_rest(r, sent);
}

void batches() {
  ring r(2);
  std::size_t sent = 0;
  received got;
  thread a([&] {
    for (int round = 0; round < 2; ++round) {
      auto with = r.try_credits(2);
      std::vector<cell<int>> results;
      for (std::size_t i = 0; i < with.size(); ++i)
        results.emplace_back(static_cast<int>(sent + i));
      sent += results.size();
      r.push_many(with, results);
    }
  });
  std::vector<cell<int>> out(2);
  const std::size_t n = r.pop_many(out);
  for (std::size_t i = 0; i < n; ++i) got.take(out[i]);
  a.join();
  got.take_rest(r, sent);
  require(std::is_sorted(got.values.begin(), got.values.end()), "in order");
}

// The producer sees the announcement, or the consumer the result.
void consumer_sleeps(bool batch) {
  ring r(2);
  atomic<int> asleep{0};
  bool wakes = false;
  thread a([&] {
    if (batch) {
      auto with = r.try_credits(2);
      std::array<cell<int>, 2> results;
      r.push_many(with, results);
    } else {
      push_if_credit(r, 1);
    }
    wakes = asleep.load(seq_cst) != 0;
  });
  asleep.store(1, seq_cst);
  const bool sees = r.has_ready();
  a.join();
  require(sees || wakes, "nobody sees the result");
}

// The consumer sees the announcement, or the producer the credit.
void producer_sleeps() {
  ring r(1);
  push_if_credit(r, 1);
  atomic<int> asleep{0};
  bool sees = false;
  thread a([&] {
    asleep.store(1, seq_cst);
    sees = r.has_credit();
  });
  received got;
  got.take_one(r);
  const bool wakes = asleep.load(seq_cst) != 0;
  a.join();
  require(sees || wakes, "nobody sees the credit");
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 2, .may_fail = {.freezes = 1}};
const options three_stops{.preemptions = 3};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {{}, one_slot},
      {two_stops, credits_of_others},
      {three_stops, credits_in_advance},
      {{}, batches},
      {{}, [] { consumer_sleeps(false); }},
      {{}, [] { consumer_sleeps(true); }},
      {{}, producer_sleeps},
  };
  return all;
}

TEST(results_ring_model, a_slot_is_written_when_the_consumer_has_left_it) {
  EXPECT_TRUE(holds_always({}, one_slot));
  EXPECT_TRUE(holds_always(two_stops, credits_of_others));
  EXPECT_TRUE(holds_always(three_stops, credits_in_advance));
}
TEST(results_ring_model, batches_lose_nothing) {
  EXPECT_TRUE(holds_always({}, batches));
}
TEST(results_ring_model, producer_or_consumer_sees_the_other) {
  EXPECT_TRUE(holds_always({}, [] { consumer_sleeps(false); }));
  EXPECT_TRUE(holds_always({}, [] { consumer_sleeps(true); }));
  EXPECT_TRUE(holds_always({}, producer_sleeps));
}

TEST(results_ring_model, XC_18_one_that_stands_still_holds_up_nobody) {
  for (const auto run : {one_slot, credits_of_others, credits_in_advance, batches})
    EXPECT_TRUE(holds_always(one_freezes, run));
}
TEST(results_ring_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"results_ring.hpp"}));
}

}  // namespace
