// SPDX-License-Identifier: MIT
// Injector: the queue through which work from outside reaches the workers.
//
//   client --producer-->  [ own sub-queue ]  \                     / --consumer--> worker
//   client --producer-->  [ own sub-queue ]   >  flag: "not empty"   --consumer--> worker
//   client --producer-->  [ own sub-queue ]  /                     \ --consumer--> worker
//
// Inside is moodycamel's queue: one sub-queue a producer, so producers never meet. What it lacks
// is a cheap and a reliable answer to "is there anything?": an empty dequeue walks over every
// producer, and its failure does not prove that the queue is empty, because the last item may
// still be disputed between two consumers. So a flag stands in front, alone on its line. While it
// is down nobody looks inside. Whoever finds the queue empty takes it down and looks again:
//
//        push                                  pop_many that found nothing
//   P1  enqueue                           C1  take the flag down
//   P2  full fence                        C2  full fence
//   P3  flag down? raise it               C3  items counted? raise it, report `restored`
//
// One of the two fences comes first. If P2 does, C3 counts the item. If C2 does, P3 sees the flag
// down and raises it. A worker may have seen the flag down between C1 and C3 and gone to sleep on
// it; therefore `restored` obliges the caller to wake one.
//
// Order is kept per producer, and only there. The whole argument is in docs/protocols/injector.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include <concurrentqueue/concurrentqueue.h>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::lockfree {

/// A queue of words that stand for work; a word is never 0.
///
/// @threads   any number of producers and consumers in parallel; each by one thread at a time
/// @order     what was done before a push is visible to whoever pops the word
/// @progress  push is wait-free but when it allocates; a pop is lock-free, and may find nothing
///            although another thread has not finished taking the last word
/// @lifetime  destroyed after its producers, consumers and all calls; words left are forgotten
class injector {
  struct traits : moodycamel::ConcurrentQueueDefaultTraits {
    // At most 32: up to there a consumer marks its slot by a store instead of counting.
    static constexpr std::size_t BLOCK_SIZE = 32;
    // How long a consumer stays with one producer while others wait.
    static constexpr std::uint32_t EXPLICIT_CONSUMER_CONSUMPTION_QUOTA_BEFORE_ROTATE = 32;
    // None: threads that come and go would leave a sub-queue each, and a hook in their exit.
    static constexpr std::size_t INITIAL_IMPLICIT_PRODUCER_HASH_SIZE = 0;

    static void* malloc(std::size_t bytes) noexcept { return ::operator new(bytes, std::nothrow); }
    static void free(void* p) noexcept { ::operator delete(p); }
  };
  using queue = moodycamel::ConcurrentQueue<std::uintptr_t, traits>;

 public:
  /// The right to push; its sub-queue goes to the next producer when it ends.
  class producer {
   public:
    /// Comes with room for a few words, so that try_push works at once.
    /// @errors    throws std::bad_alloc
    explicit producer(injector&);

   private:
    friend class injector;
    moodycamel::ProducerToken token_;
  };

  /// The right to pop; remembers which sub-queue it is at.
  class consumer {
   public:
    explicit consumer(injector& from) noexcept : token_(from.queue_) {}

   private:
    friend class injector;
    moodycamel::ConsumerToken token_;
  };

  struct popped {
    std::size_t count;
    bool restored;  // the caller must wake one worker, be it that it finds nothing to do
  };

  /// `spare` words fit without going to the heap, beyond what each producer brings.
  explicit injector(std::size_t spare = 1024);
  ~injector();
  injector(const injector&) = delete;
  injector& operator=(const injector&) = delete;

  /// Adds a word. As a seq_cst read-modify-write would, it comes before the caller's later loads:
  /// of a load of the word in which sleepers announce themselves, and has_work() after such an
  /// announcement, one sees the other.
  /// @cost      no shared read-modify-write; one full fence
  /// @errors    throws std::bad_alloc; nothing was added
  void push(producer&, std::uintptr_t);

  /// As push(), but never allocates. False: no room without it, nothing was added.
  [[nodiscard]] bool try_push(producer&, std::uintptr_t) noexcept;

  /// As push() of each in turn, by one store.
  /// @errors    throws std::bad_alloc; nothing was added
  void push_many(producer&, const std::uintptr_t* words, std::size_t count);

  /// Takes up to `max` words, of one producer where that is enough.
  popped pop_many(consumer&, std::uintptr_t* out, std::size_t max) noexcept;

  /// For polling: false if there is nothing, as far as this thread has heard.
  /// @cost      one load of a line that is rarely written
  bool maybe_work() const noexcept {
    // relaxed: an answer that is out of date is corrected by the next poll, or by has_work().
    return flag_.load(std::memory_order_relaxed) != 0;
  }

  /// For who has announced, by a seq_cst write, that it is about to sleep: true if there is a
  /// word whose pusher did not see that announcement.
  bool has_work() const noexcept {
    // seq_cst: against the store of the flag in raise().
    return flag_.load(std::memory_order_seq_cst) != 0;
  }

  /// @cost      reads a line of every producer
  std::size_t size_approx() const noexcept {
    // relaxed: a guess orders nothing.
    const std::size_t others = warm_ups_.load(std::memory_order_relaxed);
    const std::size_t all = queue_.size_approx();
    return all > others ? all - others : 0;
  }

 private:
  std::size_t dequeue(consumer&, std::uintptr_t* out, std::size_t max) noexcept;
  void raise() noexcept;

  queue queue_;

  // Words in the queue that are not work. Written when a producer begins, and soon after.
  os::atomic<std::size_t> warm_ups_{0};

  // Read by every poll and push, written when the queue turns empty or stops being so.
  alignas(cache_line_size) os::atomic<std::uint32_t> flag_{0};
};

}  // namespace pinion::lockfree
