// SPDX-License-Identifier: MIT
// Stop token: one flag, seen by many, set once. For those who need cancellation without the
// deadline, the cause and the tree of a context.
//
//     stop_source source;
//     std::thread loop([token = source.token()] {
//       stop_callback unblock(token, [] { wake_the_device(); });
//       while (!token.stop_requested()) step();
//     });
//     source.request_stop();
//
// Asking is one load of a line that is written once. Callbacks stand in a list, each inside its
// own registration, behind a short lock that is never held while one of them runs. The protocol
// page on the stop token has the steps.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <utility>

#include "pinion/platform/os.hpp"

namespace pinion {

namespace detail {

/// What sources, tokens and callbacks share, as far as they look at it without the lock.
struct stop_flag {
  os::atomic<bool> requested{false};
  os::atomic<std::uint32_t> sources{1};
  os::atomic<std::uint32_t> references{1};
};

/// One of these; null refers to no flag.
class stop_handle {
 public:
  constexpr stop_handle() noexcept = default;
  explicit stop_handle(stop_flag* adopted) noexcept : flag_(adopted) {}
  stop_handle(const stop_handle& other) noexcept : flag_(other.flag_) { retain(); }
  stop_handle(stop_handle&& other) noexcept : flag_(std::exchange(other.flag_, nullptr)) {}
  stop_handle& operator=(stop_handle other) noexcept {
    std::swap(flag_, other.flag_);
    return *this;
  }
  ~stop_handle() {
    if (flag_ != nullptr) release(*flag_);
  }

  stop_flag* operator->() const noexcept { return flag_; }
  stop_flag* get() const noexcept { return flag_; }

 private:
  void retain() const noexcept {
    // relaxed: `other` holds a reference meanwhile.
    if (flag_ != nullptr) flag_->references.fetch_add(1, std::memory_order_relaxed);
  }
  static void release(stop_flag&) noexcept;

  stop_flag* flag_ = nullptr;
};

/// A callback in the list, without its callable. Fields belong to the list.
struct stop_registration {
  void (*run)(stop_registration&) noexcept;
  stop_registration* previous = nullptr;
  stop_registration* next = nullptr;

  bool join(stop_flag&) noexcept;   // false: the stop was requested, so it ran in here
  void leave(stop_flag&) noexcept;  // it does not run and will not, unless this is called by it
};

}  // namespace detail

/// Sees whether a stop was requested. Copies see the same flag.
class stop_token {
 public:
  stop_token() noexcept = default;  // never stopped

  /// @progress  wait-free: one load
  /// @order     sees what was done before request_stop()
  bool stop_requested() const noexcept {
    // acquire: sees what came before; pairs with the release in request_stop.
    return flag_.get() != nullptr && flag_->requested.load(std::memory_order_acquire);
  }

  /// False: no source is left that could, or there never was one.
  bool stop_possible() const noexcept {
    // acquire: when no source is left, sees the request of the last one; pairs with the release
    // in the source's destructor.
    return flag_.get() != nullptr &&
           (flag_->sources.load(std::memory_order_acquire) != 0 || stop_requested());
  }

 private:
  friend class stop_source;
  template <std::invocable F>
  friend class stop_callback;
  explicit stop_token(detail::stop_handle flag) noexcept : flag_(std::move(flag)) {}

  detail::stop_handle flag_;
};

/// Asks to stop. Copies share the flag.
class stop_source {
 public:
  /// @cost      the one allocation there is; tokens and callbacks make none
  /// @errors    throws std::bad_alloc
  stop_source();
  stop_source(const stop_source&) noexcept;
  stop_source(stop_source&&) noexcept = default;
  stop_source& operator=(stop_source other) noexcept {
    std::swap(flag_, other.flag_);
    return *this;
  }
  ~stop_source();

  /// Sets the flag, then runs the callbacks in the order of their registration, on this thread
  /// and without a lock. True for the call that did it.
  /// @threads   any. A call that loses returns at once; callbacks may still run then
  bool request_stop() noexcept;

  stop_token token() const noexcept { return stop_token(flag_); }

 private:
  detail::stop_handle flag_;
};

/// Runs f once, on the thread that requests the stop, or in the constructor if that has happened.
/// An exception that leaves f ends the program.
///
/// The destructor returns when f is not running and will not: it waits for a run on another
/// thread, and returns at once inside f itself. So f may destroy its own registration, or others,
/// or make new ones.
/// @cost      no allocation; f is stored in place
template <std::invocable F>
class [[nodiscard]] stop_callback : private detail::stop_registration {
 public:
  stop_callback(const stop_token& token, F f)
      : stop_registration{&call}, flag_(token.flag_), f_(std::forward<F>(f)) {
    if (flag_.get() != nullptr && !join(*flag_.get())) flag_ = detail::stop_handle();
  }
  stop_callback(const stop_callback&) = delete;
  stop_callback& operator=(const stop_callback&) = delete;
  ~stop_callback() {
    if (flag_.get() != nullptr) leave(*flag_.get());
  }

 private:
  static void call(stop_registration& self) noexcept {
    std::invoke(std::forward<F>(static_cast<stop_callback&>(self).f_));
  }

  detail::stop_handle flag_;  // null: there is nothing to leave
  F f_;
};

}  // namespace pinion
