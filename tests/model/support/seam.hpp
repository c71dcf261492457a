// SPDX-License-Identifier: MIT
// The checking part of the seam: what pinion::os is in a model build.
//
// An atomic keeps only its first value in itself; its history is the execution's, by address. So it
// is as large as a real one, may be constant-initialised, and begins anew in every execution.
// Orders have no defaults here: to forget one does not compile.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "tests/model/support/execution.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::os {

// A namespace of its own, so that what takes an atomic does not link with objects of another build.
inline namespace modelled {

constexpr model::order to_model(std::memory_order o) noexcept {
  switch (o) {
    case std::memory_order_relaxed:
      return model::order::relaxed;
    case std::memory_order_release:
      return model::order::release;
    case std::memory_order_acq_rel:
      return model::order::acq_rel;
    case std::memory_order_seq_cst:
      return model::order::seq_cst;
    default:
      return model::order::acquire;
  }
}

constexpr std::memory_order order_of_failure(std::memory_order o) noexcept {
  if (o == std::memory_order_acq_rel) return std::memory_order_acquire;
  return o == std::memory_order_release ? std::memory_order_relaxed : o;
}

template <class T>
class atomic {
  static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
  using order = std::memory_order;
  using place = model::place;
  // What is added to a pointer is a number of elements.
  using difference = std::conditional_t<std::is_pointer_v<T>, std::ptrdiff_t, T>;

 public:
  using value_type = T;
  static constexpr bool is_always_lock_free = true;

  constexpr atomic() noexcept : atomic(T{}) {}
  constexpr atomic(T v) noexcept : first_(v) {
    if (!std::is_constant_evaluated()) begin(v);
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;
  constexpr ~atomic() {
    if (!std::is_constant_evaluated()) end();
  }

  T load(order o, place at = place::here()) const noexcept {
    auto* const e = model::execution::current();
    return e == nullptr ? first_ : decode(e->load(this, encode(first_), to_model(o), at));
  }
  void store(T v, order o, place at = place::here()) noexcept {
    if (auto* e = model::execution::current())
      e->store(this, encode(first_), encode(v), to_model(o), at);
    else
      first_ = v;
  }
  T exchange(T v, order o, place at = place::here()) noexcept {
    return modify([](T, T next) { return next; }, v, o, at);
  }
  T fetch_add(difference d, order o, place at = place::here()) noexcept {
    return modify([](T old, difference n) { return static_cast<T>(old + n); }, d, o, at);
  }
  T fetch_sub(difference d, order o, place at = place::here()) noexcept {
    return modify([](T old, difference n) { return static_cast<T>(old - n); }, d, o, at);
  }
  T fetch_and(T v, order o, place at = place::here()) noexcept {
    return modify([](T old, T bits) { return static_cast<T>(old & bits); }, v, o, at);
  }
  T fetch_or(T v, order o, place at = place::here()) noexcept {
    return modify([](T old, T bits) { return static_cast<T>(old | bits); }, v, o, at);
  }
  T fetch_xor(T v, order o, place at = place::here()) noexcept {
    return modify([](T old, T bits) { return static_cast<T>(old ^ bits); }, v, o, at);
  }
  bool compare_exchange_weak(T& e, T d, order o, place at = place::here()) noexcept {
    return compare_exchange(e, d, o, order_of_failure(o), true, at);
  }
  bool compare_exchange_weak(T& e, T d, order o, order fails, place at = place::here()) noexcept {
    return compare_exchange(e, d, o, fails, true, at);
  }
  bool compare_exchange_strong(T& e, T d, order o, place at = place::here()) noexcept {
    return compare_exchange(e, d, o, order_of_failure(o), false, at);
  }
  bool compare_exchange_strong(T& e, T d, order o, order fails, place at = place::here()) noexcept {
    return compare_exchange(e, d, o, fails, false, at);
  }

  /// What it held before the execution: for the futex.
  std::uint64_t first_encoded() const noexcept { return encode(first_); }

 private:
  template <class V>
  static std::uint64_t encode(V v) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof v);
    return bits;
  }
  template <class V = T>
  static V decode(std::uint64_t bits) noexcept {
    V v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
  }

  void begin(T v) noexcept {
    if (auto* e = model::execution::current()) e->make(this, encode(v));
  }
  void end() noexcept {
    if (auto* e = model::execution::current()) e->destroy(this, place::here());
  }

  // The change of bits that corresponds to a change of values.
  template <class Change, class Argument>
  T modify(Change, Argument argument, order o, place at) noexcept {
    constexpr auto change_bits = [](std::uint64_t old, std::uint64_t by) {
      return encode(Change{}(decode(old), decode<Argument>(by)));
    };
    if (auto* e = model::execution::current())
      return decode(
          e->modify(this, encode(first_), change_bits, encode(argument), to_model(o), at));
    return std::exchange(first_, Change{}(first_, argument));
  }

  bool compare_exchange(T& expected, T desired, order o, order fails, bool weak,
                        place at) noexcept {
    auto* const e = model::execution::current();
    if (e == nullptr) {
      const bool equal = encode(first_) == encode(expected);
      (equal ? first_ : expected) = equal ? desired : first_;
      return equal;
    }
    const auto [read, done] = e->compare_exchange(
        this, encode(first_),
        {encode(expected), encode(desired), to_model(o), to_model(fails), weak}, at);
    if (!done) expected = decode(read);
    return done;
  }

  alignas(sizeof(T)) T first_;
};

}  // namespace modelled

template <class Int>
constexpr Int shrinkable(Int, Int checked) noexcept {
  return checked;
}

inline void full_fence(model::place at = model::place::here()) noexcept {
  if (auto* e = model::execution::current()) e->fence(model::order::seq_cst, at);
}

inline void spin_hint() noexcept {
  if (auto* e = model::execution::current()) e->pause();
}

/// Virtual time, in nanoseconds.
std::uint64_t cycle_counter() noexcept;

wait_result futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                       time_point deadline = forever, model::place = model::place::here()) noexcept;
wait_result futex_wait(const atomic<std::uint64_t>& word, std::uint64_t expected,
                       time_point deadline = forever, model::place = model::place::here()) noexcept;
int futex_wake(const atomic<std::uint32_t>& word, int count,
               model::place = model::place::here()) noexcept;
int futex_wake(const atomic<std::uint64_t>& word, int count,
               model::place = model::place::here()) noexcept;

}  // namespace pinion::os
