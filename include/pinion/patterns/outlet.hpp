// SPDX-License-Identifier: MIT
// Outlet: the sending end of a channel that is filled by a task of the library.
//
//     inputs ──> task ── outlet ──> [ channel ] ──> receiver, the user's
//
// However the task ends, even if it never started, the channel is closed and says why: whoever
// reads to its end knows whether that was all. What was sent before is still received.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "pinion/sync/channel.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/result.hpp"

namespace pinion::detail {

/// Others have their turn on the worker after so many items.
inline constexpr unsigned items_per_turn = 128;

/// The end of a channel that was closed for a reason, not because there was no more.
inline bool says_why(const error& end) noexcept {
  return end != errc::closed || !end.is_trivial() || end.cause() != make_error_code(errc::closed);
}

template <class T>
class outlet {
  static_assert(travels_in_place<T>, "values are moved on their way: send a pointer instead");

 public:
  explicit outlet(const channel<T>& to) noexcept : to_(to) {}
  outlet(outlet&& other) noexcept = default;
  outlet& operator=(outlet other) noexcept {
    std::swap(to_, other.to_);
    std::swap(why_, other.why_);
    std::swap(ended_, other.ended_);
    return *this;
  }
  ~outlet() { to_.close(std::move(why_)); }

  send_op<T> send(const context& ctx, T&& value) { return to_.send(ctx, std::move(value)); }
  result<> try_send(T&& value) noexcept { return to_.try_send(std::move(value)); }

  /// All that came from one input went through. Of several inputs, the first that ended for a
  /// reason gives that for the end of all.
  void end(const error& of_input) noexcept {
    if (ended_ && says_why(why_)) return;
    why_ = of_input;
    ended_ = true;
  }
  /// Something did not go through: closed here and now.
  void cut_short(const error& why) noexcept { to_.close(why); }

 private:
  sender<T> to_;
  error why_ = errc::stopped;  // said if nobody says anything else
  bool ended_ = false;
};

/// Takes one out of a vector whose order does not matter: the last one gets its place. By move
/// construction, since operations need not be assignable.
template <class V>
void take_out_of(V& all, std::size_t i) noexcept {
  if (i + 1 != all.size()) {
    std::destroy_at(&all[i]);
    std::construct_at(&all[i], std::move(all.back()));
  }
  all.pop_back();
}

/// Gives away a value that was on its way and did not get in.
template <class T>
void give_up(const std::function<void(T&&)>& on_undelivered, T& value) noexcept {
  if (on_undelivered == nullptr) return;
  try {
    on_undelivered(std::move(value));
  } catch (...) {
    print_unobserved_error(error(std::current_exception()), "on_undelivered");
  }
}

}  // namespace pinion::detail
