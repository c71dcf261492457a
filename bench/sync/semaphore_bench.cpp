// SPDX-License-Identifier: MIT
// What does a permit cost while nobody waits, against the standard library's semaphore and a mutex
// in the same run? Decides whether coroutines need a mutex of their own beside a semaphore of one.
#include <cstdint>
#include <mutex>
#include <semaphore>

#include "tests/support/allocations.hpp"
#include <benchmark/benchmark.h>

#include "pinion/sync/semaphore.hpp"

namespace {

using pinion::test::allocation_count;

void report(benchmark::State& state, const allocation_count& count) {
  const auto allocations = static_cast<double>(count.get());
  state.SetItemsProcessed(state.iterations());
  state.counters["allocations_per_item"] = allocations / static_cast<double>(state.iterations());
}

pinion::semaphore shared(64);
std::counting_semaphore<64> shared_std(64);
std::mutex shared_mutex;

void try_acquire(benchmark::State& state) {
  const allocation_count count;
  for (auto _ : state) benchmark::DoNotOptimize(shared.try_acquire());
  report(state, count);
}

// Said as an operation, and waited for.
void acquire(benchmark::State& state) {
  const allocation_count count;
  for (auto _ : state) benchmark::DoNotOptimize(shared.acquire().wait());
  report(state, count);
}

void acquire_under_a_context(benchmark::State& state) {
  const auto ctx = pinion::with_cancel(pinion::context::background());
  const allocation_count count;
  for (auto _ : state) benchmark::DoNotOptimize(shared.acquire(ctx).wait());
  report(state, count);
}

// As acquire, but with the lock of the line: what the way without it saves.
void acquire_in_line(benchmark::State& state) {
  pinion::semaphore s(1);
  const allocation_count count;
  for (auto _ : state) {
    auto asks = s.acquire();
    pinion::lock_set locks;
    locks.lock(asks);
    benchmark::DoNotOptimize(asks.try_complete());
    locks.unlock(asks);
    benchmark::DoNotOptimize(asks.take());
  }
  report(state, count);
}

void std_acquire(benchmark::State& state) {
  const allocation_count count;
  for (auto _ : state) {
    shared_std.acquire();
    shared_std.release();
  }
  report(state, count);
}

void std_mutex(benchmark::State& state) {
  for (auto _ : state) {
    const std::lock_guard lock(shared_mutex);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(try_acquire)
    ->Name("sync/semaphore/try_acquire_release")
    ->ThreadRange(1, 4)
    ->UseRealTime();
BENCHMARK(acquire)->Name("sync/semaphore/acquire_release")->ThreadRange(1, 4)->UseRealTime();
BENCHMARK(acquire_under_a_context)->Name("sync/semaphore/acquire_release/context");
BENCHMARK(acquire_in_line)->Name("sync/semaphore/acquire_release/with_lock");
BENCHMARK(std_acquire)
    ->Name("std/counting_semaphore/acquire_release")
    ->ThreadRange(1, 4)
    ->UseRealTime();
BENCHMARK(std_mutex)->Name("std/mutex/lock_unlock")->ThreadRange(1, 4)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
