// SPDX-License-Identifier: MIT
// How long from asking everything to stop until it has? Each worker runs a task that polls for the
// request, a thousand more wait in the queue and must not run; the end is when the pool's threads
// are joined. Decides how a stop travels.
#include "bench/compare/works.hpp"
#include "bench/support/completion.hpp"
#include "bench/support/ticks.hpp"

namespace pinion::bench {
namespace {

constexpr std::size_t waiting_tasks = 1000;

template <pool Pool>
duration stop_once(const pool_shape& shape) {
  completion_counter running;
  Pool pool(shape);
  const auto poll = [&running](auto&& stop_wanted) {
    running.add();
    while (!stop_wanted()) os::spin_hint();
  };
  for (std::size_t i = 0; i < shape.workers; ++i) pool.post_stoppable(poll);
  running.wait_for(shape.workers);
  // Only where waiting tasks are not threads that already run.
  for (std::size_t i = 0; Pool::keeps_workers && i < waiting_tasks; ++i) pool.post_stoppable(poll);
  const std::uint64_t start = ticks();
  pool.stop();
  return since(start, ticks() - ticks_cost());
}

template <pool Pool>
measurement cancel_to_quiet(const pool_shape& shape) {
  histogram seen;
  for (std::size_t i = 0; i < scaled(200, 20); ++i) seen.record(stop_once<Pool>(shape));
  return measurement::of_latencies(seen);
}

}  // namespace

void add_cancel_to_quiet() {
  for_each_library(libraries{}, []<pool Pool>() {
    const pool_shape shape{usual_workers()};
    add_benchmark(name_of<Pool>("cancel_to_quiet", shape),
                  [shape] { return cancel_to_quiet<Pool>(shape); });
  });
}

}  // namespace pinion::bench
