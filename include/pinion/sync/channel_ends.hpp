// SPDX-License-Identifier: MIT
// The two ends of a channel: what can be done at each of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "pinion/sync/channel_core.hpp"
#include "pinion/sync/channel_verbs.hpp"
#include "pinion/sync/context.hpp"

namespace pinion {

/// The right to send one value, now or later, even after close(). Dropped, it frees the place.
/// Receivers see the end of a closed channel when the last permit has gone.
template <class T>
class [[nodiscard]] send_permit {
 public:
  explicit send_permit(std::shared_ptr<detail::channel_core<T>> core) noexcept
      : core_(std::move(core)) {}
  send_permit(send_permit&& other) noexcept : core_(std::move(other.core_)) {}
  send_permit& operator=(send_permit other) noexcept {
    core_.swap(other.core_);
    return *this;
  }
  ~send_permit() {
    if (core_ != nullptr) core_->drop_permit();
  }

  /// Once. A value that nobody is left to receive goes to on_undelivered.
  /// @blocks    never
  /// @errors    throws what a move of T throws; then the permit may still be used
  void send(T value) && noexcept(detail::travels_in_place<T>) {
    channel_item<T> item = detail::to_item(std::move(value));
    std::exchange(core_, nullptr)->use_permit(std::move(item));
  }

 private:
  std::shared_ptr<detail::channel_core<T>> core_;
};

/// Where values are put in. All of it may be called by any number of threads at once.
///
/// After a handle has been moved from, its try_ forms find nothing ready, and its operations wait
/// until their context ends; without one that can end they fail with would_deadlock. As cases of a
/// select they are switched off.
template <class T>
class send_end {
 public:
  /// Completes when the channel has taken the value; with capacity 0, when a receiver has.
  /// A value that was not sent is still in the operation: `operation.payload()`; there it is
  /// behind a pointer if a move of T may throw.
  ///
  /// @order     what was done before send() is visible after the recv() of that value; the k-th
  ///            recv() happens before the (k + capacity)-th send() completes
  /// @cost      one read-modify-write while there is room and nobody waits. No allocation, unless a
  ///            move of T may throw: then one
  /// @errors    closed; canceled, deadline_exceeded from the context
  send_op<T> send(const context& ctx, T value) { return sending(&ctx, std::move(value)); }
  send_op<T> send(T value) { return sending(nullptr, std::move(value)); }
  send_op<T> send(scoped_context&&, T) = delete;  // must outlive the wait

  /// Moves from `value` only on success; a T whose move may throw is moved back when others were
  /// faster.
  /// @blocks    never, but for the short critical sections of others
  /// @errors    not_ready, closed. Throws what a move of T throws; a value that cannot be moved
  /// back
  ///            goes to on_undelivered
  result<> try_send(T&& value) noexcept(detail::travels_in_place<T>) {
    using detail::send_outcome;
    if (core_ == nullptr) return errc::not_ready;
    const send_outcome how = attempt(std::move(value));
    if (how == send_outcome::full) return errc::not_ready;
    if (how == send_outcome::closed) return core_->why_closed();
    return {};
  }

  /// A place first, the value later: nothing has to be made before it can be sent. Waits for a
  /// free place under every policy.
  /// @errors    closed; too_large with capacity 0, which has no places; those of the context
  reserve_op<T> reserve(const context& ctx) { return reserving(&ctx); }
  reserve_op<T> reserve() { return reserving(nullptr); }
  reserve_op<T> reserve(scoped_context&&) = delete;

  /// Ends the channel: sends fail from now on, receivers get what is left, then `closed`, with
  /// this cause. True for the call that did it; again is harmless.
  /// @blocks    never
  bool close(error cause = errc::closed) noexcept {
    return core_ != nullptr && core_->close(std::move(cause));
  }

 protected:
  using core_pointer = std::shared_ptr<detail::channel_core<T>>;

  explicit send_end(core_pointer core) noexcept : core_(std::move(core)) {}
  send_end(const send_end&) noexcept = default;
  send_end(send_end&&) noexcept = default;
  send_end& operator=(const send_end&) noexcept = default;
  send_end& operator=(send_end&&) noexcept = default;
  ~send_end() = default;

  core_pointer core_;

 private:
  send_op<T> sending(const context* bound, T&& value) {
    return send_op<T>(detail::send_verb<T>::how, core_.get(), bound,
                      detail::to_item(std::move(value)));
  }
  reserve_op<T> reserving(const context* bound) {
    return reserve_op<T>(detail::reserve_verb<T>::how, core_.get(), bound);
  }
  detail::send_outcome attempt(T&& value) noexcept(detail::travels_in_place<T>) {
    if constexpr (detail::travels_in_place<T>) {
      return core_->try_send(value);
    } else {
      using detail::send_outcome;
      const send_outcome before = core_->look_to_send();
      if (before != send_outcome::sent) return before;
      auto item = detail::to_item(std::move(value));
      const send_outcome how = core_->try_send(item);
      if (how == send_outcome::full || how == send_outcome::closed) give_back(item, value);
      return how;
    }
  }
  void give_back(channel_item<T>& item, T& value) {
    try {
      value = std::move(*item);
    } catch (...) {
      core_->undelivered(item);
      throw;
    }
  }
};

/// Where values come out. All of it may be called by any number of threads at once.
template <class T>
class receive_end {
 public:
  /// Completes with the next value; values come in the order their sends took effect.
  /// @cost      one read-modify-write while there is a value; no allocation
  /// @errors    closed once the channel is closed and empty; canceled, deadline_exceeded from the
  ///            context; failed when a move of T throws: the operation keeps the value, and gives
  ///            it when it is run again
  receive_op<T> recv(const context& ctx) { return receiving(&ctx); }
  receive_op<T> recv() { return receiving(nullptr); }
  receive_op<T> recv(scoped_context&&) = delete;  // must outlive the wait

  /// @blocks    never, but for the short critical sections of others
  /// @errors    not_ready, closed; failed when a move of T throws: on_undelivered gets the value
  result<T> try_recv() noexcept(detail::travels_in_place<T>) {
    if (core_ == nullptr) return errc::not_ready;
    bool drained = false;
    auto value = core_->try_receive(drained);
    if (!value) return drained ? result<T>(core_->why_closed()) : result<T>(errc::not_ready);
    auto out = detail::take_out<T>(value);
    if (value) core_->undelivered(*value);
    return out;
  }

  /// Waits for one value, then takes up to `most` that are there (at least one). The operation
  /// succeeds once; whoever wants more makes another.
  /// @cost      one allocation, when it is made, for as many values as can be there
  receive_many_op<T> recv_many(const context& ctx, std::size_t most) {
    return receiving_many(&ctx, most);
  }
  receive_many_op<T> recv_many(std::size_t most) { return receiving_many(nullptr, most); }
  receive_many_op<T> recv_many(scoped_context&&, std::size_t) = delete;

  /// for (T& value : ch): receives until closed, blocking the thread like recv().wait(). A cause
  /// ends it, too, without a word: try_recv().error() has it afterwards.
  /// @errors    throws what a move of T throws: on_undelivered gets the value
  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    T& operator*() const noexcept { return *value_; }
    T* operator->() const noexcept { return &*value_; }
    iterator& operator++() {
      next();
      return *this;
    }
    void operator++(int) { next(); }
    bool operator==(std::default_sentinel_t) const noexcept { return !value_.has_value(); }

   private:
    friend class receive_end;

    explicit iterator(receive_end& from) : from_(&from) { next(); }

    void next() {
      value_.reset();
      receive_op<T> receiving = from_->recv();
      result<T> r = receiving.wait();
      if (r) return hold(*r);
      if (receiving.payload()) from_->core_->undelivered(*receiving.payload());
      if (r.error() != errc::closed) r.error().raise();
    }
    void hold(T& value) {
      try {
        value_.emplace(std::move(value));
      } catch (...) {
        from_->core_->undelivered_value(value);
        throw;
      }
    }

    receive_end* from_;
    mutable std::optional<T> value_;
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// How many values are buffered; exact when nobody sends or receives meanwhile.
  /// @progress  wait-free
  std::size_t size_approx() const noexcept { return core_ == nullptr ? 0 : core_->size_approx(); }

 protected:
  using core_pointer = std::shared_ptr<detail::channel_core<T>>;

  explicit receive_end(core_pointer core) noexcept : core_(std::move(core)) {}
  receive_end(const receive_end&) noexcept = default;
  receive_end(receive_end&&) noexcept = default;
  receive_end& operator=(const receive_end&) noexcept = default;
  receive_end& operator=(receive_end&&) noexcept = default;
  ~receive_end() = default;

  core_pointer core_;

 private:
  static constexpr std::size_t batch_without_buffer = 16;  // from senders that wait

  receive_op<T> receiving(const context* bound) {
    return receive_op<T>(detail::receive_verb<T>::how, core_.get(), bound);
  }
  receive_many_op<T> receiving_many(const context* bound, std::size_t most) {
    const std::size_t capacity = core_ == nullptr ? 0 : core_->capacity();
    most = std::clamp<std::size_t>(most, 1, std::max(capacity, batch_without_buffer));
    detail::channel_batch<T> batch{{}, most};
    batch.values.reserve(most);
    return receive_many_op<T>(detail::receive_many_verb<T>::how, core_.get(), bound,
                              std::move(batch));
  }
};

}  // namespace pinion
