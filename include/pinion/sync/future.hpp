// SPDX-License-Identifier: MIT
// Future: the operation that completes when somebody else's work has. Promise: that somebody.
//
//      promise (or a task)  --- complete --->  shared state  <--- wait, take, drop ---  future
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "pinion/platform/os.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/future_state.hpp"
#include "pinion/sync/operation.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

namespace detail {

/// The consumer's side, as far as it does not depend on the type.
class future_base {
 public:
  bool ready() const noexcept { return state_ == nullptr || state_->ready(); }

  /// Asks the work to stop. True: it has not started and never will; the future is ready with
  /// not_started. False: it runs, has run, or nobody can stop it.
  bool cancel() noexcept;

  // The operation protocol.
  void collect(lock_set& locks) noexcept {
    if (state_ != nullptr) locks.add(state_->line_);
  }
  bool try_complete() noexcept;
  void enlist(waiter& who) noexcept {
    link_ = {&who, nullptr, nullptr};
    state_->line_.push_back(link_);
  }
  void withdraw() noexcept { state_->line_.remove(link_); }
  bool owns(const wait_link& link) const noexcept { return &link == &link_; }

 protected:
  using error_of = const error* (*)(future_state_base&) noexcept;

  future_base() noexcept = default;
  explicit future_base(future_state_base* state) noexcept : state_(state) {}
  future_base(future_base&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  ~future_base() = default;

  /// Before a wait: runs the work if that is allowed and it has not started, else spins a moment.
  void hurry(bool may_run) noexcept;
  /// @pre  not ready
  bool waits_for_itself() const noexcept;

  void join_abandoned() noexcept;  // where dropping the future ends the work
  void leave_taken() noexcept;     // the result has been moved out
  void leave_untaken(error_of) noexcept;

  future_state_base* state_ = nullptr;  // null: ready, with an error that the future holds
  wait_link link_;

 private:
  static void let_go(future_state_base&) noexcept;
};

}  // namespace detail

/// An operation to keep: wait for it, or give it to a select, by name. Move-only.
/// Completes exactly once, with a value, an error or not_started; never stays pending.
/// Dropped with an error nobody fetched, it reports to the error hook. Dropped before it is ready,
/// it leaves the work to itself, unless who gave the future says otherwise.
///
/// @threads   one at a time
/// @lifetime  may outlive the scheduler or promise that completes it
template <class T = void>
class [[nodiscard]] future : public operation_base<future<T>, T>, public detail::future_base {
 public:
  /// One that is ready with an error.
  explicit future(error e) noexcept : held_(std::move(e)) {}
  /// Adopts a state that somebody will complete.
  explicit future(detail::future_state<T>& state) noexcept : future_base(&state) {}

  future(future&&) noexcept = default;
  future& operator=(future&& other) noexcept {
    if (this == &other) return *this;
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
  }
  ~future() {
    if (state_ != nullptr) {
      join_abandoned();
      leave_untaken([](detail::future_state_base& s) noexcept { return of(s).unfetched(); });
    }
  }

  /// Bounds the waiting, not the work: f.with(ctx).wait().
  future& with(const context& ctx) noexcept {
    this->bind(&ctx);
    return *this;
  }
  future& with(scoped_context&&) = delete;  // must outlive the wait

  /// Leaves the result to itself; an error still reaches the error hook.
  void detach() noexcept { *this = future(errc::not_ready); }

  /// Without a context that can end, the calling thread may run the work itself if it has not
  /// started.
  /// @blocks    the thread until the result is there, or the context of with() ends
  /// @order     sees what the work did
  /// @cost      nothing but a load when it is ready
  /// @errors    of the work; of the context, and then it may be waited for again; not_ready when
  ///            the result was taken before; would_deadlock in the very job that it is the result
  ///            of
  result<T> wait() {
    const context_link& own = this->own_context();
    if (own.ended()) return own.reason();
    if (!ready()) {
      if (waits_for_itself()) return errc::would_deadlock;
      hurry(own.bound() == nullptr || !own.bound()->can_end());
    }
    return ready() ? take() : operation_base<future<T>, T>::wait();
  }

  result<T> take() {
    if (state_ == nullptr) return held_;
    result<T> r = std::move(of(*state_).result_);
    leave_taken();
    return r;
  }

 private:
  static detail::future_state<T>& of(detail::future_state_base& state) noexcept {
    return static_cast<detail::future_state<T>&>(state);
  }

  error held_ = errc::not_ready;  // without a state: what waiting gives
};

namespace detail {

/// On the heap: kept by the promise, and by producer and consumer together until both are done.
template <class T>
class promised_state final : public future_state<T> {
 public:
  promised_state() noexcept : future_state<T>(actions) {}

  bool set(result<T>&& r) noexcept {
    // relaxed: the winner alone goes on; the result is published by complete().
    if (is_set_.exchange(true, std::memory_order_relaxed)) return false;
    this->complete(std::move(r));  // may be the end of the promise, too
    return true;
  }

  void let_go() noexcept {
    // acq_rel: the last one out sees all that the other did.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 private:
  static void dispose(future_state_base& base) noexcept {
    static_cast<promised_state&>(base).let_go();
  }
  static constexpr future_actions actions{.dispose = &promised_state::dispose};

  os::atomic<bool> is_set_{false};
  os::atomic<std::uint32_t> references_{2};
};

}  // namespace detail

/// For bridging callbacks. Dropped unset, its future completes with not_started.
/// @threads   set(): any, several at once; it may be destroyed as soon as the future is ready
template <class T = void>
class promise {
 public:
  /// @errors    throws std::bad_alloc
  promise() : state_(new detail::promised_state<T>), unasked_(*state_) {}
  promise(promise&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)),
        unasked_(std::move(other.unasked_)),
        was_asked_(other.was_asked_) {}
  promise& operator=(promise other) noexcept {
    std::swap(state_, other.state_);
    std::swap(unasked_, other.unasked_);
    std::swap(was_asked_, other.was_asked_);
    return *this;
  }
  ~promise() {
    if (state_ == nullptr) return;
    // Nobody asked for the future: then nobody misses what was never set.
    if (state_->set(errc::not_started) && !was_asked_) static_cast<void>(unasked_.take());
    state_->let_go();
  }

  /// @pre       not called before
  future<T> get_future() noexcept {
    was_asked_ = true;
    return std::move(unasked_);
  }

  /// True for the first call, which wins.
  bool set(result<T> r) noexcept { return state_->set(std::move(r)); }

 private:
  detail::promised_state<T>* state_;
  future<T> unasked_;
  bool was_asked_ = false;
};

}  // namespace pinion
