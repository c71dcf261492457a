// SPDX-License-Identifier: MIT
// What does it cost to count a latency, and to read one off? Decides where in the runtime a
// histogram may stand.
#include <array>
#include <cstdint>
#include <random>

#include <benchmark/benchmark.h>

#include "pinion/lockfree/histogram.hpp"

namespace {

using pinion::duration;
using pinion::histogram;

// Values of between 64 and 64 * `spread` ns, so about 32 * log2(spread) buckets are in use.
std::array<duration, 1024> values(std::int64_t spread) {
  std::minstd_rand random(1);
  std::array<duration, 1024> v{};
  for (duration& d : v) d = duration(64 + static_cast<std::int64_t>(random()) % (64 * spread));
  return v;
}

void record(benchmark::State& state) {
  const auto v = values(state.range(0));
  histogram h;
  std::size_t i = 0;
  for (auto _ : state) h.record(v[i++ % v.size()]);
  benchmark::DoNotOptimize(h);
  state.SetItemsProcessed(state.iterations());
}

void percentile(benchmark::State& state) {
  histogram h;
  for (const duration d : values(1000)) h.record(d);
  for (auto _ : state) benchmark::DoNotOptimize(h.percentile(99));
}

void add(benchmark::State& state) {
  histogram h;
  histogram total;
  for (auto _ : state) benchmark::DoNotOptimize(total += h);
}

BENCHMARK(record)->Name("lockfree/histogram/record")->ArgName("spread")->Arg(1)->Arg(1000);
BENCHMARK(percentile)->Name("lockfree/histogram/percentile");
BENCHMARK(add)->Name("lockfree/histogram/add");

}  // namespace

BENCHMARK_MAIN();
