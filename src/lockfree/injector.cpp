// SPDX-License-Identifier: MIT
#if defined(__GNUC__) && !defined(__clang__)
// The queue inside uses fences, of which GCC warns when it builds for ThreadSanitizer. It must be
// said before the first header, and holds for this file alone.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include "src/lockfree/injector.hpp"

#include <algorithm>

#if defined(PINION_OS_TSAN)
extern "C" {
void __tsan_acquire(void*);
void __tsan_release(void*);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace pinion::lockfree {

namespace {

// What a new producer pushes once, to have a block of its own; consumers drop it.
constexpr std::uintptr_t warm_up = 0;

// How often a consumer tries again to take an item that is counted but that it does not get: its
// taker has been stopped between two instructions, and nobody knows for how long.
constexpr int disputed_tries = 4;

// ThreadSanitizer does not know the fences inside the queue. So it is told not to look at what
// the queue does in there, and that what was done before a push comes before what follows a pop.
#if defined(PINION_OS_TSAN)
struct unseen {
  unseen() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
};
void hand_over(void* queue) {
  __tsan_release(queue);
}
void take_over(void* queue) {
  __tsan_acquire(queue);
}
#else
struct unseen {
  unseen() {}
};
void hand_over(void*) {}
void take_over(void*) {}
#endif

}  // namespace

injector::producer::producer(injector& to) : token_(to.queue_) {
  if (!token_.valid()) throw std::bad_alloc();
  // relaxed, both: for a guess. Counted first, so that no consumer is ahead of it.
  to.warm_ups_.fetch_add(1, std::memory_order_relaxed);
  [[maybe_unused]] const unseen scope;
  if (to.queue_.enqueue(token_, warm_up)) return;
  to.warm_ups_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: as above
  throw std::bad_alloc();
}

injector::injector(std::size_t spare) : queue_(spare) {}

injector::~injector() = default;

void injector::push(producer& from, std::uintptr_t w) {
  hand_over(&queue_);
  {
    [[maybe_unused]] const unseen scope;
    if (!queue_.enqueue(from.token_, w)) throw std::bad_alloc();  // P1
  }
  raise();
}

bool injector::try_push(producer& from, std::uintptr_t w) noexcept {
  hand_over(&queue_);
  {
    [[maybe_unused]] const unseen scope;
    if (!queue_.try_enqueue(from.token_, w)) return false;  // P1
  }
  raise();
  return true;
}

void injector::push_many(producer& from, const std::uintptr_t* words, std::size_t count) {
  if (count == 0) return;
  hand_over(&queue_);
  {
    [[maybe_unused]] const unseen scope;
    if (!queue_.enqueue_bulk(from.token_, words, count)) throw std::bad_alloc();  // P1
  }
  raise();
}

void injector::raise() noexcept {
  os::full_fence();  // P2, pairs with C2 in pop_many
  // P3. seq_cst: where it reads a raised flag, a sleeper that announces itself after the caller's
  // look at the sleepers reads it raised as well.
  if (flag_.load(std::memory_order_seq_cst) == 0)
    // seq_cst: against the load in has_work().
    flag_.store(1, std::memory_order_seq_cst);
}

injector::popped injector::pop_many(consumer& to, std::uintptr_t* out, std::size_t max) noexcept {
  if (!maybe_work()) return {0, false};
  std::size_t count = dequeue(to, out, max);
  if (count != 0 || max == 0) return {count, false};
  // C1. seq_cst: against P3, and against the load in has_work().
  flag_.exchange(0, std::memory_order_seq_cst);
  os::full_fence();                                  // C2, pairs with P2 in raise()
  if (queue_.size_approx() == 0) return {0, false};  // C3
  // seq_cst: as in raise().
  flag_.store(1, std::memory_order_seq_cst);
  for (int i = 0; i < disputed_tries && count == 0; ++i) count = dequeue(to, out, max);
  return {count, true};
}

std::size_t injector::dequeue(consumer& to, std::uintptr_t* out, std::size_t max) noexcept {
  std::size_t count = 0;
  std::size_t useful = 0;
  do {
    [[maybe_unused]] const unseen scope;
    count = queue_.try_dequeue_bulk(to.token_, out, max);
    useful = static_cast<std::size_t>(std::remove(out, out + count, warm_up) - out);
    // relaxed: for a guess.
    if (useful != count) warm_ups_.fetch_sub(count - useful, std::memory_order_relaxed);
  } while (count != 0 && useful == 0);
  if (useful != 0) take_over(&queue_);
  return useful;
}

}  // namespace pinion::lockfree
