// SPDX-License-Identifier: MIT
// What does a token cost, granted and refused, against a mutex and a double in the same run?
// Decides which clock a try goes by, and how much of the setting it looks at.
//
// The other one reads std::chrono::steady_clock, as it is usually written; its clock has a row of
// its own, and so has the counter by which Pinion goes.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "tests/support/allocations.hpp"
#include <benchmark/benchmark.h>

#include "pinion/platform/cpu.hpp"
#include "pinion/sync/rate_limiter.hpp"

namespace {

using pinion::test::allocation_count;

constexpr std::uint64_t plenty = 1'000'000'000;

/// The same, as it is usually written.
class locked_limiter {
 public:
  locked_limiter(double per_second, double burst)
      : per_second_(per_second), burst_(burst), tokens_(burst) {}

  bool try_acquire(double n = 1) {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> passed = now - last_;
    last_ = now;
    tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
    if (tokens_ < n) return false;
    tokens_ -= n;
    return true;
  }

 private:
  std::mutex mutex_;
  double per_second_, burst_, tokens_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

pinion::rate_limiter granting(pinion::rate::per_second(plenty), plenty);
pinion::rate_limiter refusing(pinion::rate::every(std::chrono::hours(24)), 1);
locked_limiter granting_locked(plenty, plenty);
locked_limiter refusing_locked(1. / 86400, 1);

void report(benchmark::State& state, const allocation_count& count) {
  const auto allocations = static_cast<double>(count.get());
  state.SetItemsProcessed(state.iterations());
  state.counters["allocations_per_item"] = allocations / static_cast<double>(state.iterations());
}

template <class Limiter>
void ask(benchmark::State& state, Limiter& limit) {
  const allocation_count count;
  for (auto _ : state) benchmark::DoNotOptimize(limit.try_acquire());
  report(state, count);
}

void granted(benchmark::State& state) {
  ask(state, granting);
}
void refused(benchmark::State& state) {
  ask(state, refusing);
}
void locked_granted(benchmark::State& state) {
  ask(state, granting_locked);
}
void locked_refused(benchmark::State& state) {
  ask(state, refusing_locked);
}

void acquire(benchmark::State& state) {
  const allocation_count count;
  for (auto _ : state) benchmark::DoNotOptimize(granting.acquire().wait());
  report(state, count);
}

void counter(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(pinion::cpu_ticks());
  state.SetItemsProcessed(state.iterations());
}

void clock(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(pinion::now());
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(granted)->Name("sync/rate_limiter/granted")->Threads(1)->Threads(4)->UseRealTime();
BENCHMARK(locked_granted)->Name("mutex_and_double/granted")->Threads(1)->Threads(4)->UseRealTime();
BENCHMARK(refused)->Name("sync/rate_limiter/refused")->Threads(1)->Threads(4)->UseRealTime();
BENCHMARK(locked_refused)->Name("mutex_and_double/refused")->Threads(1)->Threads(4)->UseRealTime();
BENCHMARK(acquire)->Name("sync/rate_limiter/acquire")->UseRealTime();
BENCHMARK(counter)->Name("platform/cpu/ticks")->UseRealTime();
BENCHMARK(clock)->Name("platform/clock/now")->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
