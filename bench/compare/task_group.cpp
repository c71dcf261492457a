// SPDX-License-Identifier: MIT
// What does a job of a group cost, from spawning it to the join? One task spawns a million empty
// ones and joins them; other workers must steal them, and their ends must be counted. Decides how
// a group counts.
#include <stdexcept>

#include "bench/compare/works.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::bench {
namespace {

template <class Pool>
concept has_groups = requires(Pool p) {
  p.spawn_group(std::size_t{1}, [] {});
};

template <pool Pool>
duration spawn_and_join(Pool& pool, std::size_t count) {
  const time_point start = os::now();
  const std::uint64_t joined = pool.submit([&pool, count]() -> std::uint64_t {
                                     pool.spawn_group(count, [] {});
                                     return count;
                                   })
                                   .get();
  if (joined != count) throw std::logic_error("task_group: a join failed");
  return os::now() - start;
}

template <pool Pool>
measurement task_group_join(const pool_shape& shape) {
  Pool pool(shape);
  const std::size_t count = tasks_for<Pool>(1'000'000);
  spawn_and_join(pool, count);  // warms up memory, as a whole run
  return {spawn_and_join(pool, count), static_cast<double>(count)};
}

}  // namespace

void add_task_group() {
  for_each_library(libraries{}, []<pool Pool>() {
    if constexpr (has_groups<Pool>) {
      for (const form& f : forms<Pool>(usual_workers())) {
        add_benchmark(name_of<Pool>("task_group", f.shape, f.suffix),
                      [shape = f.shape] { return task_group_join<Pool>(shape); });
      }
    }
  });
}

}  // namespace pinion::bench
