// SPDX-License-Identifier: MIT
// How long from handing over a task until its submitter sees that it ran, when both spin? The
// worker is on another core, and awake if the library lets it be. Decides the hand-over.
//
// The floor is a round trip of one line each way between the same two cores. It is taken in the
// same loop: now and then the task handed over is one that answers questions through two lines.
#include "bench/compare/works.hpp"
#include "bench/support/floors.hpp"
#include "bench/support/ticks.hpp"

namespace pinion::bench {
namespace {

constexpr std::size_t trips_between_floors = 500;
constexpr std::uint64_t questions = 108;

class hot_loop {
 public:
  // The submitter's view of one hand-over.
  template <class Producer>
  void trip(Producer& way_in, histogram& into) {
    const std::uint64_t number = ++count_;
    const std::uint64_t start = ticks();
    // release: the waiter's acquire makes this a hand-over in both directions.
    way_in.post([this, number] { ran_.value.store(number, std::memory_order_release); });
    while (ran_.value.load(std::memory_order_acquire) != number) {
    }
    into.record(since(start, ticks() - ticks_cost()));
  }

  template <class Producer>
  void floor(Producer& way_in, histogram& into) {
    way_in.post([this] { echo_.answer(questions); });
    echo_.ask(questions, into);
  }

 private:
  padded<os::atomic<std::uint64_t>> ran_{};
  line_echo echo_;
  std::uint64_t count_ = 0;
};

template <pool Pool>
measurement round_trip_hot(const pool_shape& shape) {
  Pool pool(shape);
  const scoped_pin here(submitter_cpus<Pool>());
  auto way_in = pool.outside();
  hot_loop loop;
  histogram seen, floor, warm_up;
  const std::size_t samples = scaled(Pool::keeps_workers ? 200'000 : 2'000, 500);
  for (std::size_t i = 0; i < samples / 10; ++i) loop.trip(way_in, warm_up);
  for (std::size_t i = 0; i < samples; ++i) {
    if (i % trips_between_floors == 0) loop.floor(way_in, floor);
    loop.trip(way_in, seen);
  }
  way_in.finish();
  return measurement::of_latencies(seen).with_percentiles(floor, "floor_");
}

}  // namespace

void add_round_trip_hot() {
  if (usable_cpus().size() < 2) return;  // two threads that spin on one CPU measure its time slice
  for_each_library(libraries{}, []<pool Pool>() {
    pool_shape shape = one_worker_apart();
    if (Pool::can_choose_idling) shape.idling = idling::spin;
    add_benchmark(name_of<Pool>("round_trip_hot", shape),
                  [shape] { return round_trip_hot<Pool>(shape); });
  });
}

}  // namespace pinion::bench
