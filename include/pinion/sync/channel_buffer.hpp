// SPDX-License-Identifier: MIT
// The values a channel keeps: a ring of exactly as many places as were asked for, with a road for
// each side that does without the channel's lock.
//
//     head: next to take | held | shut              tail: next to fill | held | shut
//                 |                                        |
//                 v                                        v
//     [ .. | free | oldest | ........... | newest | free | .. ]
//
// A side is one word. Who goes by the road sets `held` in it by one CAS, moves one value, and puts
// down the next position with a plain store. Senders meet senders there and receivers receivers;
// the two sides meet only when one of them looks how far the other is.
//
// The lock has precedence. Its holder sets `shut` on both sides, which waits for who is on the road
// and keeps out who comes; then all of the ring is the holder's. As long as anybody waits in line,
// the roads stay shut: nobody is overtaken, and there is no second place to look for waiters.
//
// Progress: a road is a short critical section. Who finds it held spins for a moment, then sleeps a
// few microseconds at a time: the holder has lost its core, and leaves without a look at sleepers.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/cpu.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::detail {

/// One side of the ring, alone on its line.
class alignas(cache_line_size) channel_side {
 public:
  explicit channel_side(bool is_shut) noexcept : word_(is_shut ? shut_bit : 0) {}

  /// The word of a moment ago, for enter().
  std::uint64_t guess() const noexcept {
    return word_.load(std::memory_order_relaxed);  // relaxed: a guess; the CAS in enter() decides
  }
  static bool is_shut_in(std::uint64_t word) noexcept { return (word & shut_bit) != 0; }

  /// Takes the road; the word, for leave(). False: it is shut.
  /// @pre  the word is a guess, in which it is not shut
  bool enter(std::uint64_t& word) noexcept {
    return ((word & held_bit) == 0 && try_hold(word)) || enter_contended(word);
  }
  void leave(std::uint64_t word) noexcept {
    // release: publishes the ring up to this position; pairs with the acquires in try_hold,
    // try_shut and position.
    word_.store(word, std::memory_order_release);
  }

  // With the channel's lock held.
  bool is_shut() const noexcept {
    // relaxed: changed under the lock only.
    return (word_.load(std::memory_order_relaxed) & shut_bit) != 0;
  }
  void shut() noexcept {
    // relaxed: a guess; the CAS decides.
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    if ((word & shut_bit) != 0) return;
    if ((word & held_bit) != 0 || !try_shut(word)) shut_contended();
  }
  void open() noexcept {
    // relaxed: nobody else writes it while it is shut.
    leave(word_.load(std::memory_order_relaxed) & ~shut_bit);
  }
  void advance() noexcept {
    // relaxed: as in open, which publishes it.
    word_.store(word_.load(std::memory_order_relaxed) + step, std::memory_order_relaxed);
  }

  std::uint64_t position() const noexcept {
    // acquire: what this side has left behind; pairs with the release in leave.
    return position_in(word_.load(std::memory_order_acquire));
  }
  static std::uint64_t position_in(std::uint64_t word) noexcept { return word / step; }

  static constexpr std::uint64_t held_bit = 1;
  static constexpr std::uint64_t shut_bit = 2;
  static constexpr std::uint64_t step = 4;

  /// Is a look better put off for a moment? Once after a look that found some, but few: then the
  /// other side is at work, and this one at its heels.
  bool puts_off_a_look(std::size_t few) noexcept {
    const std::size_t last = std::exchange(found, 0);
    return last > 1 && last < few;
  }

  // Of who holds this side, or has shut it.
  std::uint64_t other = 0;  // how far the other side was at the last look
  std::size_t found = 0;    // values or places, by that look
  std::size_t cell = 0;     // the position, modulo the capacity

 private:
  bool try_hold(std::uint64_t word) noexcept {
    // acquire: sees what the last holder did; pairs with the release in leave. relaxed: not taken.
    return word_.compare_exchange_strong(word, word | held_bit, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  bool try_shut(std::uint64_t word) noexcept {
    // acquire: as in try_hold. relaxed: not taken.
    return word_.compare_exchange_strong(word, word | shut_bit, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  bool enter_contended(std::uint64_t& word) noexcept;
  void shut_contended() noexcept;

  os::atomic<std::uint64_t> word_;
};

enum class road : std::uint8_t {
  passed,
  ended,    // full, or empty; nobody waits in line
  put_off,  // may have ended; who looks a moment later finds more
  shut,
};

/// What to do where a look at the other side is due.
enum class look : bool { at_once, later_if_better };

template <class E>
class channel_buffer {
 public:
  /// @errors    throws std::bad_alloc, std::bad_array_new_length
  channel_buffer(std::size_t capacity, bool has_roads)
      : capacity_(capacity),
        has_roads_(has_roads && capacity > 0),
        cells_(std::allocator<E>().allocate(capacity)),
        head_(!has_roads_),
        tail_(!has_roads_) {}
  channel_buffer(const channel_buffer&) = delete;
  channel_buffer& operator=(const channel_buffer&) = delete;
  ~channel_buffer() {
    assert(size_approx() == 0);
    std::allocator<E>().deallocate(cells_, capacity_);
  }

  std::size_t capacity() const noexcept { return capacity_; }
  bool has_roads() const noexcept { return has_roads_; }

  /// Exact when nobody is at it.
  std::size_t size_approx() const noexcept {
    const std::uint64_t head = head_.position();
    const std::uint64_t size = tail_.position() - head;  // not less: tail is read after head
    return size < capacity_ ? static_cast<std::size_t>(size) : capacity_;
  }

  // --- The roads. Any thread, without the lock.

  road try_push(E& value, look when) noexcept {
    const std::uint64_t guess = tail_guess();
    return channel_side::is_shut_in(guess) ? road::shut : push_by_road(value, when, guess);
  }
  /// Calls into(E&&) with the oldest value.
  template <class Into>
  road try_pop(Into&& into, look when) noexcept {
    const std::uint64_t guess = head_guess();
    return channel_side::is_shut_in(guess) ? road::shut : pop_by_road(into, when, guess);
  }

  // The same in two steps, so that where the road is shut there is nothing of the second.
  std::uint64_t tail_guess() const noexcept { return tail_.guess(); }
  std::uint64_t head_guess() const noexcept { return head_.guess(); }

  road push_by_road(E& value, look when, std::uint64_t word) noexcept {
    if (!tail_.enter(word)) return road::shut;
    const std::uint64_t position = channel_side::position_in(word);
    if (position - tail_.other >= capacity_) {  // more: the lock's holder does not look there
      if (when == look::later_if_better && tail_.puts_off_a_look(few()))
        return tail_.leave(word), road::put_off;
      tail_.other = head_.position();
      tail_.found = static_cast<std::size_t>(tail_.other + capacity_ - position);
      if (tail_.found == 0) return tail_.leave(word), road::ended;
    }
    std::construct_at(cells_ + tail_.cell, std::move(value));
    tail_.cell = after(tail_.cell);
    tail_.leave(word + channel_side::step);
    return road::passed;
  }

  template <class Into>
  road pop_by_road(Into&& into, look when, std::uint64_t word) noexcept {
    if (!head_.enter(word)) return road::shut;
    const std::uint64_t position = channel_side::position_in(word);
    if (position >= head_.other) {  // as in try_push
      if (when == look::later_if_better && head_.puts_off_a_look(few()))
        return head_.leave(word), road::put_off;
      head_.other = tail_.position();
      head_.found = static_cast<std::size_t>(head_.other - position);
      if (head_.found == 0) return head_.leave(word), road::ended;
    }
    take(into);
    head_.leave(word + channel_side::step);
    return road::passed;
  }

  /// For who has found the end of a road, or been put off, and will look again. Each look takes a
  /// line from the other side, which is at work; a moment later there is more to be had for it.
  /// Nothing to gain where there are few places.
  void let_the_other_side_work() const noexcept {
    for (std::size_t i = 0; i < pauses_at_the_end_; ++i) cpu_pause();
  }

  // --- With the lock held.

  void shut() noexcept {
    tail_.shut();
    head_.shut();
  }
  void open() noexcept {
    if (!has_roads_ || !tail_.is_shut()) return;
    tail_.open();
    head_.open();
  }

  // --- When shut.

  std::size_t size() const noexcept { return size_approx(); }
  void push(E&& value) noexcept {
    std::construct_at(cells_ + tail_.cell, std::move(value));
    tail_.cell = after(tail_.cell);
    tail_.advance();
  }
  template <class Into>
  void pop(Into&& into) noexcept {
    take(into);
    head_.advance();
  }

 private:
  std::size_t few() const noexcept { return capacity_ / places_per_pause; }
  std::size_t after(std::size_t i) const noexcept { return i + 1 == capacity_ ? 0 : i + 1; }

  template <class Into>
  void take(Into&& into) noexcept {
    E& oldest = cells_[head_.cell];
    into(std::move(oldest));
    std::destroy_at(&oldest);
    head_.cell = after(head_.cell);
  }

  // About the time that it takes a line to travel.
  static constexpr std::size_t pauses_at_the_end_max = 8;
  static constexpr std::size_t places_per_pause = 16;

  const std::size_t capacity_;
  const std::size_t pauses_at_the_end_ =
      std::min(pauses_at_the_end_max, capacity_ / places_per_pause);
  const bool has_roads_;
  E* const cells_;
  channel_side head_, tail_;
};

}  // namespace pinion::detail
