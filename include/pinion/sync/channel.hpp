// SPDX-License-Identifier: MIT
// Channel: typed values from any number of senders to any number of receivers, in order.
//
// `channel<T>` is both ends in one handle. To pass on one end only, convert it:
//
//     channel<int> ch(16);
//     produce(sender<int>(ch));      // when the last sender is gone the channel is closed
//     consume(receiver<int>(ch));    // when the last receiver is gone, senders see closed
//
// Only `sender` and `receiver` handles count: a channel<T> in scope keeps nothing open. A value is
// received once, or comes back to who sent it, or goes to `on_undelivered`.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "pinion/sync/channel_core.hpp"
#include "pinion/sync/channel_ends.hpp"
#include "pinion/sync/channel_options.hpp"

namespace pinion {

/// Both ends. Copies are handles to the same channel.
///
/// Values are moved while the channel is locked, and what a move leaves behind is destroyed there:
/// neither may use the channel. The destruction of a value itself may.
/// @threads   any, for all but assignment
/// @lifetime  a handle must outlive the operations it has made
template <class T>
class channel : public send_end<T>, public receive_end<T> {
 public:
  /// @errors    throws std::bad_alloc
  explicit channel(std::size_t capacity = 0) : channel(channel_options<T>{.capacity = capacity}) {}
  /// @errors    throws std::invalid_argument if it drops values and has no capacity
  explicit channel(channel_options<T> options)
      : channel(std::make_shared<detail::channel_core<T>>(std::move(options))) {}

  /// Closes; what was buffered goes to the caller, in order.
  /// @errors    throws std::bad_alloc. After a move of T that throws, what came before it is
  ///            returned and the rest goes to on_undelivered; if nothing came before it, it throws
  std::vector<T> close_and_take() {
    if (core() == nullptr) return {};
    (void)core()->close(errc::closed);
    auto items = core()->take_buffered();
    auto values = detail::take_out_all<T>(items);
    if constexpr (!detail::travels_in_place<T>)
      for (auto& left : items) core()->undelivered(left);
    return std::move(values).value();
  }

  std::size_t capacity() const noexcept { return core() == nullptr ? 0 : core()->capacity(); }
  bool closed() const noexcept {
    return core() != nullptr && core()->locked([&] { return core()->is_closed(); });
  }

  // How many wait at this moment, for tests and for who looks for what got stuck. They are counted
  // one by one, with the lock held: who asks all the time keeps others from their waits.
  std::size_t waiting_to_send() const noexcept {
    return core() == nullptr ? 0 : core()->locked([&] { return core()->waiting_to_send(); });
  }
  std::size_t waiting_to_receive() const noexcept {
    return core() == nullptr ? 0 : core()->locked([&] { return core()->waiting_to_receive(); });
  }

 private:
  template <class>
  friend class sender;
  template <class>
  friend class receiver;
  using core_pointer = std::shared_ptr<detail::channel_core<T>>;

  explicit channel(const core_pointer& core) noexcept : send_end<T>(core), receive_end<T>(core) {}

  const core_pointer& core() const noexcept { return send_end<T>::core_; }
};

/// The sending end, counted: when the last one goes, the channel is closed.
/// @threads   any, for all but assignment
template <class T>
class sender : public send_end<T> {
 public:
  sender(const channel<T>& both) noexcept : sender(both.core()) {}
  sender(const sender& other) noexcept : sender(other.core_) {}
  sender(sender&& other) noexcept = default;
  sender& operator=(sender other) noexcept {
    this->core_.swap(other.core_);
    return *this;
  }
  ~sender() {
    if (this->core_ != nullptr) this->core_->remove_sender();
  }

 private:
  explicit sender(const std::shared_ptr<detail::channel_core<T>>& core) noexcept
      : send_end<T>(core) {
    if (core != nullptr) core->add_sender();
  }
};

/// The receiving end, counted: when the last one goes, the channel is closed, those who wait to
/// send get their values back, and what is buffered goes to on_undelivered.
/// @threads   any, for all but assignment
template <class T>
class receiver : public receive_end<T> {
 public:
  receiver(const channel<T>& both) noexcept : receiver(both.core()) {}
  receiver(const receiver& other) noexcept : receiver(other.core_) {}
  receiver(receiver&& other) noexcept = default;
  receiver& operator=(receiver other) noexcept {
    this->core_.swap(other.core_);
    return *this;
  }
  ~receiver() {
    if (this->core_ != nullptr) this->core_->remove_receiver();
  }

 private:
  explicit receiver(const std::shared_ptr<detail::channel_core<T>>& core) noexcept
      : receive_end<T>(core) {
    if (core != nullptr) core->add_receiver();
  }
};

}  // namespace pinion
