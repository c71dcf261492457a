// SPDX-License-Identifier: MIT
// How long until a task runs when all workers sleep? The submitter posts, blocks until the task
// has run, and sleeps a millisecond. Decides the idle protocol and the parker.
//
// The floor is the wake-up of a thread that only sleeps on a futex, tied to the same CPU as the
// worker that ran the last task, and taken in turns with it.
#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "bench/compare/works.hpp"
#include "bench/support/floors.hpp"
#include "bench/support/ticks.hpp"
#include <sched.h>

namespace pinion::bench {
namespace {

constexpr auto gap = std::chrono::milliseconds(1);

class parked_loop {
 public:
  struct sample {
    duration start;  // from the begin of post to the task's first instruction
    duration post;   // how long post took
    unsigned cpu;    // where the task ran
  };

  template <class Producer>
  sample wake(Producer& way_in) {
    const std::uint64_t start = ticks();
    way_in.post([this] {
      ran_at_ = ticks();
      ran_on_ = static_cast<unsigned>(sched_getcpu());
      bell_.ring();
    });
    const std::uint64_t posted = ticks();
    bell_.wait();
    return {since(start, ran_at_ - ticks_cost()), since(start, posted - ticks_cost()), ran_on_};
  }

 private:
  doorbell bell_;
  std::uint64_t ran_at_ = 0;  // belongs to the task until it rings
  unsigned ran_on_ = 0;
};

// One thread per CPU that a worker is tied to, or one that is tied to none.
class floor_threads {
 public:
  explicit floor_threads(const pool_shape& shape) : pinned_(!shape.cpus.empty()) {
    for (std::size_t i = 0; i < shape.workers && pinned_; ++i) {
      const auto cpus = shape.cpus_of(i);
      sleepers_.try_emplace(cpus.front(), cpus);
    }
    if (!pinned_) sleepers_.try_emplace(0, std::vector<unsigned>{});
  }

  duration wake(unsigned cpu) {
    const auto found = sleepers_.find(pinned_ ? cpu : 0);
    return (found != sleepers_.end() ? found : sleepers_.begin())->second.wake();
  }

 private:
  bool pinned_;
  std::map<unsigned, futex_sleeper> sleepers_;
};

template <pool Pool>
measurement wake_parked(const pool_shape& shape, const std::vector<unsigned>& submitter) {
  Pool pool(shape);
  const scoped_pin here(submitter);
  auto way_in = pool.outside();
  parked_loop loop;
  floor_threads floors(shape);
  histogram seen, floor, post;
  for (std::size_t i = 0; i < scaled(1000, 60); ++i) {
    std::this_thread::sleep_for(gap);
    const auto sample = loop.wake(way_in);
    seen.record(sample.start);
    post.record(sample.post);
    std::this_thread::sleep_for(gap);
    floor.record(floors.wake(sample.cpu));
  }
  way_in.finish();
  return measurement::of_latencies(seen)
      .with_percentiles(floor, "floor_")
      .with_percentiles(post, "post_");
}

template <pool Pool>
void add(const pool_shape& shape, const std::string& suffix, std::vector<unsigned> submitter) {
  add_benchmark(name_of<Pool>("wake_parked", shape, suffix),
                [=] { return wake_parked<Pool>(shape, submitter); });
}

}  // namespace

void add_wake_parked() {
  for_each_library(libraries{}, []<pool Pool>() {
    add<Pool>({usual_workers()}, "/unpinned", {});
    if (!Pool::keeps_workers) return;
    add<Pool>({usual_workers(), usable_cpus()}, "/pinned", {});
    if (usable_cpus().size() < 2) return;
    add<Pool>(one_worker_apart(), "/pinned", submitter_cpus<Pool>());
  });
}

}  // namespace pinion::bench
