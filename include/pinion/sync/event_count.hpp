// SPDX-License-Identifier: MIT
// Event count: makes any lock-free condition something to wait for: "until the queue is not empty".
//
//     who waits                                whoever makes the condition true
//  W1 stand in line, set the mark           N1 make it true
//  W2 ask the condition again; else sleep   N2 count up; was the mark set?
//                                           N3 lock the line; ask each one's condition; claim
//                                              those whose condition is true; unlock; wake
//
// W1 and N2 are read-modify-writes of one word. If N2 is second it sees the mark, and asks for who
// waits; if W1 is second it sees the count, and with it N1, so W2 does.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>

#include "pinion/platform/os.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/operation.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

class event_count;

namespace detail {

/// A place in the line of an event count, and what is waited for there.
struct watcher : wait_link {
  bool (*holds)(watcher&) noexcept = nullptr;
};

}  // namespace detail

/// The operation that until() returns. Movable while it is not waited for.
template <std::predicate P>
class [[nodiscard]] until_op : public operation_base<until_op<P>, void>, private detail::watcher {
 public:
  until_op(event_count& events, const context* bound, P condition)
      : operation_base<until_op, void>(bound), events_(&events), condition_(std::move(condition)) {
    this->holds = [](detail::watcher& w) noexcept -> bool {
      return static_cast<until_op&>(w).condition_();
    };
  }

  void collect(lock_set& locks) noexcept;
  bool try_now() noexcept { return condition_(); }
  bool try_complete() noexcept { return condition_(); }
  void enlist(waiter&) noexcept;
  void withdraw() noexcept;
  bool owns(const wait_link& link) const noexcept { return &link == this; }
  result<> take() noexcept { return {}; }

 private:
  event_count* events_;
  P condition_;
};

/// Whoever may have made a condition true calls notify_all(); whoever needs one true waits with
/// until(). No wake-up is lost, whatever order the condition itself is written with.
///
/// A notification asks the condition of everybody in line, in order of arrival. Where it is false
/// (again), the wait goes on, in its place; so there is no notify_one that could be swallowed.
///
/// @threads   any
/// @lifetime  outlives its waits, and the calls of notify_all(): a wait may see its condition true
///            before the call that follows
class event_count {
 public:
  event_count() noexcept = default;
  event_count(const event_count&) = delete;
  event_count& operator=(const event_count&) = delete;

  /// Completes once `condition()` is true.
  ///
  /// The condition is asked by who waits, and while that stands in line by notify_all(), on any
  /// thread, with the lock of this event count held but for the first time. That of one wait is
  /// never asked by two at once; those of different waits may be. It is to look at atomics, and has
  /// no effects. It must not throw, lock, wait, or use this event count.
  /// @order     sees what was done before the notify_all() that found the condition true
  /// @cost      no allocation
  /// @errors    canceled, deadline_exceeded
  template <std::predicate P>
  until_op<P> until(const context& ctx, P condition) {
    return {*this, &ctx, std::move(condition)};
  }
  template <std::predicate P>
  until_op<P> until(P condition) {
    return {*this, nullptr, std::move(condition)};
  }
  template <std::predicate P>
  until_op<P> until(scoped_context&&, P) = delete;  // must outlive the wait

  /// @blocks    never; takes a short lock when somebody waits
  /// @cost      with nobody waiting: one read-modify-write, no system call
  void notify_all() noexcept {
    // N2. release: whoever sets the mark later sees what was done before; pairs with the acquire in
    // add. An RMW reads the newest value, so a mark that was set before is not missed.
    if ((word_.fetch_add(one, std::memory_order_release) & waiting) != 0) ask_line();
  }

 private:
  template <std::predicate P>
  friend class until_op;

  static constexpr std::uint64_t waiting = 1;  // the mark
  static constexpr std::uint64_t one = 2;      // notification

  void ask_line() noexcept;
  // With the lock held.
  void add(detail::watcher&, waiter&) noexcept;
  void remove(detail::watcher&) noexcept;

  os::atomic<std::uint64_t> word_{0};
  wait_list line_;
};

template <std::predicate P>
void until_op<P>::collect(lock_set& locks) noexcept {
  locks.add(events_->line_);
}

template <std::predicate P>
void until_op<P>::enlist(waiter& who) noexcept {
  events_->add(*this, who);
}

template <std::predicate P>
void until_op<P>::withdraw() noexcept {
  events_->remove(*this);
}

}  // namespace pinion
