// SPDX-License-Identifier: MIT
// The inputs of a fan-out: each is claimed once, by whichever runner comes first.
//
// Where any element can be reached by its number, a claim is one addition. Elsewhere the iterator
// stands behind a short lock, and moves on only when the next claim asks for it, so that a source
// that has to wait for its next element (a generator, a directory) does not hold back the last.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/cpu.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/platform/short_lock.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/operation.hpp"
#include "pinion/sync/result.hpp"

namespace pinion::detail {

// The claim of another runner is over in an instant, or waits for the source of the range.
inline std::unique_lock<short_lock> lock_or_lend(short_lock& claims) noexcept {
  std::unique_lock lock(claims, std::try_to_lock);
  if (lock) return lock;
  for (spin_budget budget(std::chrono::microseconds(2)); !lock && budget.spin();) {
    static_cast<void>(lock.try_lock());
  }
  if (!lock) {
    const blocking_scope asleep;
    lock.lock();
  }
  return lock;
}

/// `In` is an lvalue reference for a range that belongs to the caller, else the range.
template <class In>
class fan_input {
  using iterator = std::ranges::iterator_t<In>;
  using reference = std::ranges::range_reference_t<In>;
  static constexpr bool keeps_iterators = std::ranges::forward_range<In>;
  using kept = std::conditional_t<
      keeps_iterators, iterator,
      std::conditional_t<std::is_reference_v<reference>, std::iter_value_t<iterator>, reference>>;

 public:
  struct claim {
    std::uint64_t position = 0;
    std::optional<kept> item = {};
    std::exception_ptr thrown = nullptr;  // by the range, in place of an item
  };

  explicit fan_input(In&& inputs)
      : range_(std::forward<In>(inputs)), next_(std::ranges::begin(range_)) {
    if constexpr (std::ranges::sized_range<In>) {
      size_ = static_cast<std::uint64_t>(std::ranges::size(range_));
    }
  }

  /// False: there is none left.
  bool take(claim& c) noexcept {
    const std::unique_lock lock = lock_or_lend(lock_);
    if (!move_on(c)) return false;
    // relaxed: written under the lock, read by those who count.
    c.position = claimed_.load(std::memory_order_relaxed);
    claimed_.store(c.position + 1, std::memory_order_relaxed);  // relaxed: as above
    return true;
  }

  /// @errors    throws what the range threw
  reference get(claim& c) const {
    if (c.thrown) std::rethrow_exception(c.thrown);
    if constexpr (keeps_iterators) {
      return **c.item;
    } else if constexpr (std::is_lvalue_reference_v<reference>) {
      return *c.item;
    } else {
      return std::move(*c.item);
    }
  }

  std::uint64_t claimed() const noexcept {
    return claimed_.load(std::memory_order_relaxed);  // relaxed: as in take
  }
  std::uint64_t left() const noexcept {
    // relaxed: a runner that left has seen it, and says so by an ordered word.
    if (ended_.load(std::memory_order_relaxed)) return 0;
    return size_ == unknown ? unknown : size_ - claimed();
  }

 private:
  static constexpr std::uint64_t unknown = ~std::uint64_t{0};

  bool move_on(claim& c) noexcept {
    if (left() == 0) return false;
    try {
      if (claimed() != 0) ++next_;
      if (next_ == std::ranges::end(range_)) {
        ended_.store(true, std::memory_order_relaxed);  // relaxed: as in left
        return false;
      }
      if constexpr (keeps_iterators) {
        c.item.emplace(next_);
      } else {
        c.item.emplace(*next_);
      }
    } catch (...) {
      c.item.reset();
      c.thrown = std::current_exception();
      ended_.store(true, std::memory_order_relaxed);  // relaxed: as in left
    }
    return true;
  }

  In range_;
  std::uint64_t size_ = unknown;

  // One runner at a time: who has the lock.
  alignas(cache_line_size) short_lock lock_;
  iterator next_;
  os::atomic<std::uint64_t> claimed_{0};
  os::atomic<bool> ended_{false};
};

/// The receiving end of a channel: a wait for the next value ends with the context, too.
template <class In>
concept channel_input = requires(std::remove_reference_t<In>& from, const context& ctx) {
  { from.recv(ctx).wait() } -> std::same_as<result<std::ranges::range_value_t<In>>>;
};

template <channel_input In>
class fan_input<In> {
  using value = std::ranges::range_value_t<In>;

 public:
  struct claim {
    std::uint64_t position = 0;
    std::optional<value> item = {};
    std::exception_ptr thrown = nullptr;  // by a move of the value
  };

  explicit fan_input(In&& inputs) : from_(std::forward<In>(inputs)) {}
  void ends_with(const context& ctx) noexcept { ctx_ = &ctx; }

  bool take(claim& c) noexcept {
    const std::unique_lock lock = lock_or_lend(lock_);
    // relaxed: as in left.
    if (ended_.load(std::memory_order_relaxed)) return false;
    result<value> next = from_.recv(*ctx_).wait();
    try {
      if (next) c.item.emplace(*std::move(next));
    } catch (...) {
      c.thrown = std::current_exception();
    }
    if (!next && next.error() == errc::failed) c.thrown = next.error().exception();
    if (!c.item) ended_.store(true, std::memory_order_relaxed);  // relaxed: as in left
    if (!c.item && c.thrown == nullptr) return false;
    // relaxed: written under the lock, read by those who count.
    c.position = claimed_.load(std::memory_order_relaxed);
    claimed_.store(c.position + 1, std::memory_order_relaxed);  // relaxed: as above
    return true;
  }

  value& get(claim& c) const {
    if (c.thrown) std::rethrow_exception(c.thrown);
    return *c.item;
  }

  std::uint64_t claimed() const noexcept {
    return claimed_.load(std::memory_order_relaxed);  // relaxed: as in take
  }
  std::uint64_t left() const noexcept {
    // relaxed: a runner that left has seen it, and says so by an ordered word.
    return ended_.load(std::memory_order_relaxed) ? 0 : ~std::uint64_t{0};
  }

 private:
  In from_;
  const context* ctx_ = nullptr;

  // One runner at a time: who has the lock.
  alignas(cache_line_size) short_lock lock_;
  os::atomic<std::uint64_t> claimed_{0};
  os::atomic<bool> ended_{false};
};

template <class In>
requires std::ranges::random_access_range<In> && std::ranges::sized_range<In>
class fan_input<In> {
  using iterator = std::ranges::iterator_t<In>;

 public:
  struct claim {
    std::uint64_t position = 0;
  };

  explicit fan_input(In&& inputs)
      : range_(std::forward<In>(inputs)),
        first_(std::ranges::begin(range_)),
        size_(static_cast<std::uint64_t>(std::ranges::size(range_))) {}

  bool take(claim& c) noexcept {
    // acq_rel: whoever claims an element has seen what those saw who claimed the ones before it,
    // so that in order of submission the slot of its number is seen to be empty.
    c.position = next_.fetch_add(1, std::memory_order_acq_rel);
    return c.position < size_;
  }

  std::ranges::range_reference_t<In> get(const claim& c) const {
    return *(first_ + static_cast<std::iter_difference_t<iterator>>(c.position));
  }

  std::uint64_t claimed() const noexcept {
    // relaxed: a count; a runner that left has seen the end, and says so by an ordered word.
    return std::min(next_.load(std::memory_order_relaxed), size_);
  }
  std::uint64_t left() const noexcept { return size_ - claimed(); }

 private:
  In range_;
  const iterator first_;
  const std::uint64_t size_;

  // Contended: every runner, once a call.
  alignas(cache_line_size) os::atomic<std::uint64_t> next_{0};
};

}  // namespace pinion::detail
