// SPDX-License-Identifier: MIT
// A snapshot of what a scheduler has done. Plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pinion {

/// Counters since the start. Each is exact; together they are of one moment only when the
/// scheduler is quiet.
struct worker_stats {
  std::uint64_t ran = 0;          // tasks started here
  std::uint64_t injected = 0;     // of these, taken from the queue of outside work
  std::uint64_t handed_over = 0;  // of these, given to this worker while it was idle
  std::uint64_t stolen = 0;       // tasks taken from other workers
  std::vector<std::uint64_t> stolen_by_distance;  // ... nearest tier of placement first
  std::uint64_t searches = 0;                     // times it looked at the other workers' queues
  std::uint64_t parks = 0;                        // times it went to sleep in the kernel
  std::uint64_t wakes_sent = 0;                   // wake-ups that cost it a system call
  std::uint64_t lent = 0;                         // times its seat was lent to a spare thread
  std::uint64_t kept = 0;                         // times its task blocked on it: no spare was left
  std::size_t queued = 0;                         // in its queue; a guess: still changing
};

/// When nothing moves: accepted == ran + not_started + queued + running.
struct scheduler_stats {
  std::uint64_t accepted = 0;           // handed over and not refused
  std::uint64_t refused = 0;            // closed, or at the queue limit
  std::uint64_t ran = 0;                // started
  std::uint64_t not_started = 0;        // given up before the start
  std::uint64_t unobserved_errors = 0;  // what went to the hook, but for dropped futures
  std::uint64_t outside_wakes = 0;      // system calls that outside threads made to wake workers
  std::size_t queued_outside = 0;       // waiting in the queue of outside work; a guess
  std::size_t threads = 0;              // workers and spares
  std::size_t pinned = 0;               // threads that run where the plan says
  std::size_t node_bytes = 0;           // memory held for tasks
  std::vector<worker_stats> workers;
};

}  // namespace pinion
