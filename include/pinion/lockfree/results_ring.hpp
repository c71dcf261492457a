// SPDX-License-Identifier: MIT
// Bounded ring, many producers, one consumer, in which producers never wait.
//
// A producer may push only with a credit, and credits are taken before the work that makes the
// result is started. Credits out and results inside are never more than slots, so a push always
// finds a free one; a slow consumer holds back new work and never a worker with a finished result.
//
//     consumer takes a result  ->  its credit is free  ->  the next task may start
//
//        consumer                                      producers
//           |                                       claim | publish
//           v                                             v
//      [ .. | head | head+1 | ... ready or being written | tail | .. ]
//
// A push claims ticket t = tail++ and publishes sequence t + 1 in slot t. The consumer takes slot
// `head` once its sequence is head + 1; it writes no sequence, so slots travel one way.
//
// Why slot t is free, and known to be: t + 1 pushes have used t + 1 credits, all but `capacity` of
// which the consumer has returned, one for each result it took: t - capacity was among them. It
// is the last of those credits that proves it, and that may be another producer's than this one;
// therefore the claims of tickets are one acquire-release chain.
//
// Nothing in here waits. A consumer that sleeps announces it by a seq_cst write and then asks
// has_ready(); a producer looks for the announcement after its push. For who waits for credits,
// has_credit() does the same against the consumer's pops.
#pragma once

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"

namespace pinion {

/// @threads   credits and pushes: any. Everything that pops: one consumer at a time.
/// @order     what was done before push() is visible after the pop that took its result
/// @lifetime  destroyed after its credits; results left inside are destroyed with it
template <class T>
requires std::is_nothrow_move_constructible_v<T>
class results_ring {
 public:
  /// The right to push one result. Dropped unused, it goes back to the ring.
  class [[nodiscard]] credit {
   public:
    credit(credit&& other) noexcept : ring_(std::exchange(other.ring_, nullptr)) {}
    credit& operator=(credit&& other) noexcept {
      std::swap(ring_, other.ring_);
      return *this;
    }
    ~credit() {
      if (ring_ != nullptr) ring_->give_back(1);
    }

   private:
    friend class results_ring;
    explicit credit(results_ring* ring) noexcept : ring_(ring) {}
    results_ring* ring_;
  };

  /// Some credits of one ring, perhaps none. Those unused go back together.
  class [[nodiscard]] credits {
   public:
    credits() noexcept = default;
    credits(credits&& other) noexcept
        : ring_(other.ring_), count_(std::exchange(other.count_, 0)) {}
    credits& operator=(credits&& other) noexcept {
      std::swap(ring_, other.ring_);
      std::swap(count_, other.count_);
      return *this;
    }
    ~credits() {
      if (count_ != 0) ring_->give_back(count_);
    }

    std::size_t size() const noexcept { return count_; }

    /// Takes one out; there must be one.
    credit split() noexcept {
      assert(count_ > 0);
      --count_;
      return credit(ring_);
    }

   private:
    friend class results_ring;
    credits(results_ring* ring, std::size_t count) noexcept : ring_(ring), count_(count) {}
    results_ring* ring_ = nullptr;
    std::size_t count_ = 0;
  };

  /// @errors    throws std::bad_alloc
  explicit results_ring(std::size_t capacity)
      : capacity_(std::max<std::size_t>(capacity, 1)),
        mask_(std::bit_ceil(capacity_) - 1),
        slots_(std::make_unique<slot[]>(mask_ + 1)),
        free_(capacity_) {}
  results_ring(const results_ring&) = delete;
  results_ring& operator=(const results_ring&) = delete;
  ~results_ring() {
    while (try_take()) {
    }
  }

  /// @progress  lock-free
  std::optional<credit> try_credit() noexcept {
    if (take_credits(1) == 0) return std::nullopt;
    return credit(this);
  }

  /// As many credits as there are, up to `most`, by one read-modify-write.
  /// @progress  lock-free
  credits try_credits(std::size_t most) noexcept { return credits(this, take_credits(most)); }

  /// For who has announced, by a seq_cst write, that it is about to sleep until there is a credit.
  bool has_credit() const noexcept {
    // seq_cst: against give_back().
    return free_.load(std::memory_order_seq_cst) != 0;
  }

  /// Cannot fail. It is a seq_cst store: of a load that follows, of a word in which the consumer
  /// announces its sleep, and has_ready() after that announcement, one sees the other.
  /// @progress  wait-free
  /// @cost      one read-modify-write that producers share
  void push(credit&& with, T result) noexcept {
    assert(with.ring_ == this);
    with.ring_ = nullptr;
    push_at(claim(1), std::move(result));
  }

  /// Moves all results in, next to each other; there must be a credit for each.
  /// @cost      one shared read-modify-write for all
  void push_many(credits& with, std::span<T> results) noexcept;

  /// Takes the oldest result and frees its credit.
  /// @progress  wait-free, but a producer stopped inside push() hides what is behind it
  std::optional<T> try_pop() noexcept {
    std::optional<T> result = try_take();
    if (result) give_back(1);
    return result;
  }

  /// Takes the oldest results, as many as are ready and fit; how many. Frees their credits by one
  /// read-modify-write.
  std::size_t pop_many(std::span<T> out) noexcept requires std::is_nothrow_move_assignable_v<T>;

  /// Takes the oldest result but keeps its credit busy, for who must put results in order first.
  std::optional<T> try_take() noexcept;

  /// Frees the credits of `count` results that were taken by try_take().
  void free_credits(std::size_t count) noexcept { give_back(count); }

  /// True if the oldest result may be popped. For a consumer that has announced, by a seq_cst
  /// write, that it is about to sleep; and for a producer that asks whether waking it is of use.
  /// @threads   any
  bool has_ready() const noexcept {
    // relaxed: the consumer knows its own head; a producer asks when it has seen the announcement,
    // before which the consumer has written it.
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    // seq_cst: against publish().
    return slots_[head & mask_].sequence.load(std::memory_order_seq_cst) == head + 1;
  }

  std::size_t capacity() const noexcept { return capacity_; }

  /// Results inside, those still being written among them.
  std::size_t size_approx() const noexcept {
    // relaxed, both: a guess orders nothing.
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    return tail > head ? static_cast<std::size_t>(tail - head) : 0;
  }

 private:
  struct slot {
    os::atomic<std::uint64_t> sequence{0};  // ticket + 1 of the last result published here
    alignas(T) std::byte bytes[sizeof(T)];

    T* value() noexcept { return std::launder(reinterpret_cast<T*>(bytes)); }
  };

  std::uint64_t claim(std::size_t count) noexcept {
    // acquire: sees that the consumer has left the slots; release: passes that on to later claims.
    return tail_.fetch_add(count, std::memory_order_acq_rel);
  }

  void push_at(std::uint64_t ticket, T&& result) noexcept {
    slot& s = slots_[ticket & mask_];
    std::construct_at(reinterpret_cast<T*>(s.bytes), std::move(result));
    publish(s, ticket);
  }

  static void publish(slot& s, std::uint64_t ticket) noexcept {
    // seq_cst: publishes the result; pairs with the acquire in ready(), and against has_ready().
    s.sequence.store(ticket + 1, std::memory_order_seq_cst);
  }

  static bool ready(const slot& s, std::uint64_t ticket) noexcept {
    // acquire: sees the result; pairs with the release in publish().
    return s.sequence.load(std::memory_order_acquire) == ticket + 1;
  }

  std::size_t take_credits(std::size_t most) noexcept;

  void give_back(std::size_t count) noexcept {
    // seq_cst: the consumer has left the slots; pairs with the acquire in take_credits(), and
    // against has_credit().
    free_.fetch_add(count, std::memory_order_seq_cst);
  }

  const std::size_t capacity_;
  const std::uint64_t mask_;
  const std::unique_ptr<slot[]> slots_;
  // Contended: every producer, once a push.
  alignas(cache_line_size) os::atomic<std::uint64_t> tail_{0};  // the next ticket
  // Contended: who admits work, once a batch, and the consumer.
  alignas(cache_line_size) os::atomic<std::size_t> free_;  // credits
  // Written by the consumer alone.
  alignas(cache_line_size) os::atomic<std::uint64_t> head_{0};  // the next ticket to pop
};

template <class T>
requires std::is_nothrow_move_constructible_v<T>
void results_ring<T>::push_many(credits& with, std::span<T> results) noexcept {
  assert(with.count_ >= results.size() && (with.ring_ == this || results.empty()));
  if (results.empty()) return;
  with.count_ -= results.size();
  const std::uint64_t first = claim(results.size());
  std::uint64_t ticket = first;
  for (T& result : results)
    std::construct_at(reinterpret_cast<T*>(slots_[ticket++ & mask_].bytes), std::move(result));
  while (--ticket != first)
    // relaxed: the consumer comes here by way of the first of the batch, which is published last
    // and alone meets has_ready().
    slots_[ticket & mask_].sequence.store(ticket + 1, std::memory_order_relaxed);
  publish(slots_[first & mask_], first);
}

template <class T>
requires std::is_nothrow_move_constructible_v<T> std::optional<T> results_ring<T>::try_take()
noexcept {
  // relaxed: only the consumer writes head.
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  slot& s = slots_[head & mask_];
  if (!ready(s, head)) return std::nullopt;
  std::optional<T> result(std::move(*s.value()));
  std::destroy_at(s.value());
  // relaxed: the credit says that the slot is free; this is for has_ready().
  head_.store(head + 1, std::memory_order_relaxed);
  return result;
}

template <class T>
requires std::is_nothrow_move_constructible_v<T> std::size_t results_ring<T>::pop_many(
    std::span<T> out)
noexcept requires std::is_nothrow_move_assignable_v<T> {
  // relaxed: only the consumer writes head.
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  std::size_t count = 0;
  for (; count < out.size(); ++count) {
    slot& s = slots_[(head + count) & mask_];
    if (!ready(s, head + count)) break;
    out[count] = std::move(*s.value());
    std::destroy_at(s.value());
  }
  if (count == 0) return 0;
  // relaxed: as in try_take().
  head_.store(head + count, std::memory_order_relaxed);
  give_back(count);
  return count;
}

template <class T>
requires std::is_nothrow_move_constructible_v<T> std::size_t results_ring<T>::take_credits(
    std::size_t most)
noexcept {
  // relaxed: the exchange below decides.
  std::size_t free = free_.load(std::memory_order_relaxed);
  for (;;) {
    const std::size_t count = std::min(free, most);
    if (count == 0) return 0;
    // acquire: the consumer has left the slots; pairs with the release in give_back().
    if (free_.compare_exchange_weak(free, free - count, std::memory_order_acquire,
                                    std::memory_order_relaxed))
      return count;
  }
}

}  // namespace pinion
