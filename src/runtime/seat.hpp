// SPDX-License-Identifier: MIT
// Seat: what a core has. A worker is the thread that sits on it.
//
// Owner-only members belong to whoever sits here; the seat changes hands through the lock of the
// spare threads. The queue is the thieves' as well, the inbox anybody's who posts to this worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/placement.hpp"
#include "pinion/runtime/task_node.hpp"
#include "src/lockfree/idle_set.hpp"
#include "src/lockfree/inbox.hpp"
#include "src/lockfree/injector.hpp"
#include "src/lockfree/run_queue.hpp"
#include "src/lockfree/shelf.hpp"

namespace pinion::detail {

/// Counters of one seat: written by who sits there, read by anybody.
struct seat_counters {
  os::atomic<std::uint64_t> injected{0}, handed_over{0}, stolen{0}, searches{0}, parks{0},
      wakes_sent{0}, lent{0}, kept{0};
};

class invitation;

struct seat : lane {
  seat(pools& p, lockfree::injector& outside, std::size_t number, const worker_place& where)
      : lane(p),
        index(number),
        place(where),
        injected_from(outside),
        stolen_at(where.victims.size()) {}

  const std::size_t index;
  const worker_place& place;
  lockfree::idle_set* idle = nullptr;  // of its cluster
  std::size_t slot = 0;                // in that set
  std::size_t cluster = 0;
  std::vector<std::uint32_t> near_masks;  // of the cluster's workers, by tier

  /// Who of these is nearest.
  std::uint32_t nearest(std::uint32_t idle_ones) const noexcept {
    for (const std::uint32_t mask : near_masks) {
      if ((idle_ones & mask) != 0) return idle_ones & mask;
    }
    return idle_ones;
  }

  // Owner only.
  lockfree::injector::consumer injected_from;
  bool searching = false;  // counted as such in the idle set
  bool brisk = false;      // believes that it has set the bit
  std::uint32_t tick = 0;
  // By the pace of late: so many pieces of work it runs before another could have taken them, or
  // would have woken up.
  std::size_t keeps = 1;
  std::size_t copes_with = 1;
  std::uint64_t last_batch = 0;   // in cpu ticks
  invitation* resting = nullptr;  // to be used again: see the joins of tasks

  seat_counters stats;
  os::atomic<unsigned> last_cpu{~0U};                // where its worker went to sleep
  std::vector<os::atomic<std::uint64_t>> stolen_at;  // by tier of the plan

  lockfree::shelf kept;  // what this worker has resumed, and will run sooner than others could
  lockfree::run_queue queue;
  lockfree::inbox<task_node> inbox;
};

}  // namespace pinion::detail
