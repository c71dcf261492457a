// SPDX-License-Identifier: MIT
#include "pinion/sync/stop_token.hpp"

#include <mutex>

#include "pinion/platform/short_lock.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/waiter.hpp"
#include "src/sync/outside_call.hpp"

namespace pinion {
namespace detail {
namespace {

struct stop_state : stop_flag {
  short_lock lock;  // around the rest
  linked_list<stop_registration> waiting;
  outside_call call;
};

stop_state& state_of(stop_flag& flag) noexcept {
  return static_cast<stop_state&>(flag);
}

bool request(stop_state& state) noexcept {
  std::unique_lock lock(state.lock);
  if (state.requested.load(std::memory_order_relaxed)) return false;  // relaxed: under the lock
  // release: publishes what came before; pairs with the acquire in stop_requested.
  state.requested.store(true, std::memory_order_release);
  while (stop_registration* first = state.waiting.front()) {
    state.waiting.remove(*first);
    state.call.begin(first);
    lock.unlock();
    first->run(*first);  // may be the end of `first`
    lock.lock();
    state.call.end(state.lock);
  }
  return true;
}

}  // namespace

void stop_handle::release(stop_flag& flag) noexcept {
  // acq_rel: whoever destroys it sees all that others did with it.
  if (flag.references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete &state_of(flag);
}

bool stop_registration::join(stop_flag& flag) noexcept {
  stop_state& state = state_of(flag);
  {
    const std::lock_guard lock(state.lock);
    // relaxed: under the lock. A request that comes later finds this in the list.
    if (!state.requested.load(std::memory_order_relaxed)) {
      state.waiting.push_back(*this);
      return true;
    }
  }
  run(*this);
  return false;
}

void stop_registration::leave(stop_flag& flag) noexcept {
  stop_state& state = state_of(flag);
  {
    const std::lock_guard lock(state.lock);
    state.waiting.remove(*this);
    if (!state.call.runs_elsewhere(this)) return;
  }
  blocking_scope asleep;  // as long as the callback, so somebody else may have the core
  const std::lock_guard lock(state.lock);
  while (state.call.runs_elsewhere(this)) state.call.wait_for_end(state.lock);
}

}  // namespace detail

stop_source::stop_source() : flag_(new detail::stop_state) {}

stop_source::stop_source(const stop_source& other) noexcept : flag_(other.flag_) {
  // relaxed: `other` is a source meanwhile, so the count is not zero.
  if (flag_.get() != nullptr) flag_->sources.fetch_add(1, std::memory_order_relaxed);
}

stop_source::~stop_source() {
  // release: publishes a request; pairs with the acquire in stop_possible.
  if (flag_.get() != nullptr) flag_->sources.fetch_sub(1, std::memory_order_release);
}

bool stop_source::request_stop() noexcept {
  const detail::stop_handle kept = flag_;  // a callback may destroy the last source
  return kept.get() != nullptr && detail::request(detail::state_of(*kept.get()));
}

}  // namespace pinion
