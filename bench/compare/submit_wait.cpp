// SPDX-License-Identifier: MIT
// How long does submit(f).wait() take from outside, one after the other without a gap? The pool is
// at most half asleep between two. Decides the spin budget, and whether a waiter may run the work
// it waits for.
#include "bench/compare/works.hpp"
#include "bench/support/ticks.hpp"

namespace pinion::bench {
namespace {

template <pool Pool>
measurement submit_wait(const pool_shape& shape) {
  Pool pool(shape);
  const std::size_t samples = scaled(Pool::keeps_workers ? 20'000 : 2'000, 200);
  histogram seen;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < samples + samples / 10; ++i) {
    const std::uint64_t start = ticks();
    sum += pool.submit([] { return std::uint64_t{1}; }).get();
    const std::uint64_t end = ticks() - ticks_cost();
    if (i >= samples / 10) seen.record(since(start, end));  // the first tenth is warm-up
  }
  return measurement::of_latencies(seen).with("results", static_cast<double>(sum));
}

}  // namespace

void add_submit_wait() {
  for_each_library(libraries{}, []<pool Pool>() {
    for (const form& f : forms<Pool>(usual_workers())) {
      add_benchmark(name_of<Pool>("submit_wait", f.shape, f.suffix),
                    [shape = f.shape] { return submit_wait<Pool>(shape); });
    }
  });
}

}  // namespace pinion::bench
