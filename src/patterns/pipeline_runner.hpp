// SPDX-License-Identifier: MIT
// A runner of a pipeline: what it has in hand, how fast it is, and how long it may go on.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "pinion/platform/clock.hpp"
#include "pinion/platform/cpu.hpp"
#include "src/patterns/pipeline_control.hpp"

namespace pinion::detail {

class pipeline_runner {
 public:
  static constexpr duration look_away_least = std::chrono::microseconds(2);

  /// With what was of use to others lately.
  pipeline_runner(bool may_pass_on, std::uint32_t batch_size, duration look_away) noexcept
      : may_pass_on_(may_pass_on), batch_size_(batch_size), look_away_(look_away) {}
  pipeline_runner(const pipeline_runner&) = delete;
  pipeline_runner& operator=(const pipeline_runner&) = delete;

  /// A batch is done. True: it is time to look at the clock.
  bool counts(std::uint32_t calls) noexcept { return (calls_ += calls) >= look_at_; }

  /// Short calls make for large batches, the others for small ones.
  void look_at_clock() noexcept {
    const std::uint64_t now = cpu_ticks();
    calls_are_short_ = now - since_ < calls_ * to_ticks(short_call);
    // Where nobody can spin, nobody can look after a batch.
    const bool may_grow = calls_are_short_ && spin_budget(short_call).spin();
    batch_size_ = may_grow ? std::min(2 * batch_size_, pipeline_batch::most) : 1;
    look_at_ = calls_are_short_ ? calls_between_looks : 1;
    calls_ = 0;
    since_ = now;
  }

  std::uint32_t batch_size() const noexcept { return batch_size_; }
  bool turn_is_over() const noexcept { return may_pass_on_ && since_ > turn_ends_; }
  bool trial_is_due() const noexcept { return calls_are_short_ && since_ >= next_trial_; }
  duration look_away() const noexcept { return look_away_; }  // before the next look at others
  void looked(duration wait) noexcept {
    look_away_ = wait;
    calls_ = 0;
    since_ = cpu_ticks();
    next_trial_ = since_ + to_ticks(trial_every);
  }

  pipeline_batch batch;

  // Under the lock. In the list of all; how many batches it has taken; and what was seen of it.
  pipeline_runner* previous = nullptr;
  pipeline_runner* next = nullptr;
  std::uint64_t number = 0;
  std::uint64_t seen_number = 0;
  std::uint32_t seen_done = 0;

 private:
  static constexpr duration turn = std::chrono::microseconds(200);  // then other tasks have theirs
  static constexpr duration trial_every = std::chrono::microseconds(100);
  static constexpr duration short_call = std::chrono::nanoseconds(250);
  static constexpr std::uint32_t calls_between_looks = os::shrinkable(64U, ~0U);

  const bool may_pass_on_;
  bool calls_are_short_ = false;
  std::uint32_t batch_size_;
  duration look_away_;
  std::uint32_t calls_ = 0;
  std::uint32_t look_at_ = os::shrinkable(1U, ~0U);
  std::uint64_t since_ = cpu_ticks();
  std::uint64_t next_trial_ = since_;
  const std::uint64_t turn_ends_ = since_ + to_ticks(turn);
};

}  // namespace pinion::detail
