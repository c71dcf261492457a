// SPDX-License-Identifier: MIT
// A tick is handed over in one of two ways: a reader finds that it is due, or the timer does and
// hands it to the first in line. The timer is armed while somebody waits; one that fires for
// nobody is not armed again. Nobody disarms it under the lock, which fire() takes as well.
#include "pinion/sync/ticker.hpp"

#include <mutex>
#include <stdexcept>
#include <string>

namespace pinion {

namespace {

// Instead of a time: nobody would end the wait.
constexpr auto no_timer = static_cast<std::uint64_t>(time_point::min().time_since_epoch().count());

duration positive(duration period) {
  if (period > duration::zero()) return period;
  throw std::invalid_argument("ticker: a period of " + std::to_string(period.count()) +
                              " ns, must be 1 or more");
}

}  // namespace

ticker::ticker(duration period, missed_tick policy)
    : time_(this_executor()->time()),
      policy_(policy),
      period_(positive(period)),
      due_(add_saturating(time_.now(), period)) {}

ticker::ticker(const context& clock_of, duration period, missed_tick policy)
    : time_(clock_of.time()),
      policy_(policy),
      period_(positive(period)),
      due_(add_saturating(time_.now(), period)) {}

ticker::~ticker() {
  (void)time_.disarm(timer_);
}

ticker& ticker::of(op<time_point>& o) noexcept {
  return *static_cast<ticker*>(o.object());
}

// All below with the lock held, if not said otherwise.

/// @pre  a tick is due
time_point ticker::take(time_point now) noexcept {
  const auto late = (now - due_) / period_;
  if (policy_ == missed_tick::burst || late == 0) {
    const time_point tick = due_;
    due_ = add_saturating(policy_ == missed_tick::delay ? now : due_, period_);
    return tick;
  }
  missed_ += static_cast<std::uint64_t>(late);
  const time_point tick = due_ + late * period_;
  due_ = add_saturating(policy_ == missed_tick::delay ? now : tick, period_);
  return tick;
}

/// False: the tick is due.
bool ticker::arm() noexcept {
  timer_.when = due_;
  timer_.owner = this;
  timer_.fire = fire;
  armed_ = time_.arm(timer_);
  return armed_;
}

/// Hands over what is due, and arms the timer for who still waits.
void ticker::serve(wake_chain& woken) noexcept {
  while (!line_.empty()) {
    const time_point now = time_.now();
    if (due_ > now) {
      if (arm()) return;
      continue;
    }
    wait_link* const first = line_.claim_first(woken);
    if (first == nullptr) return;
    op<time_point>::of(*first).word() =
        static_cast<std::uint64_t>(take(now).time_since_epoch().count());
  }
}

// Without the lock.
void ticker::fire(timer_node& fired) noexcept {
  ticker& self = *static_cast<own_timer&>(fired).owner;
  wake_chain woken;  // wakes last of all: then the ticker may go
  std::lock_guard lock(self.line_);
  self.armed_ = false;
  self.serve(woken);
}

constexpr op<time_point>::verb ticker::how_{
    .list = [](op<time_point>& o) noexcept -> wait_list& { return of(o).line_; },
    .try_complete =
        [](op<time_point>& o) noexcept {
          ticker& self = of(o);
          const time_point now = self.time_.now();
          if (self.due_ > now || !self.line_.empty()) {
            o.word() = no_timer;
            return !self.time_.prepare();
          }
          o.word() = static_cast<std::uint64_t>(self.take(now).time_since_epoch().count());
          return true;
        },
    .enlist =
        [](op<time_point>& o, waiter& who) noexcept {
          ticker& self = of(o);
          self.line_.push_back(o.link(who));
          // Due meanwhile, it is served here: it leaves a mark only, since nobody is first in line
          // who could be asleep.
          wake_chain woken;
          if (!self.armed_) self.serve(woken);
        },
    .withdraw = [](op<time_point>& o) noexcept { of(o).line_.remove(o.link()); },
    .take = [](op<time_point>& o) -> result<time_point> {
      if (o.word() == no_timer) return errc::unavailable;
      return time_point(duration(static_cast<std::int64_t>(o.word())));
    }};

op<time_point> ticker::next(const context& ctx) noexcept {
  return {how_, this, &ctx};
}

op<time_point> ticker::next() noexcept {
  return {how_, this, nullptr};
}

// The timer is taken back without the lock, so others may come meanwhile: whoever finds it armed
// leaves it to this thread. Whoever arms it later does so for the new time, and has the node alone.
void ticker::reset(duration period) {
  (void)positive(period);
  {
    std::lock_guard lock(line_);
    period_ = period;
    due_ = add_saturating(time_.now(), period);
    if (!armed_) return;
  }
  if (!time_.disarm(timer_)) return;
  wake_chain woken;  // outlives the lock
  std::lock_guard lock(line_);
  armed_ = false;
  serve(woken);
}

std::uint64_t ticker::missed() const noexcept {
  std::lock_guard lock(line_);
  return missed_;
}

}  // namespace pinion
