// SPDX-License-Identifier: MIT
// What does a task pay for going through the worker's deque, and what does a thief pay for taking
// it? Decides how the deque publishes (a seq_cst store in push) and how much a thief takes at once.
#include <array>
#include <cstdint>
#include <numeric>

#include <benchmark/benchmark.h>

#include "pinion/lockfree/deque.hpp"

namespace {

using deque = pinion::lockfree::deque<std::uintptr_t>;

// One item in, the same out: the last-item path of pop.
void push_pop(benchmark::State& state) {
  deque d;
  std::uintptr_t w = 0;
  for (auto _ : state) {
    d.push(w);
    benchmark::DoNotOptimize(d.pop(w));
  }
  state.SetItemsProcessed(state.iterations());
}

// Many in, then many out: no CAS but for the last one.
void push_pop_burst(benchmark::State& state) {
  deque d;
  const auto burst = static_cast<std::uintptr_t>(state.range(0));
  std::uintptr_t w = 0;
  for (auto _ : state) {
    for (std::uintptr_t i = 0; i < burst; ++i) d.push(i);
    while (d.pop(w)) benchmark::DoNotOptimize(w);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// Many in by one store, then out by the owner.
void push_many_pop(benchmark::State& state) {
  deque d;
  std::array<std::uintptr_t, 16> items{};
  std::uintptr_t w = 0;
  for (auto _ : state) {
    d.push_many(items);
    while (d.pop(w)) benchmark::DoNotOptimize(w);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(items.size()));
}

// What a worker pays for looking into its own empty deque.
void pop_empty(benchmark::State& state) {
  deque d;
  std::uintptr_t w = 0;
  for (auto _ : state) benchmark::DoNotOptimize(d.pop(w));
}

// What a thief pays for looking into an empty deque that nobody uses.
void steal_empty(benchmark::State& state) {
  deque d;
  std::uintptr_t w = 0;
  for (auto _ : state) benchmark::DoNotOptimize(d.steal(w));
}

// Items per second a thief takes alone, by the size of its batches; the push is paid as well.
void push_steal(benchmark::State& state) {
  deque d;
  const auto batch = static_cast<std::size_t>(state.range(0));
  std::array<std::uintptr_t, 64> items{};
  std::array<std::uintptr_t, 64> out{};
  std::iota(items.begin(), items.end(), std::uintptr_t{1});
  for (auto _ : state) {
    d.push_many(items);
    while (d.steal_batch(std::span(out).first(batch)) != 0) benchmark::DoNotOptimize(out);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(items.size()));
}

// The owner's throughput while the other threads steal all the time; stolen is what they got.
void steal(benchmark::State& state) {
  static deque d;
  std::int64_t taken = 0;
  std::uintptr_t w = 0;
  if (state.thread_index() == 0) {
    for (auto _ : state) {
      for (std::uintptr_t i = 0; i < 8; ++i) d.push(i);
      for (int i = 0; i < 8; ++i) taken += d.pop(w);
    }
    while (d.pop(w)) ++taken;
  } else {
    for (auto _ : state) taken += d.steal(w);
    state.counters["stolen"] =
        benchmark::Counter(static_cast<double>(taken), benchmark::Counter::kIsRate);
  }
  state.SetItemsProcessed(taken);
}

BENCHMARK(push_pop)->Name("lockfree/deque/push_pop");
BENCHMARK(push_pop_burst)->Name("lockfree/deque/push_pop")->ArgName("burst")->Arg(8)->Arg(100);
BENCHMARK(push_many_pop)->Name("lockfree/deque/push_many_pop/burst:16");
BENCHMARK(pop_empty)->Name("lockfree/deque/pop_empty");
BENCHMARK(steal_empty)->Name("lockfree/deque/steal_empty");
BENCHMARK(push_steal)->Name("lockfree/deque/push_steal")->ArgName("batch")->Arg(1)->Arg(4)->Arg(16);
BENCHMARK(steal)->Name("lockfree/deque/steal")->Threads(2)->Threads(4)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
