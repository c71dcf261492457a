// SPDX-License-Identifier: MIT
// What does a task cost that a task makes? One root posts a million; the other workers must steal
// or be fed. Decides the deque and the throttle on waking thieves.
#include "bench/compare/works.hpp"
#include "bench/support/completion.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::bench {
namespace {

template <pool Pool>
duration spawn(Pool& in, completion_counter& ran, std::size_t count) {
  const std::uint64_t before = ran.total();
  const time_point start = os::now();
  auto way_in = in.outside();
  way_in.post([&in, &ran, count] {
    auto from = in.inside();
    for (std::size_t n = 0; n < count; ++n) from.post([&ran] { ran.add(); });
    from.finish();
    ran.add();  // the root, so that nobody looks at `in` after the last count
  });
  ran.wait_for(before + count + 1);
  const duration elapsed = os::now() - start;
  way_in.finish();
  return elapsed;
}

template <pool Pool>
measurement spawn_inside(const pool_shape& shape) {
  Pool pool(shape);
  completion_counter ran;
  const std::size_t count = tasks_for<Pool>(1'000'000);
  spawn(pool, ran, Pool::keeps_workers ? count : count / 10);  // warms up memory, as a whole run
  const duration elapsed = spawn(pool, ran, count);
  return {elapsed, static_cast<double>(count)};
}

}  // namespace

void add_spawn_inside() {
  for_each_library(libraries{}, []<pool Pool>() {
    for (const form& f : forms<Pool>(usual_workers())) {
      add_benchmark(name_of<Pool>("spawn_inside", f.shape, f.suffix),
                    [shape = f.shape] { return spawn_inside<Pool>(shape); });
    }
  });
}

}  // namespace pinion::bench
