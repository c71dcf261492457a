// SPDX-License-Identifier: MIT
// What does it cost to hand a task to the pool from outside, and to have it run? The producers are
// threads besides the workers. Decides the way in: queue, wake-ups, allocation.
#include <thread>
#include <vector>

#include "bench/compare/works.hpp"
#include "bench/support/completion.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::bench {
namespace {

// From the moment the producers may start until all their tasks have run.
template <pool Pool>
duration hand_over(Pool& to, completion_counter& ran, std::size_t producers, std::size_t each) {
  const std::uint64_t before = ran.total();
  os::atomic<std::size_t> ready{0};
  os::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < producers; ++i) {
    threads.emplace_back([&] {
      auto way_in = to.outside();
      ready.fetch_add(1, std::memory_order_release);  // release: this thread is set up
      // acquire: pairs with the release below, so that no task is posted before the start.
      while (!go.load(std::memory_order_acquire)) os::yield();
      for (std::size_t n = 0; n < each; ++n) way_in.post([&ran] { ran.add(); });
      way_in.finish();
    });
  }
  // acquire: pairs with the release above.
  while (ready.load(std::memory_order_acquire) < producers) os::yield();
  const time_point start = os::now();
  go.store(true, std::memory_order_release);  // release: the start was measured before
  ran.wait_for(before + producers * each);
  const duration elapsed = os::now() - start;
  for (std::thread& t : threads) t.join();
  return elapsed;
}

template <pool Pool>
measurement submit_external(const pool_shape& shape, std::size_t producers) {
  Pool pool(shape);
  completion_counter ran;
  const std::size_t each = tasks_for<Pool>(1'000'000) / producers;
  // Once in full to warm up, so that memory for the longest queue is there.
  hand_over(pool, ran, producers, Pool::keeps_workers ? each : each / 10);
  const duration elapsed = hand_over(pool, ran, producers, each);
  return {elapsed, static_cast<double>(each * producers)};
}

}  // namespace

void add_submit_external() {
  for_each_library(libraries{}, []<pool Pool>() {
    for (const std::size_t producers : {1, 2, 4}) {
      for (const form& f : forms<Pool>(usual_workers())) {
        const std::string parameters = "/producers:" + std::to_string(producers) + f.suffix;
        add_benchmark(
            name_of<Pool>("submit_external", f.shape, parameters),
            [shape = f.shape, producers] { return submit_external<Pool>(shape, producers); });
      }
    }
  });
}

}  // namespace pinion::bench
