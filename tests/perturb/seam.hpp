// SPDX-License-Identifier: MIT
// The perturbing part of the seam: real atomics, but some operations wait a random moment first.
//
// A race that needs two threads within a few nanoseconds of each other is all but never met by
// running the code often. A delay before one operation in 64 holds the window open for as long as
// a thread needs to be scheduled, and so meets it some hundred times as often. The code is the real
// one and the threads are real ones, so sanitizers see everything.
//
//   PINION_PERTURB_SEED=42   the seed of a run that failed; printed by a run that was given none
//   PINION_PERTURB_RATE=64   one operation in so many is delayed; 0: none
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "pinion/platform/os.hpp"

namespace pinion::os {

/// Perhaps waits: some rounds of nothing, a yield, or a sleep of up to 60 us.
void perturb() noexcept;

// A namespace of its own, so that what takes an atomic does not link with objects of another build.
inline namespace perturbed {

template <class T>
class atomic {
  using order = std::memory_order;

 public:
  using value_type = T;
  using difference = std::conditional_t<std::is_pointer_v<T>, std::ptrdiff_t, T>;
  static constexpr bool is_always_lock_free = std::atomic<T>::is_always_lock_free;

  constexpr atomic() noexcept = default;
  constexpr atomic(T v) noexcept : real_(v) {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  T load(order o) const noexcept { return before(), real_.load(o); }
  void store(T v, order o) noexcept { before(), real_.store(v, o); }
  T exchange(T v, order o) noexcept { return before(), real_.exchange(v, o); }
  T fetch_add(difference d, order o) noexcept { return before(), real_.fetch_add(d, o); }
  T fetch_sub(difference d, order o) noexcept { return before(), real_.fetch_sub(d, o); }
  T fetch_and(T v, order o) noexcept { return before(), real_.fetch_and(v, o); }
  T fetch_or(T v, order o) noexcept { return before(), real_.fetch_or(v, o); }
  T fetch_xor(T v, order o) noexcept { return before(), real_.fetch_xor(v, o); }
  bool compare_exchange_weak(T& e, T d, order o) noexcept {
    return before(), real_.compare_exchange_weak(e, d, o);
  }
  bool compare_exchange_weak(T& e, T d, order o, order failed) noexcept {
    return before(), real_.compare_exchange_weak(e, d, o, failed);
  }
  bool compare_exchange_strong(T& e, T d, order o) noexcept {
    return before(), real_.compare_exchange_strong(e, d, o);
  }
  bool compare_exchange_strong(T& e, T d, order o, order failed) noexcept {
    return before(), real_.compare_exchange_strong(e, d, o, failed);
  }

 private:
  static void before() noexcept { perturb(); }

  std::atomic<T> real_{};
};

}  // namespace perturbed

template <class Int>
constexpr Int shrinkable(Int real, Int) noexcept {
  return real;
}

// A read-modify-write of one word: as strong as the fence, and ThreadSanitizer knows it.
inline void full_fence() noexcept {
  perturb();
  static std::atomic<unsigned> word{0};
  word.fetch_add(1, std::memory_order_seq_cst);
}

void spin_hint() noexcept;
std::uint64_t cycle_counter() noexcept;

wait_result futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                       time_point deadline = forever) noexcept;
wait_result futex_wait(const atomic<std::uint64_t>& word, std::uint64_t expected,
                       time_point deadline = forever) noexcept;
int futex_wake(const atomic<std::uint32_t>& word, int count) noexcept;
int futex_wake(const atomic<std::uint64_t>& word, int count) noexcept;

}  // namespace pinion::os
