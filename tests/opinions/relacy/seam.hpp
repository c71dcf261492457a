// SPDX-License-Identifier: MIT
// The part of the seam that Relacy takes: pinion::os, for the library's own headers, unchanged.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "tests/opinions/relacy/engine.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::os {

inline namespace relacy {

/// Relacy's atomic lives beside this one: the library may end the life of an atomic by giving back
/// its memory, and Relacy wants to be told. One that is made before the execution is a plain word.
template <class T>
class atomic {
  using order = std::memory_order;
  using place = model::place;
  using kind = model::operation;
  using difference = std::conditional_t<std::is_pointer_v<T>, std::ptrdiff_t, T>;
  using word = typename std::conditional_t<std::is_enum_v<T>, std::underlying_type<T>,
                                           std::type_identity<T>>::type;

 public:
  using value_type = T;
  static constexpr bool is_always_lock_free = true;

  constexpr atomic() noexcept : atomic(T{}) {}
  constexpr atomic(T v) noexcept : first_(v) {
    if (!std::is_constant_evaluated() && rl::is_ctx())
      checked_ = opinion::make_kept<rl::atomic<word>>(static_cast<word>(v));
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;
  constexpr ~atomic() {
    if (checked_ != nullptr) opinion::unmake_kept(checked_);
  }

  T load(order o, place at = place::here()) const noexcept {
    if (checked_ == nullptr) return first_;
    return static_cast<T>(checked_->load(met(kind::load, o, at), opinion::where(at)));
  }
  void store(T v, order o, place at = place::here()) noexcept {
    if (checked_ == nullptr)
      first_ = v;
    else
      checked_->store(static_cast<word>(v), met(kind::store, o, at), opinion::where(at));
  }
  T exchange(T v, order o, place at = place::here()) noexcept {
    return checked_->exchange(v, met(kind::read_modify_write, o, at), opinion::where(at));
  }
  T fetch_add(difference d, order o, place at = place::here()) noexcept {
    return checked_->fetch_add(d, met(kind::read_modify_write, o, at), opinion::where(at));
  }
  T fetch_sub(difference d, order o, place at = place::here()) noexcept {
    return checked_->fetch_sub(d, met(kind::read_modify_write, o, at), opinion::where(at));
  }
  T fetch_and(T v, order o, place at = place::here()) noexcept {
    return checked_->fetch_and(v, met(kind::read_modify_write, o, at), opinion::where(at));
  }
  T fetch_or(T v, order o, place at = place::here()) noexcept {
    return checked_->fetch_or(v, met(kind::read_modify_write, o, at), opinion::where(at));
  }
  T fetch_xor(T v, order o, place at = place::here()) noexcept {
    return checked_->fetch_xor(v, met(kind::read_modify_write, o, at), opinion::where(at));
  }
  bool compare_exchange_weak(T& e, T d, order o, place at = place::here()) noexcept {
    return compare_exchange(e, d, o, order_of_failure(o), at);
  }
  bool compare_exchange_weak(T& e, T d, order o, order fails, place at = place::here()) noexcept {
    return compare_exchange(e, d, o, fails, at);
  }
  bool compare_exchange_strong(T& e, T d, order o, place at = place::here()) noexcept {
    return compare_exchange(e, d, o, order_of_failure(o), at);
  }
  bool compare_exchange_strong(T& e, T d, order o, order fails, place at = place::here()) noexcept {
    return compare_exchange(e, d, o, fails, at);
  }

  /// The newest value, for the futex: its compare and its sleep are one step.
  T newest() const noexcept { return checked_->debug_value(); }

 private:
  static constexpr order order_of_failure(order o) noexcept {
    if (o == std::memory_order_acq_rel) return std::memory_order_acquire;
    return o == std::memory_order_release ? std::memory_order_relaxed : o;
  }
  static rl::memory_order met(kind k, order o, place at) noexcept {
    return opinion::to_relacy(opinion::meet(k, opinion::to_model(o), at));
  }

  // Relacy has no failure order that is stronger than the success; then a fence stands for it. A
  // weak exchange is a strong one here: our tests allow no failure without a reason either.
  bool compare_exchange(T& expected, T desired, order o, order fails, place at) noexcept {
    const auto success = met(kind::read_modify_write, o, at);
    const auto failure = met(kind::failed_exchange, fails, at);
    const bool plain =
        failure == rl::mo_relaxed || success == rl::mo_seq_cst ||
        (failure == rl::mo_acquire && (success == rl::mo_acquire || success == rl::mo_acq_rel));
    const bool done =
        checked_->compare_exchange_strong(expected, desired, success, opinion::where(at),
                                          plain ? failure : rl::mo_relaxed, opinion::where(at));
    if (!done && !plain) rl::atomic_thread_fence(rl::mo_acquire, opinion::where(at));
    return done;
  }

  T first_;
  rl::atomic<word>* checked_ = nullptr;
};

}  // namespace relacy

template <class Int>
constexpr Int shrinkable(Int, Int checked) noexcept {
  return checked;
}

inline void full_fence(model::place at = model::place::here()) noexcept {
  if (opinion::meet_unless_dropped(model::operation::fence, model::order::seq_cst, at))
    rl::atomic_thread_fence(rl::mo_seq_cst, opinion::where(at));
}

inline void spin_hint() noexcept {
  rl::yield(1, $);
}

inline std::uint64_t cycle_counter() noexcept {
  return 0;
}

template <class Word>
wait_result futex_wait(const atomic<Word>& word, std::type_identity_t<Word> expected,
                       time_point deadline = forever) noexcept {
  rl::atomic_thread_fence(rl::mo_seq_cst, $);
  rl::ctx().sched();
  if (word.newest() != expected) return wait_result::changed;
  const bool woken = opinion::sleep_on(&word, deadline != forever);
  rl::atomic_thread_fence(rl::mo_seq_cst, $);
  return woken ? wait_result::woken : wait_result::timed_out;
}

template <class Word>
int futex_wake(const atomic<Word>& word, int count,
               model::place at = model::place::here()) noexcept {
  if (!opinion::meet_unless_dropped(model::operation::wake, model::order::seq_cst, at)) return 0;
  rl::atomic_thread_fence(rl::mo_seq_cst, opinion::where(at));
  rl::ctx().sched();
  return opinion::wake_at(&word, count);
}

}  // namespace pinion::os
