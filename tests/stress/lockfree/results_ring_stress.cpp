// SPDX-License-Identifier: MIT
// Producers against the consumer: nothing lost, nothing twice, no slot used while it is in use.
#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/lockfree/results_ring.hpp"

namespace {

using namespace pinion::test;

// Plain memory that says whether it is whole, and that a sanitizer watches.
struct result {
  std::size_t id = 0;
  std::array<std::size_t, 3> copies{};

  result() = default;
  explicit result(std::size_t i) : id(i), copies{i, i, i} {}
  bool whole() const { return copies == std::array<std::size_t, 3>{id, id, id}; }
};

using ring = pinion::results_ring<result>;

class results_ring_stress : public stress {
 protected:
  // The first thread consumes; all, or the others, produce. A thread alone does both in turn.
  void run(std::size_t capacity, std::size_t count) {
    ring r(capacity);
    tally taken(count);
    std::atomic<std::size_t> next{0};
    std::size_t left = count;
    std::size_t torn = 0;
    run_threads(threads(), [&](unsigned me) {
      auto random = generator(me);
      auto consume = [&] {
        std::array<result, 32> out;
        const std::size_t n = r.pop_many(std::span(out).first(random() % 33));
        for (std::size_t i = 0; i < n; ++i) {
          taken.take(out[i].id);
          torn += !out[i].whole();
        }
        left -= n;
        if (const auto one = r.try_pop()) {
          taken.take(one->id);
          torn += !one->whole();
          --left;
        } else {
          std::this_thread::yield();
        }
      };
      if (threads() == 1)
        while (left != 0) {
          produce(r, next, count, random);
          consume();
        }
      else if (me == 0)
        while (left != 0) consume();
      else
        while (next.load(std::memory_order_relaxed) < count) produce(r, next, count, random);
    });
    taken.expect_each_once();
    EXPECT_EQ(torn, 0u);
    EXPECT_EQ(r.try_credits(capacity + 1).size(), capacity);
  }

 private:
  // Some credits are used long after others that were taken later, some not at all.
  static void produce(ring& r, std::atomic<std::size_t>& next, std::size_t count, auto& random) {
    auto early = r.try_credit();
    for (int i = 0; i < 8; ++i) {
      auto some = r.try_credits(random() % 8);
      std::array<result, 8> batch;
      std::size_t n = 0;
      for (; n < some.size() && random() % 8 != 0; ++n) {
        const std::size_t id = next.fetch_add(1, std::memory_order_relaxed);
        if (id >= count) break;
        batch[n] = result(id);
      }
      if (n == 1)
        r.push(some.split(), batch[0]);
      else
        r.push_many(some, std::span(batch).first(n));
    }
    if (early)
      if (const std::size_t id = next.fetch_add(1, std::memory_order_relaxed); id < count)
        r.push(std::move(*early), result(id));
    if (!early) std::this_thread::yield();
  }
};

INSTANTIATE_TEST_SUITE_P(results_ring, results_ring_stress, shapes(), name);

// Goal: every result comes out once and whole, at capacities from where every slot is always in
// use to where few are.
// Finds: a consumer that frees a credit before it has left the slot; a sequence published before
// the result; (under ThreadSanitizer) tickets claimed without an acquire-release chain.
TEST_P(results_ring_stress, gives_each_result_once_and_whole) {
  for (const std::size_t capacity : {1U, 2U, 3U, 64U, 1000U})
    run(capacity, scaled(capacity < 64 ? 20'000 : 500'000));
}

// The two meetings of a change and a sleeper: of the change, then a look for the sleeper, and the
// announcement, then a look for the change, one sees the other.
void expect_no_miss(std::size_t rounds, auto change, auto seen, auto undo) {
  std::atomic<int> asleep{0};
  rendezvous step;
  bool saw_sleeper = false;
  bool saw_change = false;
  std::size_t missed = 0;
  run_threads(2, [&](unsigned thread) {
    for (std::size_t round = 0; round < rounds; ++round) {
      step.meet();
      if (thread == 0) {
        change();
        saw_sleeper = asleep.load(std::memory_order_seq_cst) != 0;
      } else {
        asleep.exchange(1, std::memory_order_seq_cst);
        saw_change = seen();
      }
      step.meet();
      if (thread == 0) {
        missed += !saw_sleeper && !saw_change;
        undo();
        asleep.store(0);
      }
    }
  });
  EXPECT_EQ(missed, 0u) << "of " << rounds;
}

// Finds: a release store of the sequence.
TEST(results_ring_stress, push_and_a_sleeping_consumer_never_miss_each_other) {
  pinion::results_ring<int> r(4);
  expect_no_miss(
      scaled(200'000), [&] { r.push(*r.try_credit(), 1); }, [&] { return r.has_ready(); },
      [&] { r.try_pop(); });
}

// Finds: a batch whose last store only releases.
TEST(results_ring_stress, push_many_and_a_sleeping_consumer_never_miss_each_other) {
  pinion::results_ring<int> r(4);
  std::array<int, 2> values{1, 2};
  std::array<int, 2> out{};
  expect_no_miss(
      scaled(200'000),
      [&] {
        auto some = r.try_credits(2);
        r.push_many(some, values);
      },
      [&] {
        r.try_pop();  // the first, if it is there; then it sleeps over the second
        return r.has_ready();
      },
      [&] { r.pop_many(out); });
}

TEST(results_ring_stress, pop_and_a_wait_for_credits_never_miss_each_other) {
  pinion::results_ring<int> r(1);
  r.push(*r.try_credit(), 1);
  expect_no_miss(
      scaled(200'000), [&] { r.try_pop(); }, [&] { return r.has_credit(); },
      [&] { r.push(*r.try_credit(), 1); });
}

}  // namespace
