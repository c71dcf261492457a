// SPDX-License-Identifier: MIT
#include "pinion/sync/future.hpp"

#include <chrono>
#include <mutex>

#include "pinion/platform/cpu.hpp"

namespace pinion::detail {
namespace {

/// How long a thread spins before it stands in line. A result that comes meanwhile costs the
/// producer one RMW and nobody a wake-up; longer burns CPU next to work that takes longer.
constexpr duration spin_before_waiting = std::chrono::microseconds(4);

}  // namespace

void future_state_base::publish_to_consumer(const error* unfetched) noexcept {
  wake_chain woken;  // wakes last of all: then the consumer, and with it the state, may go
  // acq_rel: publishes the result to ready(); sees that the consumer is gone or in line. Bits are
  // added, since that gives the old value in one instruction.
  const std::uint32_t before = word_.fetch_add(ready_bit, std::memory_order_acq_rel);
  if ((before & dropped_bit) != 0) {
    if (unfetched != nullptr) report(*unfetched);
  } else if ((before & waiting_bit) != 0) {
    const std::lock_guard lock(line_);
    line_.claim_all(woken);
  }
  // acq_rel: what was done here is over for who disposes; sees the same of the consumer.
  if ((word_.fetch_add(done_bit, std::memory_order_acq_rel) & dropped_bit) != 0) {
    actions_->dispose(*this);
  }
}

void future_state_base::report(const error& e) noexcept {
  if (actions_->report != nullptr) {
    actions_->report(*this, e);
  } else {
    print_unobserved_error(e, "a future");
  }
}

bool future_base::cancel() noexcept {
  return !ready() && state_->actions_->cancel != nullptr && state_->actions_->cancel(*state_);
}

bool future_base::try_complete() noexcept {
  if (state_ == nullptr) return true;
  std::uint32_t seen = 0;
  // acq_rel: against the RMWs of publish and publish_to_consumer: they see `waiting`, or this
  // sees `ready`. acquire on failure: when it is ready, sees the result.
  if (state_->word_.compare_exchange_strong(seen, future_state_base::waiting_bit,
                                            std::memory_order_acq_rel, std::memory_order_acquire)) {
    return false;
  }
  return (seen & future_state_base::ready_bit) != 0;
}

bool future_base::waits_for_itself() const noexcept {
  const auto is_run_here = state_->actions_->is_run_here;
  return is_run_here != nullptr && is_run_here(*state_);
}

void future_base::hurry(bool may_run) noexcept {
  const auto try_run = state_->actions_->try_run;
  if (may_run && try_run != nullptr && try_run(*state_)) return;
  for (spin_budget budget(spin_before_waiting); !state_->ready() && budget.spin();) {
  }
}

void future_base::let_go(future_state_base& state) noexcept {
  // acq_rel: as in publish_to_consumer.
  const std::uint32_t before =
      state.word_.fetch_add(future_state_base::dropped_bit, std::memory_order_acq_rel);
  if ((before & future_state_base::done_bit) != 0) state.actions_->dispose(state);
}

void future_base::join_abandoned() noexcept {
  const auto abandon = state_->actions_->abandon;
  if (abandon == nullptr || ready()) return;
  abandon(*state_);
  parker thread;
  waiter who(thread);
  bool waits = false;
  {
    const std::lock_guard lock(state_->line_);
    waits = !try_complete();
    if (waits) enlist(who);
  }
  if (waits) sleep_until_woken(who, thread);
}

void future_base::leave_taken() noexcept {
  let_go(*std::exchange(state_, nullptr));
}

void future_base::leave_untaken(error_of find_error) noexcept {
  future_state_base& state = *std::exchange(state_, nullptr);
  // acquire: when it is ready, sees the result.
  std::uint32_t seen = state.word_.load(std::memory_order_acquire);
  while ((seen & future_state_base::ready_bit) == 0) {
    // acq_rel: what was done here is over for the producer, which goes on alone. acquire: as above.
    if (state.word_.compare_exchange_weak(seen, seen | future_state_base::dropped_bit,
                                          std::memory_order_acq_rel, std::memory_order_acquire)) {
      return;
    }
  }
  if (const error* e = find_error(state)) state.report(*e);
  let_go(state);
}

}  // namespace pinion::detail
