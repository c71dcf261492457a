// SPDX-License-Identifier: MIT
// Ticker: an operation that completes again and again, one period after the other.
//
//     ticker beat(10ms);
//     while (auto due = beat.next(ctx).wait()) step(*due);
//
//      start    1p    2p    3p    4p    5p             a grid; a tick is due at each point
//        |-------|-----|-----|-----|-----|---
//                ^ got             ^ the next reader, late
//                                    coalesce: 4p, and 2 missed; then 5p
//                                    burst:    2p, 3p and 4p at once; then 5p
//                                    delay:    4p, and 2 missed; then one period from here
//
// Nobody has to be waiting for a tick, and a tick that nobody waits for costs nothing: how many
// there were is reckoned from the clock when somebody comes. A tick goes to one reader.
#pragma once

#include <cstdint>

#include "pinion/platform/clock.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion {

/// What a late reader of a ticker gets.
enum class missed_tick {
  coalesce,  // one tick for all it missed, then back on the original grid
  burst,     // every tick it missed, at once
  delay,     // one tick, then the next one period from now
};

/// @threads   any. Several readers share the ticks, first come, first served
/// @lifetime  outlives what waits for it
class ticker {
 public:
  /// The first tick is due one period from now, by the clock of this_executor().
  /// @errors    throws std::invalid_argument unless period > 0
  explicit ticker(duration period, missed_tick policy = missed_tick::coalesce);
  /// By the clock of the context, which need not outlive this.
  ticker(const context& clock_of, duration period, missed_tick policy = missed_tick::coalesce);
  ticker(const ticker&) = delete;
  ticker& operator=(const ticker&) = delete;
  ~ticker();

  /// Completes at the next tick with the time it was due, never before it.
  /// @cost      no allocation; one timer while somebody waits
  /// @errors    canceled, deadline_exceeded: as soon as the context ends; unavailable: it would
  ///            have to wait, but the clock has no thread and gets none
  op<time_point> next(const context&) noexcept;
  op<time_point> next() noexcept;
  op<time_point> next(scoped_context&&) = delete;  // must outlive the wait

  /// The next tick is due one period from now; those that were due are gone.
  /// @errors    throws std::invalid_argument unless period > 0
  void reset(duration period);

  std::uint64_t missed() const noexcept;  // ticks nobody got, so far

 private:
  struct own_timer : timer_node {
    ticker* owner = nullptr;
  };

  static ticker& of(op<time_point>&) noexcept;
  static void fire(timer_node&) noexcept;

  time_point take(time_point now) noexcept;
  bool arm() noexcept;
  void serve(wake_chain&) noexcept;

  static const op<time_point>::verb how_;

  time_source& time_;
  const missed_tick policy_;
  mutable wait_list line_;  // its lock guards the rest
  duration period_;
  time_point due_;  // the next tick that nobody got
  std::uint64_t missed_ = 0;
  bool armed_ = false;  // the timer belongs to the source, or is firing
  own_timer timer_;
};

}  // namespace pinion
