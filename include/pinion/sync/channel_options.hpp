// SPDX-License-Identifier: MIT
// How a channel is made, and how it keeps a value on the way.
//
// A value is moved while the channel is locked, so that move must not throw. A type whose move may
// throw travels behind a pointer: the value itself stays where it was put when it was handed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "pinion/sync/result.hpp"

namespace pinion {

enum class when_full : std::uint8_t {
  wait,         // senders wait
  drop_newest,  // senders never wait; the value being sent is dropped
  drop_oldest,  // senders never wait; the oldest value makes room
};

template <class T>
struct channel_options {
  std::size_t capacity = 0;  // exact; 0: a send waits for its receive
  when_full policy = when_full::wait;
  std::function<void(T&&)> on_undelivered = {};  // each value nobody will ever receive
};

namespace detail {

template <class T>
inline constexpr bool travels_in_place =
    std::is_nothrow_move_constructible_v<T>&& std::is_nothrow_destructible_v<T>;

}  // namespace detail

/// A value on its way: the T itself, or a pointer to it when a move of T may throw.
template <class T>
using channel_item = std::conditional_t<detail::travels_in_place<T>, T, std::unique_ptr<T>>;

namespace detail {

/// @errors    throws what making it throws; then `value` is as that left it
template <class T>
channel_item<T> to_item(T&& value) noexcept(travels_in_place<T>) {
  if constexpr (travels_in_place<T>) {
    return std::move(value);
  } else {
    return std::make_unique<T>(std::move(value));
  }
}

template <class T>
T& value_in(channel_item<T>& item) noexcept {
  if constexpr (travels_in_place<T>) {
    return item;
  } else {
    return *item;
  }
}

/// Empties it at the end of scope, unless that is left by an exception.
template <class Optional>
class reset_when_done {
 public:
  explicit reset_when_done(Optional& o) noexcept : optional_(o) {}
  reset_when_done(const reset_when_done&) = delete;
  reset_when_done& operator=(const reset_when_done&) = delete;
  ~reset_when_done() {
    if (std::uncaught_exceptions() == exceptions_) optional_.reset();
  }

 private:
  Optional& optional_;
  const int exceptions_ = std::uncaught_exceptions();
};

/// Moves the value out, by one move, and empties `from`. When the move throws, that is the error,
/// and the value stays.
template <class T>
result<T> take_out(std::optional<channel_item<T>>& from) noexcept(travels_in_place<T>) {
  if constexpr (travels_in_place<T>) {
    result<T> out(std::move(*from));
    from.reset();
    return out;
  } else {
    try {
      const reset_when_done reset(from);
      return result<T>(std::move(**from));
    } catch (...) {
      return error(std::current_exception());
    }
  }
}

/// As many as can be moved out; the others stay. When that is none, the error says why.
template <class T>
result<std::vector<T>> take_out_all(std::vector<channel_item<T>>& from) {
  if constexpr (travels_in_place<T>) {
    return std::exchange(from, {});
  } else {
    std::vector<T> out;
    try {
      out.reserve(from.size());
      for (const auto& item : from) out.push_back(std::move(*item));
    } catch (...) {
      if (out.empty()) return error(std::current_exception());
    }
    from.erase(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(out.size()));
    return out;
  }
}

}  // namespace detail
}  // namespace pinion
