// SPDX-License-Identifier: MIT
// What does the submitter itself pay for handing over a task, from the median to the worst? Three
// states of the one worker, which is on another core: busy with something else, awake without
// work, asleep. Decides what may be on the submitter's path: allocation, wake-ups, shared lines.
//
// Every call is timed by itself. The cost of the clock is subtracted; a call that costs less than
// the clock's own spread shows as 0.
#include <chrono>
#include <thread>

#include "bench/compare/works.hpp"
#include "bench/support/completion.hpp"
#include "bench/support/floors.hpp"
#include "bench/support/ticks.hpp"

namespace pinion::bench {
namespace {

template <pool Pool>
class costs {
 public:
  explicit costs(const pool_shape& shape) : pool_(shape), way_in_(pool_.outside()) {}
  ~costs() { way_in_.finish(); }
  costs(const costs&) = delete;
  costs& operator=(const costs&) = delete;

  /// The worker runs one long task; what is posted meanwhile waits behind it.
  void while_busy(std::size_t samples, histogram& into) {
    constexpr std::size_t burst = 1000;
    for (std::size_t i = 0; i < samples; i += burst) {
      occupy();
      for (std::size_t k = 0; k < burst; ++k) post(into);
      release_and_drain();
    }
  }

  /// The worker has found nothing for a while, and spins.
  void while_spinning(std::size_t samples, histogram& into) {
    for (std::size_t i = 0; i < samples; ++i) {
      post(into);
      while (ran_.total() < posted_) os::spin_hint();
      pause_for(std::chrono::microseconds(1));
    }
  }

  /// The worker sleeps; the post has to wake it.
  void while_parked(std::size_t samples, histogram& into) {
    for (std::size_t i = 0; i < samples; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      post(into);
      ran_.wait_for(posted_);
    }
  }

 private:
  void post(histogram& into) {
    const std::uint64_t start = ticks();
    way_in_.post([this] { ran_.add(); });
    into.record(since(start, ticks() - ticks_cost()));
    ++posted_;
  }

  void occupy() {
    // relaxed: nobody reads it before the task below, which the post publishes.
    released_.value.store(false, std::memory_order_relaxed);
    occupied_.value.store(false, std::memory_order_relaxed);
    way_in_.post([this] {
      occupied_.value.store(true,
                            std::memory_order_release);  // release: pairs with the acquire below
      // acquire: pairs with the release in release_and_drain.
      while (!released_.value.load(std::memory_order_acquire)) os::spin_hint();
      ran_.add();
    });
    ++posted_;
    while (!occupied_.value.load(std::memory_order_acquire)) os::spin_hint();  // acquire: see above
  }

  void release_and_drain() {
    released_.value.store(true, std::memory_order_release);  // release: the burst has been posted
    ran_.wait_for(posted_);
  }

  static void pause_for(duration d) {
    const std::uint64_t start = cpu_ticks();
    while (to_duration(cpu_ticks() - start) < d) os::spin_hint();
  }

  completion_counter ran_;
  padded<os::atomic<bool>> occupied_{};
  padded<os::atomic<bool>> released_{};  // the worker spins on it while the submitter posts
  alignas(cache_line_size) std::uint64_t posted_ = 0;
  alignas(cache_line_size) Pool pool_;
  decltype(std::declval<Pool&>().outside()) way_in_;
};

template <pool Pool>
using state = void (costs<Pool>::*)(std::size_t, histogram&);

template <pool Pool>
measurement post_cost(const pool_shape& shape, state<Pool> in_state, std::size_t samples) {
  costs<Pool> posts(shape);
  const scoped_pin here(submitter_cpus<Pool>());
  histogram seen, warm_up;
  (posts.*in_state)(samples / 10, warm_up);
  (posts.*in_state)(samples, seen);
  measurement m = measurement::of_latencies(seen);
  if (in_state == &costs<Pool>::while_parked) return m;  // there the floor is a system call
  const double rmw = uncontended_rmw_ns();
  m.with("rmw_ns", rmw);
  return m.with("p99_in_rmws", static_cast<double>(seen.percentile(99).count()) / rmw);
}

template <pool Pool>
void add(const char* name, state<Pool> in_state, idling workers_idle, std::size_t samples) {
  pool_shape shape = one_worker_apart();
  shape.idling = workers_idle;
  add_benchmark(name_of<Pool>("post_cost", shape, std::string("/worker:") + name),
                [=] { return post_cost<Pool>(shape, in_state, scaled(samples, 200)); });
}

}  // namespace

void add_post_cost() {
  if (usable_cpus().size() < 2) return;  // the worker would run instead of the submitter
  for_each_library(libraries{}, []<pool Pool>() {
    if (!Pool::keeps_workers) return;
    add<Pool>("busy", &costs<Pool>::while_busy, idling::usual, 200'000);
    add<Pool>("parked", &costs<Pool>::while_parked, idling::usual, 500);
    if (!Pool::can_choose_idling) return;
    add<Pool>("spinning", &costs<Pool>::while_spinning, idling::spin, 100'000);
  });
}

}  // namespace pinion::bench
