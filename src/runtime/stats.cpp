// SPDX-License-Identifier: MIT
#include "pinion/runtime/stats.hpp"

#include <mutex>

#include "pinion/runtime/scheduler.hpp"
#include "src/runtime/core.hpp"

namespace pinion {

namespace {

std::uint64_t value_of(const os::atomic<std::uint64_t>& counter) noexcept {
  return counter.load(std::memory_order_relaxed);  // relaxed: a snapshot of moving counters
}

worker_stats stats_of(const detail::seat& s) {
  worker_stats w;
  w.ran = value_of(s.ran);
  w.injected = value_of(s.stats.injected);
  w.handed_over = value_of(s.stats.handed_over);
  w.stolen = value_of(s.stats.stolen);
  for (const auto& tier : s.stolen_at) w.stolen_by_distance.push_back(value_of(tier));
  w.searches = value_of(s.stats.searches);
  w.parks = value_of(s.stats.parks);
  w.wakes_sent = value_of(s.stats.wakes_sent);
  w.lent = value_of(s.stats.lent);
  w.kept = value_of(s.stats.kept);
  w.queued = s.queue.size_approx();
  return w;
}

}  // namespace

scheduler_stats scheduler::stats() const {
  const scheduler_core& core = *core_;
  scheduler_stats sum;
  const auto add = [&](const detail::lane& l) {
    sum.accepted += value_of(l.accepted);
    sum.ran += value_of(l.ran);
    sum.not_started += value_of(l.not_started);
  };
  for (const auto& s : core.seats) {
    add(*s);
    sum.workers.push_back(stats_of(*s));
  }
  core.memory.for_each_client(add);
  sum.not_started += value_of(core.given_up);
  sum.refused = value_of(core.refused);
  sum.unobserved_errors = value_of(core.unobserved_errors);
  sum.outside_wakes = value_of(core.outside_wakes);
  sum.queued_outside = core.outside.size_approx();
  for (const auto& pool : core.memory.pools.of) sum.node_bytes += pool.reserved_bytes();
  // relaxed: the child of a fork has had it set before it ran anything. It has none of the threads,
  // and one of them may have had the lock.
  if ((core.life(std::memory_order_relaxed) & detail::task_memory::forked) != 0) return sum;
  const std::lock_guard lock(core.threads_lock);
  sum.threads = core.threads.size();
  for (const auto& t : core.threads) {
    // relaxed: statistics
    sum.pinned += t->pinned_for.load(std::memory_order_relaxed) != nullptr ? 1 : 0;
  }
  return sum;
}

}  // namespace pinion
