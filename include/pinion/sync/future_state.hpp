// SPDX-License-Identifier: MIT
// How far the producer and the consumer of a future are, and what both share.
//
//      promise (or a task)        shared state            future
//         complete()   ------>  [ word | result | line of waiters ]  <------ wait, take, drop
//
// The state lives wherever its maker wants it, so a task and what its future waits for can be one
// piece of memory. One word says how far both sides are:
//
//      ready     the result is there                      said by the producer
//      waiting   somebody stands in line, or is about to  said by the consumer
//      dropped   the consumer is gone                     said by the consumer
//      done      the producer will not come back          said by the producer
//
// A producer that finds the word empty says `ready` and `done` in one CAS and is gone. Otherwise
// it says `ready`, claims who is in line, says `done`, and wakes. Who says the second of `dropped`
// and `done` disposes of the state. An error that arrives when the consumer is gone, or that the
// consumer leaves behind, is reported by the one who finds it so. The protocol page on the future
// has the steps.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "pinion/platform/os.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion::detail {

class future_state_base;

/// What the maker of a state does about it. One constant table per kind of state.
struct future_actions {
  void (*dispose)(future_state_base&) noexcept;  // destroys it and gives back its memory

  /// The error will not be fetched by anybody. Null: it is printed.
  void (*report)(future_state_base&, const error&) noexcept = nullptr;

  /// For a thread that is about to wait: runs the work here and now if it has not started.
  /// True: the state is complete.
  bool (*try_run)(future_state_base&) noexcept = nullptr;

  /// Asks the work to stop. True: it will never start, and the state is complete.
  bool (*cancel)(future_state_base&) noexcept = nullptr;

  /// The calling thread is at this work, further down on its stack: to wait for it is to wait for
  /// ever.
  bool (*is_run_here)(future_state_base&) noexcept = nullptr;

  /// The future is dropped before the state is complete: asks the work to end, and the drop waits
  /// for that. Null: the work goes on without a future.
  void (*abandon)(future_state_base&) noexcept = nullptr;
};

/// The part of the shared state that does not depend on the type.
class future_state_base {
 public:
  future_state_base(const future_state_base&) = delete;
  future_state_base& operator=(const future_state_base&) = delete;

  bool ready() const noexcept {
    // acquire: sees the result; pairs with the releases in publish and publish_to_consumer.
    return (word_.load(std::memory_order_acquire) & ready_bit) != 0;
  }

 protected:
  explicit future_state_base(const future_actions& actions) noexcept : actions_(&actions) {}
  ~future_state_base() = default;

  /// The result is in place. The state may be gone afterwards.
  /// @param unfetched  the error that the result holds, or null
  void publish(const error* unfetched) noexcept {
    std::uint32_t nobody = 0;
    // release: publishes the result; pairs with the acquire in ready. relaxed on failure: the
    // way taken then looks again.
    if (!word_.compare_exchange_strong(nobody, ready_bit | done_bit, std::memory_order_release,
                                       std::memory_order_relaxed)) {
      publish_to_consumer(unfetched);
    }
  }

 private:
  friend class future_base;

  static constexpr std::uint32_t ready_bit = 1;
  static constexpr std::uint32_t waiting_bit = 2;
  static constexpr std::uint32_t dropped_bit = 4;
  static constexpr std::uint32_t done_bit = 8;

  void publish_to_consumer(const error* unfetched) noexcept;
  void report(const error&) noexcept;

  const future_actions* const actions_;
  os::atomic<std::uint32_t> word_{0};
  wait_list line_;
};

/// The shared state. Whoever makes it completes it once, and makes one future of it.
template <class T>
class future_state : public future_state_base {
 public:
  /// An exception that a move of T throws becomes the result.
  /// @order     what was done before is visible to who takes the result
  /// @cost      one RMW when nobody waits
  void complete(result<T>&& r) noexcept {
    if constexpr (std::is_nothrow_move_constructible_v<result<T>>) {
      std::construct_at(&result_, std::move(r));
    } else {
      try {
        std::construct_at(&result_, std::move(r));
      } catch (...) {
        std::construct_at(&result_, error(std::current_exception()));
      }
    }
    publish(unfetched());
  }

  /// The error in a result that is there, or null.
  const error* unfetched() const noexcept {
    return result_.has_value() ? nullptr : &result_.error();
  }

  union {
    result<T> result_;  // from complete() on
  };

 protected:
  explicit future_state(const future_actions& actions) noexcept : future_state_base(actions) {}
  ~future_state() {
    if (ready()) std::destroy_at(&result_);
  }
};

}  // namespace pinion::detail
