// SPDX-License-Identifier: MIT
// Waiting for time: sleep, and a clock that tests turn by hand.
//
// There is no timer object: a sleep that is not waited for to its end leaves nothing behind. To
// wait again and again, see ticker; to run something later without waiting, post_options::after.
#pragma once

#include <cstddef>
#include <memory>

#include "pinion/platform/clock.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/operation.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion {

/// The operation that sleep() returns. Movable while it is not waited for.
///
/// Nobody else waits for the same thing, so it stands in no queue and needs no lock: the timer is
/// its own, and fire() claims the waiter and wakes it.
class [[nodiscard]] sleep_op : public operation_base<sleep_op, void> {
 public:
  static constexpr bool is_timeout = true;  // in a select, loses against all that is ready

  sleep_op(const context* bound, time_source& time, time_point when) noexcept
      : operation_base(bound), time_(&time) {
    timer_.when = when;
    timer_.fire = &sleep_op::fire;
  }

  void collect(lock_set&) noexcept {}
  bool try_complete() noexcept { return timer_.when <= time_->now(); }
  void enlist(waiter& who) noexcept {
    timer_.link = {&who, nullptr, nullptr};
    refused_ = !time_->prepare();
    // Refused, or due meanwhile: the mark is left by this thread.
    if (refused_ || !time_->arm(timer_)) fire(timer_);
  }
  /// A fire() that has won is done with this when it wakes. One that has not may still be about to
  /// look at the waiter: disarm() waits for that.
  void withdraw() noexcept {
    if (timer_.link.owner->winner() != &timer_.link) time_->disarm(timer_);
  }
  bool owns(const wait_link& link) const noexcept { return &link == &timer_.link; }
  result<> take() noexcept { return refused_ ? result<>(errc::unavailable) : result<>(); }

 private:
  struct node : timer_node {
    wait_link link;
  };

  static void fire(timer_node& fired) noexcept {
    wait_link& link = static_cast<node&>(fired).link;
    waiter& who = *link.owner;
    if (who.try_claim(link)) who.wake();
  }

  time_source* time_;
  bool refused_ = false;
  node timer_;
};

/// Completes when the time has passed, never before it. Zero or less: at once. Time is that of the
/// context; without one, that of this_executor().
/// @cost      no allocation
/// @errors    canceled, deadline_exceeded: as soon as the context ends; unavailable: at once, when
///            the clock has no thread and gets none
inline sleep_op sleep_until(const context& ctx, time_point when) noexcept {
  return {&ctx, ctx.time(), when};
}
inline sleep_op sleep_until(time_point when) noexcept {
  return {nullptr, this_executor()->time(), when};
}
inline sleep_op sleep(const context& ctx, duration d) noexcept {
  return sleep_until(ctx, add_saturating(ctx.time().now(), d));
}
inline sleep_op sleep(duration d) noexcept {
  time_source& time = this_executor()->time();
  return {nullptr, time, add_saturating(time.now(), d)};
}
sleep_op sleep_until(scoped_context&&, time_point) = delete;  // must outlive the wait
sleep_op sleep(scoped_context&&, duration) = delete;          // must outlive the wait

/// Time for tests: stands still until advance().
/// @threads   any; advance() by one thread at a time
/// @lifetime  outlives the contexts and schedulers that run by it
class manual_clock final : public time_source {
 public:
  manual_clock();
  ~manual_clock();
  manual_clock(const manual_clock&) = delete;
  manual_clock& operator=(const manual_clock&) = delete;

  /// Deadlines and sleeps below it follow this clock.
  context root() { return context::root(*this); }

  /// Fires what is due on this thread, each timer at its own time, those that are armed meanwhile
  /// included. How many fired. Called by a timer that fires, it moves the goal of the advance()
  /// under way, and says 0.
  std::size_t advance(duration);
  time_point next_timer() const noexcept;  // earliest armed, or forever

  time_point now() const noexcept override;
  bool arm(timer_node&) noexcept override;
  bool disarm(timer_node&) noexcept override;

 private:
  struct core;
  std::unique_ptr<core> core_;
};

}  // namespace pinion
