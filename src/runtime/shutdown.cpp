// SPDX-License-Identifier: MIT
#include "pinion/runtime/shutdown.hpp"

#include "src/runtime/core.hpp"

namespace pinion {

result<shutdown_report> shutdown_op::wait() {
  if (const errc refusal = start(); refusal != errc::ok) return refusal;
  return outcome(base::wait());
}

errc shutdown_op::start() noexcept {
  if (core_->must_not_wait()) return errc::would_deadlock;
  // relaxed: the child of a fork has had it set before it ran anything.
  if ((core_->life(std::memory_order_relaxed) & detail::task_memory::forked) != 0) {
    return errc::stopped;
  }
  // When the context ends in here, it has ended for the wait that follows, too.
  const context* const patience = own_context().bound();
  if (how_ == how::stop) {
    core_->begin_stop(patience);
  } else {
    core_->begin_drain(patience);
  }
  return errc::ok;
}

// The only error of this wait is that its context ended: then say who still blocks.
result<shutdown_report> shutdown_op::outcome(result<shutdown_report> ended) {
  if (!ended) {
    shutdown_report so_far = core_->report();
    // acquire: as in try_complete.
    if (so_far.blocking.empty() && !core_->ended.load(std::memory_order_acquire)) {
      so_far.blocking.push_back({"work that has not started", ""});
    }
    return so_far;
  }
  return ended;
}

void shutdown_op::collect(lock_set& locks) noexcept {
  locks.add(core_->ending);
}

bool shutdown_op::try_complete() noexcept {
  // acquire: sees everything the tasks did; pairs with the release in check_quiet.
  return core_->ended.load(std::memory_order_acquire);
}

void shutdown_op::enlist(waiter& who) noexcept {
  link_ = {&who, nullptr, nullptr};
  core_->ending.push_back(link_);
}

void shutdown_op::withdraw() noexcept {
  core_->ending.remove(link_);
}

result<shutdown_report> shutdown_op::take() {
  return core_->report();
}

}  // namespace pinion
