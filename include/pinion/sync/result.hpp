// SPDX-License-Identifier: MIT
// A value or the reason there is none. Run-time conditions are values here, never exceptions.
//
//     result<int> n = parse(text);
//     if (!n) return n.error();              // an error passes on as it is
//     use(*n);                               // or n.value(), which throws the error instead
//
// An error says up to three things in two words: a code (what happened), a cause (why it was
// canceled, as the canceller put it) and the exception that was thrown. A copy never throws and
// never allocates, so an error crosses threads as easily as a number.
#pragma once

#include <cassert>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <version>
#if defined(__cpp_lib_expected)
#include <expected>
#endif

namespace pinion {

enum class errc : std::uint8_t {
  ok,
  canceled,               // the context was canceled
  deadline_exceeded,      // the context's time was up
  would_exceed_deadline,  // it would be up before our turn, so nobody waited
  closed,                 // closed, and drained where that applies
  not_ready,              // from try_: it would have had to wait; of a future: taken before
  too_large,              // asks for more than can ever be there
  overloaded,             // a bounded queue refused
  stopped,                // no longer takes work
  not_started,            // was accepted, then given up before it ran
  would_deadlock,         // waits for itself
  unavailable,            // the system refused what it takes: a thread
  failed,                 // the user's code: see exception()
};

/// Comparable with the standard conditions: deadline_exceeded == std::errc::timed_out and so on.
std::error_code make_error_code(errc) noexcept;

/// What went wrong. Two words; a copy never throws.
class error {
 public:
  error(errc code) noexcept : code_(code) {}  // implicit: return errc::closed;
  error(errc code, std::error_code cause) noexcept
      : code_(code), detail_(detail::cause), value_(cause.value()), category_(&cause.category()) {}
  error(std::exception_ptr) noexcept;          // errc::failed
  explicit error(const std::string& message);  // errc::failed, what() == message

  error(const error& other) noexcept { hold(other); }
  error(error&& other) noexcept { take(other); }
  error& operator=(error other) noexcept {
    drop();
    take(other);
    return *this;
  }
  ~error() { drop(); }

  errc code() const noexcept { return code_; }
  bool is_timeout() const noexcept {
    return code_ == errc::deadline_exceeded || code_ == errc::would_exceed_deadline;
  }
  bool is_cancel() const noexcept { return code_ == errc::canceled || code_ == errc::not_started; }

  bool is_trivial() const noexcept { return detail_ != detail::exception; }  // owns nothing
  std::error_code cause() const noexcept;         // the user's reason, else the code itself
  std::exception_ptr exception() const noexcept;  // the very object that was thrown, or null
  std::string what() const;
  [[noreturn]] void raise() const;  // rethrows exception(), else throws std::system_error

  /// The same reason under another code: what a wait reports that ended because of it.
  error as(errc code) const noexcept;

  friend bool operator==(const error& e, errc code) noexcept { return e.code_ == code; }

 private:
  enum class detail : std::uint8_t { none, cause, exception };

  template <class Other>
  void hold(Other&& other) noexcept {  // *this holds no exception before
    code_ = other.code_;
    detail_ = other.detail_;
    value_ = other.value_;
    if (detail_ != detail::exception) {
      category_ = other.category_;
    } else {
      std::construct_at(&exception_, std::forward<Other>(other).exception_);
    }
  }
  void take(error& other) noexcept {
    hold(std::move(other));
    other.drop();
    other.detail_ = detail::none;
    other.category_ = nullptr;
  }
  void drop() noexcept {
    if (detail_ == detail::exception) std::destroy_at(&exception_);
  }

  errc code_ = errc::ok;
  detail detail_ = detail::none;
  int value_ = 0;  // of the cause
  union {
    const std::error_category* category_ = nullptr;  // of the cause
    std::exception_ptr exception_;
  };
};

/// Either a T or an error: std::expected in small, with one error type and the same member names.
/// @order     as the T itself: no more thread-safe than it
template <class T = void>
requires(!std::same_as<T, error> && !std::same_as<T, errc>) class [[nodiscard]] result {
 public:
  using value_type = T;

  template <class U = T>
  requires std::constructible_from<T, U> &&(!std::same_as<std::remove_cvref_t<U>, result>)&&(
      !std::same_as<std::remove_cvref_t<U>,
                    pinion::error>)&&(!std::same_as<std::remove_cvref_t<U>,
                                                    errc>)explicit(!std::convertible_to<U, T>)
      result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  result(pinion::error e) noexcept : state_(std::in_place_index<1>, std::move(e)) {}
  result(errc code) noexcept : state_(std::in_place_index<1>, code) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& operator*() & noexcept { return held(); }
  T&& operator*() && noexcept { return std::move(held()); }
  const T& operator*() const& noexcept { return held(); }
  T* operator->() noexcept { return &held(); }
  const T* operator->() const noexcept { return &held(); }

  /// @errors    without a value: throws what error().raise() does
  T& value() & { return has_value() ? held() : raise(); }
  T&& value() && { return std::move(has_value() ? held() : raise()); }
  const T& value() const& { return has_value() ? held() : raise(); }

  /// @pre  !has_value()
  const pinion::error& error() const noexcept {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }

  template <class U>
  T value_or(U&& otherwise) const& {
    return has_value() ? held() : static_cast<T>(std::forward<U>(otherwise));
  }
  template <class U>
  T value_or(U&& otherwise) && {
    return has_value() ? std::move(held()) : static_cast<T>(std::forward<U>(otherwise));
  }

  template <class F>
  auto transform(F&& f) && -> result<std::invoke_result_t<F, T&&>> {
    if (!has_value()) return error();
    if constexpr (std::is_void_v<std::invoke_result_t<F, T&&>>) {
      std::invoke(std::forward<F>(f), std::move(held()));
      return {};
    } else {
      return std::invoke(std::forward<F>(f), std::move(held()));
    }
  }
  template <class F>
  auto and_then(F&& f) && -> std::invoke_result_t<F, T&&> {
    if (!has_value()) return error();
    return std::invoke(std::forward<F>(f), std::move(held()));
  }
  template <class F>
  auto or_else(F&& f) && -> result {
    if (has_value()) return std::move(*this);
    return std::invoke(std::forward<F>(f), error());
  }

#if defined(__cpp_lib_expected)
  std::expected<T, pinion::error> to_expected() && {
    if (!has_value()) return std::unexpected(error());
    return std::move(held());
  }
#endif

 private:
  T& held() noexcept {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& held() const noexcept {
    return const_cast<result*>(this)->held();
  }
  [[noreturn]] T& raise() const {
    error().raise();
  }

  std::variant<T, pinion::error> state_;
};

template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;

  result() noexcept = default;
  result(pinion::error e) noexcept : error_(std::move(e)) {}
  result(errc code) noexcept : error_(code) {}

  bool has_value() const noexcept { return error_ == errc::ok; }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
    if (!has_value()) error_.raise();
  }

  /// @pre  !has_value()
  const pinion::error& error() const noexcept {
    assert(!has_value());
    return error_;
  }

  template <class F>
  auto transform(F&& f) && -> result<std::invoke_result_t<F>> {
    if (!has_value()) return error_;
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      std::invoke(std::forward<F>(f));
      return {};
    } else {
      return std::invoke(std::forward<F>(f));
    }
  }
  template <class F>
  auto and_then(F&& f) && -> std::invoke_result_t<F> {
    if (!has_value()) return error_;
    return std::invoke(std::forward<F>(f));
  }
  template <class F>
  auto or_else(F&& f) && -> result {
    if (has_value()) return {};
    return std::invoke(std::forward<F>(f), error_);
  }

#if defined(__cpp_lib_expected)
  std::expected<void, pinion::error> to_expected() && {
    if (!has_value()) return std::unexpected(error_);
    return {};
  }
#endif

 private:
  pinion::error error_{errc::ok};
};

/// Receives every error nobody fetched: detached tasks, dropped futures, refused posts.
using error_hook = void (*)(const error&, std::string_view where) noexcept;

/// The hook where none was given: one line on stderr.
void print_unobserved_error(const error&, std::string_view where) noexcept;

}  // namespace pinion

template <>
struct std::is_error_code_enum<pinion::errc> : std::true_type {};
