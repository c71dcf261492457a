// SPDX-License-Identifier: MIT
// Owner against thieves: nothing lost, nothing twice, nothing seen before it is published.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/lockfree/deque.hpp"

namespace {

using namespace pinion::test;

// Plain memory, so that a sanitizer sees an item that is taken before it was published.
struct item {
  std::size_t id = 0;
};

using deque = pinion::lockfree::deque<item*>;

class deque_stress : public stress {
 protected:
  // One owner runs `own(generator)` over the items; the others steal until all are accounted for.
  template <class Own>
  void run(std::size_t count, Own own) {
    std::vector<item> items(count);
    tally taken(count);
    std::atomic<std::size_t> left{count};
    deque d(2);
    auto take = [&](const item* i) {
      taken.take(i->id);
      left.fetch_sub(1, std::memory_order_relaxed);
    };
    run_threads(threads(), [&](unsigned thread) {
      auto random = generator(thread);
      if (thread == 0) {
        for (std::size_t i = 0; i < count; ++i) items[i].id = i;
        own(d, items, random, take);
        item* i = nullptr;
        while (d.pop(i)) take(i);
      }
      steal_all(d, left, random, take);
    });
    taken.expect_each_once();
    EXPECT_TRUE(d.looks_empty());
  }

 private:
  template <class Random, class Take>
  static void steal_all(deque& d, const std::atomic<std::size_t>& left, Random& random, Take take) {
    item* out[16];
    unsigned misses = 0;
    while (left.load(std::memory_order_relaxed) != 0) {
      const std::size_t most = 1 + random() % 16;
      const std::size_t n = most == 1 ? d.steal(out[0]) : d.steal_batch(std::span(out, most));
      for (std::size_t i = 0; i < n; ++i) take(out[i]);
      if (n == 0 && ++misses % 64 == 0) std::this_thread::yield();
    }
  }
};

INSTANTIATE_TEST_SUITE_P(deque, deque_stress, shapes(), name);

// Goal: owner and thieves take every item exactly once around the last item.
// Method: the owner pushes a few and takes as many, so the deque is empty most of the time.
// Finds: pop without the CAS on the last item; a thief without its CAS.
TEST_P(deque_stress, a_nearly_empty_deque_gives_each_item_once) {
  run(scaled(2'000'000), [](deque& d, auto& items, auto& random, auto take) {
    for (std::size_t next = 0; next < items.size();) {
      for (std::size_t n = 1 + random() % 3; n > 0 && next < items.size(); --n)
        d.push(&items[next++]);
      item* i = nullptr;
      for (std::size_t n = random() % 4; n > 0 && d.pop(i); --n) take(i);
    }
  });
}

// Goal: the same while the deque grows and laps its buffer.
// Method: bursts of random size, from a buffer of two slots; the owner takes less than it pushes
// and then everything.
// Finds: a copy that starts behind top; a check for room that is off by one.
TEST_P(deque_stress, a_growing_deque_gives_each_item_once) {
  run(scaled(2'000'000), [](deque& d, auto& items, auto& random, auto take) {
    std::vector<item*> burst;
    for (std::size_t next = 0; next < items.size();) {
      burst.clear();
      for (std::size_t n = 1 + random() % 100; n > 0 && next < items.size(); --n)
        burst.push_back(&items[next++]);
      d.push_many(burst);
      item* i = nullptr;
      for (std::size_t n = random() % (random() % 64 == 0 ? 4000 : 40); n > 0 && d.pop(i); --n)
        take(i);
    }
  });
}

// Goal: each item goes to one of the two, whatever the owner does while a thief is in a batch.
// Method: a new deque for each duel. The thief takes a batch; the owner takes most, puts more in
// than the buffer holds, and takes again.
// Finds: a batch that does not read bottom, or the buffer, again after each item; a release store
// of bottom in pop; pop without the CAS on the last item.
TEST(deque_stress, a_duel_gives_each_item_once) {
  constexpr std::size_t most = 40;
  const std::size_t rounds = scaled(300'000);
  std::unique_ptr<pinion::lockfree::deque<std::uintptr_t>> d;
  std::vector<std::uintptr_t> first;
  std::vector<std::uintptr_t> second;
  std::vector<std::uintptr_t> stolen;
  std::vector<std::uintptr_t> popped;
  std::size_t wrong = 0;
  rendezvous step;
  auto random = generator(0);
  auto owner_takes = [&](std::size_t n) {
    for (std::uintptr_t w = 0; n > 0 && d->pop(w); --n) popped.push_back(w);
  };
  run_threads(2, [&](unsigned thread) {
    for (std::size_t round = 0; round < rounds; ++round) {
      if (thread == 0) {
        d = std::make_unique<pinion::lockfree::deque<std::uintptr_t>>(2);
        first.resize(1 + random() % (random() % 2 == 0 ? 8 : 30));
        second.resize(random() % 2 * (random() % most));
        std::iota(first.begin(), first.end(), 0);
        std::iota(second.begin(), second.end(), first.size());
        d->push_many(first);
        stolen.assign(16, 0);
        popped.clear();
      }
      step.meet();
      if (thread == 0) {
        owner_takes(random() % (first.size() + 1));
        d->push_many(second);
        owner_takes(random() % most);
      } else {
        stolen.resize(d->steal_batch(stolen));
      }
      step.meet();
      if (thread == 0) {
        owner_takes(2 * most);
        std::vector<int> count(first.size() + second.size());
        for (const auto& taken : {popped, stolen})
          for (const std::uintptr_t w : taken) ++count.at(w);
        wrong += std::any_of(count.begin(), count.end(), [](int n) { return n != 1; });
      }
    }
  });
  EXPECT_EQ(wrong, 0u) << "duels of " << rounds;
}

// Goal: of a push, then a look at the sleepers, and an announcement, then a look at the deque, one
// sees the other.
// Method: two threads take one step each per round, at the same moment.
// Finds: a release store in push, within a thousand rounds.
TEST(deque_stress, push_and_announcement_never_miss_each_other) {
  const std::size_t rounds = scaled(200'000);
  pinion::lockfree::deque<std::uintptr_t> d;
  std::atomic<int> asleep{0};
  rendezvous step;
  bool saw_sleeper = false;
  bool saw_item = false;
  std::size_t missed = 0;
  run_threads(2, [&](unsigned thread) {
    for (std::size_t round = 0; round < rounds; ++round) {
      step.meet();
      if (thread == 0) {
        d.push(1);
        saw_sleeper = asleep.load(std::memory_order_seq_cst) != 0;
      } else {
        asleep.exchange(1, std::memory_order_seq_cst);
        saw_item = !d.looks_empty();
      }
      step.meet();
      if (thread == 0) {
        std::uintptr_t w = 0;
        missed += !saw_sleeper && !saw_item;
        d.pop(w);
        asleep.store(0);
      }
    }
  });
  EXPECT_EQ(missed, 0u) << "of " << rounds;
}

}  // namespace
