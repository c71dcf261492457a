// SPDX-License-Identifier: MIT
// Callbacks of a context: something to run, on an executor, when it is done.
//
//     const auto wake = ctx.on_done(sched, [&] { device.interrupt(); });
//     device.read();                       // the end of scope takes the callback back
//
// Canceling posts the callback and goes on. Whoever takes it back has two ways: without waiting,
// which may come too late; and with waiting, after which it is not running and will not.
#pragma once

#include <utility>

#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"

namespace pinion {

namespace detail {
class context_callback;
}

/// What on_done() returns: the right to take the callback back. Move-only.
/// @threads   one at a time; also from inside the callback
class [[nodiscard]] callback_registration {
 public:
  callback_registration(callback_registration&& other) noexcept
      : callback_(std::exchange(other.callback_, nullptr)) {}
  callback_registration& operator=(callback_registration&& other) noexcept {
    callback_registration gone(std::move(*this));
    callback_ = std::exchange(other.callback_, nullptr);
    return *this;
  }
  ~callback_registration() {  // as try_remove()
    if (callback_ != nullptr) leave();
  }

  /// True: this call made sure that it never runs, and has destroyed it. False: it has begun, is
  /// being posted at this moment, or was removed before.
  /// @blocks    never
  bool try_remove() noexcept;

  /// Completes when it is not running and will not: at once, if it has not begun, or when called
  /// from inside the callback. What has not begun when this is called does not begin any more.
  /// @lifetime  the registration outlives the wait
  op<> remove() & noexcept;
  op<> remove() && = delete;

  /// Leaves it to itself: it runs when the context is done.
  void detach() noexcept;

 private:
  friend class context;
  explicit callback_registration(detail::context_callback& made) noexcept : callback_(&made) {}
  void leave() noexcept;

  detail::context_callback* callback_;  // holds a reference; null: there is nothing to remove
};

}  // namespace pinion
