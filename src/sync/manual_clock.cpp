// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cassert>
#include <mutex>
#include <utility>

#include "pinion/sync/timer.hpp"
#include "src/sync/timer_queue.hpp"

namespace pinion {

namespace {

constexpr time_point start{std::chrono::hours(1)};  // not zero: the past has room too

}  // namespace

struct manual_clock::core {
  detail::timer_queue queue{start};
  // Guarded by the queue's lock.
  time_point now = start;
  time_point goal = start;  // of the advance() under way
  bool advancing = false;

  timer_node* next_due() noexcept {
    const std::lock_guard lock(queue.lock);
    timer_node* due = queue.take_due(goal);
    now = due != nullptr ? std::max(now, due->when) : goal;
    advancing = due != nullptr;
    return due;
  }
};

manual_clock::manual_clock() : core_(std::make_unique<core>()) {}
manual_clock::~manual_clock() {
  assert(core_->queue.wheel.empty() && "a clock was destroyed while somebody waits for it");
}

std::size_t manual_clock::advance(duration d) {
  {
    const std::lock_guard lock(core_->queue.lock);
    const time_point wanted = add_saturating(core_->goal, std::max(d, duration::zero()));
    core_->goal = std::min(wanted, forever - duration(1));  // what waits for ever, does
    if (std::exchange(core_->advancing, true)) return 0;
  }
  std::size_t fired = 0;
  while (timer_node* due = core_->next_due()) {
    core_->queue.fire(*due);
    ++fired;
  }
  return fired;
}

time_point manual_clock::next_timer() const noexcept {
  const std::lock_guard lock(core_->queue.lock);
  return core_->queue.wheel.earliest();
}

time_point manual_clock::now() const noexcept {
  const std::lock_guard lock(core_->queue.lock);
  return core_->now;
}

bool manual_clock::arm(timer_node& node) noexcept {
  const std::lock_guard lock(core_->queue.lock);
  if (node.when <= core_->now) return false;
  core_->queue.wheel.arm(node);
  return true;
}

bool manual_clock::disarm(timer_node& node) noexcept {
  return core_->queue.disarm(node);
}

}  // namespace pinion
