// SPDX-License-Identifier: MIT
// Stands in for moodycamel's queue in the model tests of what is built on it: as much of its
// interface as the injector uses, over the seam, so that the checker sees its operations.
//
// It behaves as the real one may at its worst. One sub-queue a producer, in order. A consumer first
// says that it wants words, then looks whether they are there, and takes its wish back if they are
// not; in between others may find nothing although a word has been left. Only the counts are
// atomic: no two threads come to the same slot without one of them ordering the two.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tests/model/support/model.hpp"

#include "pinion/platform/os.hpp"

namespace moodycamel {

struct ConcurrentQueueDefaultTraits {};

/// The words of one producer.
template <class T>
struct sub_queue {
  static constexpr std::size_t capacity = 16;  // more than a test pushes

  pinion::os::atomic<bool> taken{false};
  pinion::os::atomic<std::uint64_t> pushed{0}, popped{0}, wanted{0}, wanted_in_vain{0};
  std::array<pinion::model::cell<T>, capacity> words{};

  void push(const T* from, std::size_t count) {
    const std::uint64_t at = pushed.load(std::memory_order_relaxed);  // relaxed: its own
    pinion::model::require(at + count <= capacity, "as many words as a test may push");
    for (std::size_t i = 0; i < count; ++i) words[at + i].write(from[i]);
    pushed.store(at + count, std::memory_order_release);  // release: publishes the words
  }

  std::size_t pop(T* to, std::size_t max) {
    // relaxed, both: out of date at worst; decided by the change of `wanted`.
    const std::uint64_t end_before = pushed.load(std::memory_order_relaxed);
    const std::uint64_t asked = wanted.load(std::memory_order_relaxed);
    // acquire: the wishes that were in vain come before the own one, so that it is not smaller.
    const std::uint64_t in_vain = wanted_in_vain.load(std::memory_order_acquire);
    const auto left = static_cast<std::int64_t>(end_before - (asked - in_vain));
    if (left <= 0 || max == 0) return 0;
    const std::uint64_t wish = std::min<std::uint64_t>(static_cast<std::uint64_t>(left), max);
    // relaxed: the look at what was in vain comes before, and that is what counts.
    const std::uint64_t mine = wanted.fetch_add(wish, std::memory_order_relaxed) - in_vain;
    const std::uint64_t end = pushed.load(std::memory_order_acquire);  // acquire: sees the words
    const auto there = std::clamp<std::int64_t>(static_cast<std::int64_t>(end - mine), 0,
                                                static_cast<std::int64_t>(wish));
    const auto got = static_cast<std::uint64_t>(there);
    // release: after the wish.
    if (got < wish) wanted_in_vain.fetch_add(wish - got, std::memory_order_release);
    if (got == 0) return 0;
    const std::uint64_t first = popped.fetch_add(got, std::memory_order_acq_rel);
    for (std::uint64_t i = 0; i < got; ++i) to[i] = words[first + i].read();
    return got;
  }

  std::int64_t size() const {
    // relaxed, both: a guess by itself; the caller has a fence before it.
    const std::uint64_t end = pushed.load(std::memory_order_relaxed);
    return static_cast<std::int64_t>(end - popped.load(std::memory_order_relaxed));
  }
};

template <class T, class Traits = ConcurrentQueueDefaultTraits>
class ConcurrentQueue {
 public:
  using producer = sub_queue<T>;

  explicit ConcurrentQueue(std::size_t) {}

  bool enqueue(auto& token, const T& word) { return enqueue_bulk(token, &word, 1); }
  bool try_enqueue(auto& token, const T& word) { return enqueue_bulk(token, &word, 1); }
  bool enqueue_bulk(auto& token, const T* words, std::size_t count) {
    static_cast<producer*>(token.mine)->push(words, count);
    return true;
  }

  template <class Token>
  std::size_t try_dequeue_bulk(Token& token, T* to, std::size_t max) {
    const std::size_t count = used_.load(std::memory_order_acquire);  // acquire: sees them made
    for (std::size_t i = 0; i < count; ++i) {
      producer& from = all_[(token.at + i) % count];
      const std::size_t got = from.pop(to, max);
      if (got == 0) continue;
      token.at = (token.at + i) % count;
      return got;
    }
    return 0;
  }

  std::size_t size_approx() const {
    const std::size_t count = used_.load(std::memory_order_acquire);  // acquire: as above
    std::int64_t all = 0;
    for (std::size_t i = 0; i < count; ++i) all += std::max<std::int64_t>(all_[i].size(), 0);
    return static_cast<std::size_t>(all);
  }

  // --- For the tokens.

  void* take_producer() {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      // acq_rel: from one owner to the next.
      if (all_[i].taken.exchange(true, std::memory_order_acq_rel)) continue;
      std::size_t known = used_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
      // release: a consumer that sees the number sees what is counted.
      while (known <= i && !used_.compare_exchange_weak(known, i + 1, std::memory_order_acq_rel,
                                                        std::memory_order_relaxed)) {
      }
      return &all_[i];
    }
    return nullptr;
  }
  static void give_back(void* one) {
    // release: as in take_producer().
    static_cast<producer*>(one)->taken.store(false, std::memory_order_release);
  }

 private:
  std::array<producer, 4> all_;
  pinion::os::atomic<std::size_t> used_{0};
};

struct ProducerToken {
  template <class Queue>
  explicit ProducerToken(Queue& of) : mine(of.take_producer()), end(&Queue::give_back) {}
  ProducerToken(const ProducerToken&) = delete;
  ProducerToken& operator=(const ProducerToken&) = delete;
  ~ProducerToken() {
    if (mine != nullptr) end(mine);
  }
  bool valid() const { return mine != nullptr; }

  void* mine;
  void (*end)(void*);
};

struct ConsumerToken {
  template <class Queue>
  explicit ConsumerToken(Queue&) {}

  std::size_t at = 0;
};

}  // namespace moodycamel
