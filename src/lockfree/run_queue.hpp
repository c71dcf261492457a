// SPDX-License-Identifier: MIT
// Run queue: one owner adds, everybody takes the oldest, several at once for one CAS.
//
//        everybody takes here                   the owner adds here
//               |                                       |
//               v                                       v
//      [ .. | head | head+1 | ................ | tail-1 | tail | .. ]
//             oldest                             newest   next free
//
// Tasks start in the order in which they were posted, so none waits for those that came after it.
// And because tail never moves back, a taker may claim any number of tasks with one CAS on head:
// it reads head, tail and the slots once, however many it takes. A thief that takes half of a long
// queue disturbs the owner's lines once for all of them. (In a deque whose owner works at the
// bottom, a thief must read bottom again for every task.)
//
// Invariant: head <= tail, and both only grow. Slots [head, tail) hold the tasks.
//
// A taker copies the slots before its CAS. If the owner has reused one of them meanwhile, head had
// moved before, and the CAS fails. A buffer that was outgrown is kept for takers that still read
// it.
//
// Progress: push is wait-free unless it grows (then it allocates); one take attempt is wait-free
// and may lose, retrying until something was taken or nothing is left is lock-free.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::lockfree {

/// @threads   push, push_many, has_room and pop: one owner at a time. All else: any thread.
/// @order     what the owner did before a push is visible to whoever takes the word
/// @lifetime  words left at the end are forgotten
class run_queue {
 public:
  using word = std::uintptr_t;

  /// @errors    throws std::bad_alloc
  explicit run_queue(std::size_t initial_capacity = 256)
      : buffer_(make_buffer(initial_capacity, nullptr)) {}
  run_queue(const run_queue&) = delete;
  run_queue& operator=(const run_queue&) = delete;
  ~run_queue() {
    buffer* b = buffer_.load(std::memory_order_relaxed);  // relaxed: nobody else is inside
    while (b != nullptr) {
      buffer* outgrown = b->outgrown;
      delete_buffer(b);
      b = outgrown;
    }
  }

  /// Adds one. It is a seq_cst store: of a load that follows, of the word in which sleepers
  /// announce themselves, and looks_empty() after that announcement, one sees the other.
  /// @cost      one locked instruction on the owner's line
  /// @errors    throws std::bad_alloc; the queue is as before
  void push(word w) {
    const std::int64_t t = tail_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    buffer* b = buffer_.load(std::memory_order_relaxed);           // relaxed: the owner's own
    if (t - head_seen_ >= b->capacity()) [[unlikely]]
      b = make_room(1);
    b->put(t, w);
    // seq_cst: publishes the slot, pairs with the load in steal(); and against the caller's load.
    tail_.store(t + 1, std::memory_order_seq_cst);
  }

  /// As push() of each in turn, seen by takers all at once.
  void push_many(std::span<const word> words) {
    if (words.empty()) return;
    std::int64_t t = tail_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    buffer* b = buffer_.load(std::memory_order_relaxed);     // relaxed: the owner's own
    if (t - head_seen_ + std::ssize(words) > b->capacity()) b = make_room(words.size());
    for (const word w : words) b->put(t++, w);
    tail_.store(t, std::memory_order_seq_cst);  // seq_cst: as in push()
  }

  /// Would a push go through without growing?
  bool has_room() noexcept {
    const std::int64_t t = tail_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    buffer* b = buffer_.load(std::memory_order_relaxed);           // relaxed: the owner's own
    if (t - head_seen_ < b->capacity()) return true;
    head_seen_ = head_.load(std::memory_order_acquire);  // acquire: as in make_room()
    return t - head_seen_ < b->capacity();
  }

  /// The oldest, or 0 when there is none. For the owner. What `next` points to after a success
  /// will be popped some tasks later: a hint for prefetching, or 0.
  word pop(word& next) noexcept {
    // acquire: nothing is read before it; a head that is out of date fails the CAS.
    std::int64_t h = head_.load(std::memory_order_acquire);
    // relaxed, both: the owner's own.
    const std::int64_t t = tail_.load(std::memory_order_relaxed);
    const buffer* b = buffer_.load(std::memory_order_relaxed);
    while (h < t) {
      const word w = b->get(h);
      // release and acquire: as in steal().
      if (head_.compare_exchange_weak(h, h + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        next = h + look_ahead < t ? b->get(h + look_ahead) : 0;
        return w;
      }
    }
    return 0;
  }

  /// The oldest ones: up to half of what is there (rounded up), at most out.size(). How many.
  /// For thieves.
  std::size_t steal(std::span<word> out) noexcept {
    // acquire: nothing is read before it; a head that is out of date fails the CAS.
    std::int64_t h = head_.load(std::memory_order_acquire);
    for (;;) {
      // acquire: sees the slots below tail; pairs with the store in push().
      const std::int64_t t = tail_.load(std::memory_order_acquire);
      if (t <= h) return 0;
      const std::int64_t n = std::min((t - h + 1) / 2, std::ssize(out));
      // acquire: sees a buffer at least as new as the tail read above, and its slots.
      const buffer* b = buffer_.load(std::memory_order_acquire);
      for (std::int64_t i = 0; i < n; ++i) out[static_cast<std::size_t>(i)] = b->get(h + i);
      // release: the reads of the slots are over before the owner reuses them; pairs with the
      // acquire in make_room(). acquire: as the first load.
      if (head_.compare_exchange_weak(h, h + n, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        return static_cast<std::size_t>(n);
      }
    }
  }

  std::size_t size_approx() const noexcept {
    // relaxed, both: a guess orders nothing.
    const std::int64_t h = head_.load(std::memory_order_relaxed);
    const std::int64_t t = tail_.load(std::memory_order_relaxed);
    return t > h ? static_cast<std::size_t>(t - h) : 0;
  }

  /// For who has announced, by a seq_cst write, that it is about to sleep: false if a word is
  /// there whose pusher did not see that announcement.
  bool looks_empty() const noexcept {
    // seq_cst, head first: with an older head the answer errs towards "not empty" only.
    const std::int64_t h = head_.load(std::memory_order_seq_cst);
    return tail_.load(std::memory_order_seq_cst) <= h;  // seq_cst: against the store in push()
  }

 private:
  static constexpr std::int64_t look_ahead = 6;

  /// A power of two of slots; index i is in slot i & mask.
  struct buffer {
    std::int64_t mask;
    buffer* outgrown;  // the one before, kept for late takers
    os::atomic<word>* slots;

    std::int64_t capacity() const noexcept { return mask + 1; }
    // relaxed, both: tail publishes slots, and a taker uses what it read only if its CAS on head
    // proves that the slot was not reused.
    word get(std::int64_t i) const noexcept {
      return slots[i & mask].load(std::memory_order_relaxed);
    }
    void put(std::int64_t i, word w) noexcept {
      slots[i & mask].store(w, std::memory_order_relaxed);  // relaxed: as above
    }
  };

  static buffer* make_buffer(std::size_t least, buffer* outgrown) {
    const std::size_t capacity = std::bit_ceil(std::max<std::size_t>(least, 2));
    auto slots = std::make_unique<os::atomic<word>[]>(capacity);
    auto* b = new buffer{static_cast<std::int64_t>(capacity) - 1, outgrown, slots.get()};
    static_cast<void>(slots.release());
    return b;
  }
  static void delete_buffer(buffer* b) noexcept {
    delete[] b->slots;
    delete b;
  }

  // Room for `count` more: what takers have freed, or a larger buffer.
  buffer* make_room(std::size_t count) {
    const std::int64_t t = tail_.load(std::memory_order_relaxed);  // relaxed: the owner's own
    buffer* b = buffer_.load(std::memory_order_relaxed);           // relaxed: the owner's own
    // acquire: takers are done with the slots below; pairs with the release in pop() and steal().
    head_seen_ = head_.load(std::memory_order_acquire);
    const auto wanted = static_cast<std::size_t>(t - head_seen_) + count;
    if (wanted <= static_cast<std::size_t>(b->capacity())) return b;
    buffer* larger = make_buffer(std::max(wanted, 2 * static_cast<std::size_t>(b->capacity())), b);
    for (std::int64_t i = head_seen_; i < t; ++i) larger->put(i, b->get(i));
    // release: publishes the slots of the larger buffer; pairs with the acquire in steal().
    buffer_.store(larger, std::memory_order_release);
    return larger;
  }

  // Contended: everybody who takes.
  alignas(cache_line_size) os::atomic<std::int64_t> head_{0};

  // Written by the owner, read by takers.
  alignas(cache_line_size) os::atomic<std::int64_t> tail_{0};
  os::atomic<buffer*> buffer_;

  // The owner alone.
  alignas(cache_line_size) std::int64_t head_seen_ = 0;  // a value head once had
};

}  // namespace pinion::lockfree
