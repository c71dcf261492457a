// SPDX-License-Identifier: MIT
// Producers against consumers: nothing lost, nothing twice, nothing left behind with all asleep.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "src/lockfree/injector.hpp"

namespace {

using namespace pinion::test;
using pinion::lockfree::injector;

// Plain memory, so that a sanitizer sees a word that is popped before it was published.
struct item {
  std::size_t id = 0;
  unsigned producer = 0;
};

class injector_stress : public stress {};

INSTANTIATE_TEST_SUITE_P(injector, injector_stress, shapes(), name);

// Goal: every word comes out once, and each consumer sees each producer's words in order.
// Method: each thread produces and consumes in turn, single and in batches.
// Finds: a pop that hands out a producer's warm-up, or drops the words that came with it.
TEST_P(injector_stress, gives_each_word_once_and_in_order) {
  const std::size_t each = scaled(2'000'000) / threads();
  const std::size_t count = each * threads();
  injector q;
  std::vector<item> items(count);
  tally taken(count);
  std::atomic<std::size_t> left{count};
  std::atomic<std::size_t> out_of_order{0};
  run_threads(threads(), [&](unsigned me) {
    auto random = generator(me);
    auto to = std::make_unique<injector::producer>(q);
    injector::consumer from(q);
    std::vector<std::size_t> last(threads());  // by producer: id + 1 of the last item seen
    std::uintptr_t words[64];
    const std::size_t end = (me + 1) * each;
    for (std::size_t next = me * each; left.load(std::memory_order_relaxed) != 0;) {
      const std::size_t n = std::min<std::size_t>(random() % 64, end - next);
      for (std::size_t i = 0; i < n; ++i, ++next) {
        items[next] = {next, me};
        words[i] = reinterpret_cast<std::uintptr_t>(&items[next]);
      }
      if (n == 1) q.push(*to, words[0]);
      if (n == 2) {
        q.push(*to, words[0]);
        if (!q.try_push(*to, words[1])) q.push(*to, words[1]);
      }
      if (n > 2) q.push_many(*to, words, n);
      const std::size_t got = q.pop_many(from, words, 1 + random() % 64).count;
      for (std::size_t i = 0; i < got; ++i) {
        const item& it = *reinterpret_cast<const item*>(words[i]);
        out_of_order += it.id < last[it.producer];
        last[it.producer] = it.id + 1;
        taken.take(it.id);
      }
      left.fetch_sub(got, std::memory_order_relaxed);
      if (n == 0 && got == 0) std::this_thread::yield();
    }
  });
  taken.expect_each_once();
  EXPECT_EQ(out_of_order.load(), 0u);
  injector::consumer from(q);
  std::uintptr_t w = 0;
  q.pop_many(from, &w, 1);
  EXPECT_EQ(q.pop_many(from, &w, 1).count, 0u);
  EXPECT_FALSE(q.has_work());
  EXPECT_EQ(q.size_approx(), 0u);
}

// The least a pool needs to sleep: a count of those who are about to, and a token for each waker.
class bed {
 public:
  void sleep_unless(const auto& has_work) {
    asleep_.fetch_add(1, std::memory_order_seq_cst);
    if (has_work() && leave()) return;
    std::unique_lock lock(mutex_);
    woken_.wait(lock, [&] { return tokens_ != 0; });
    --tokens_;
  }

  void wake_one() {
    if (!leave()) return;
    const std::lock_guard lock(mutex_);
    ++tokens_;
    woken_.notify_one();
  }

 private:
  bool leave() {
    int n = asleep_.load(std::memory_order_seq_cst);
    while (n > 0 && !asleep_.compare_exchange_weak(n, n - 1)) {
    }
    return n > 0;
  }

  std::atomic<int> asleep_{0};
  std::mutex mutex_;
  std::condition_variable woken_;
  int tokens_ = 0;
};

// Two words that wait for each other, so that a worker too few is a standstill.
class pair_of_tasks {
 public:
  // True when both have come.
  bool meet(std::size_t round) {
    const std::size_t goal = 2 * round;
    arrived_.fetch_add(1);
    for (std::size_t spins = 0; arrived_.load() < goal; ++spins) {
      if (spins > 1000) std::this_thread::yield();
      if (over_.load()) return false;
    }
    return true;
  }
  // For the submitter: false if nothing has moved for long.
  bool await(std::size_t round) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (std::size_t spins = 0; arrived_.load() < 2 * round; ++spins) {
      if (spins > 1000) std::this_thread::yield();
      if (spins % 1024 == 1023 && std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }
  void stop() { over_.store(true); }

 private:
  std::atomic<std::size_t> arrived_{0};
  std::atomic<bool> over_{false};
};

// Goal: no word stays behind while a worker sleeps.
// Method: two workers that sleep as soon as they find nothing. Per round one push of two words
// that only two workers can do together; the pusher wakes as many as it sees asleep.
// Finds: a push that reads the flag without a fence after the enqueue; no second look after the
// flag was taken down.
TEST(injector_stress, no_word_is_stranded_while_a_worker_sleeps) {
  const std::size_t rounds = scaled(300'000);
  constexpr std::uintptr_t last_word = ~std::uintptr_t{0};
  injector q;
  bed sleepers;
  pair_of_tasks tasks;
  bool stranded = false;
  run_threads(3, [&](unsigned thread) {
    if (thread == 0) {
      injector::producer to(q);
      for (std::uintptr_t round = 1; round <= rounds && !stranded; ++round) {
        const std::uintptr_t both[] = {round, round};
        q.push_many(to, both, 2);
        sleepers.wake_one();
        sleepers.wake_one();
        stranded = !tasks.await(round);
      }
      tasks.stop();
      const std::uintptr_t ends[] = {last_word, last_word};
      q.push_many(to, ends, 2);
      for (int i = 0; i < 4; ++i) sleepers.wake_one();
      return;
    }
    injector::consumer from(q);
    for (std::uintptr_t w = 0; w != last_word;) {
      const auto got = q.pop_many(from, &w, 1);
      if (got.restored) sleepers.wake_one();
      if (got.count == 0)
        sleepers.sleep_unless([&] { return q.has_work(); });
      else if (w != last_word)
        tasks.meet(w);
    }
  });
  EXPECT_FALSE(stranded);
}

// Goal: who saw the flag down while a word was there is made up for by whoever restores the flag.
// Method: the queue is empty and the flag up. One thread pops one word; at the same moment the
// other pushes two and from then on looks whether it may sleep. At least one word is left, so
// either it may not, or the pop says `restored`.
// Finds: a pop that restores the flag and does not say so; no second look after the flag was taken
// down.
TEST(injector_stress, a_flag_seen_down_over_a_word_is_reported) {
  const std::size_t rounds = scaled(500'000);
  injector q;
  rendezvous step;
  injector::popped got{};
  std::atomic<bool> popping{true};
  bool saw_nothing = false;
  std::size_t missed = 0;
  std::size_t restored = 0;
  run_threads(2, [&](unsigned thread) {
    injector::producer to(q);
    injector::consumer from(q);
    auto random = generator(thread);
    std::uintptr_t w = 0;
    for (std::size_t round = 0; round < rounds; ++round) {
      step.meet();
      for (auto wait = random() % 64; wait > 0; --wait) pinion::os::spin_hint();
      if (thread == 0) {
        got = q.pop_many(from, &w, 1);
        popping.store(false);
      } else {
        const std::uintptr_t both[] = {1, 2};
        q.push_many(to, both, 2);
        do {
          saw_nothing = !q.has_work();
        } while (!saw_nothing && popping.load());
      }
      step.meet();
      if (thread == 0) {
        missed += saw_nothing && !got.restored;
        restored += got.restored;
        for (std::size_t left = 2 - got.count; left > 0;) left -= q.pop_many(from, &w, 1).count;
        popping.store(true);
      }
    }
  });
  EXPECT_EQ(missed, 0u) << "of " << rounds << ", restored " << restored;
}

}  // namespace
