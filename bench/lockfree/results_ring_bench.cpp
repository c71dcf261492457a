// SPDX-License-Identifier: MIT
// What does a result pay on its way from a worker to the one who collects them? Decides how many
// credits and results a fan-out should move at once, and whether the shared ring is the limit.
#include <algorithm>
#include <array>
#include <cstdint>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "pinion/lockfree/results_ring.hpp"

namespace {

using ring = pinion::results_ring<std::uint64_t>;

// One result at a time: credit, push, pop; one thread.
void push_pop(benchmark::State& state) {
  ring r(1024);
  for (auto _ : state) {
    auto credit = r.try_credit();
    r.push(std::move(*credit), 1);
    benchmark::DoNotOptimize(r.try_pop());
  }
  state.SetItemsProcessed(state.iterations());
}

// Credits and pops in batches, pushes one by one, as workers do; one thread.
void push_pop_batch(benchmark::State& state) {
  ring r(1024);
  const auto batch = static_cast<std::size_t>(state.range(0));
  std::vector<std::uint64_t> out(batch);
  for (auto _ : state) {
    auto some = r.try_credits(batch);
    while (some.size() > 0) r.push(some.split(), 1);
    benchmark::DoNotOptimize(r.pop_many(out));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// All in batches.
void push_many_pop_many(benchmark::State& state) {
  ring r(1024);
  const auto batch = static_cast<std::size_t>(state.range(0));
  std::vector<std::uint64_t> values(batch);
  for (auto _ : state) {
    auto some = r.try_credits(batch);
    r.push_many(some, values);
    benchmark::DoNotOptimize(r.pop_many(values));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void pop_empty(benchmark::State& state) {
  ring r(1024);
  for (auto _ : state) benchmark::DoNotOptimize(r.try_pop());
}

// Results per second from `producers` threads to one consumer; producers take 32 credits at once
// and push one by one. Threads are started anew each time, a hundredth of the time taken.
void many_to_one(benchmark::State& state) {
  const std::int64_t producers = state.range(0);
  const std::int64_t items = 500'000 / producers * producers;
  for (auto _ : state) {
    ring r(1024);
    std::vector<std::jthread> threads;
    for (std::int64_t p = 0; p < producers; ++p)
      threads.emplace_back([&r, left = static_cast<std::size_t>(items / producers)]() mutable {
        while (left > 0) {
          auto some = r.try_credits(std::min<std::size_t>(left, 32));
          if (some.size() == 0) std::this_thread::yield();
          left -= some.size();
          while (some.size() > 0) r.push(some.split(), 1);
        }
      });
    std::array<std::uint64_t, 64> out;
    for (auto left = static_cast<std::size_t>(items); left > 0;) {
      const std::size_t n = r.pop_many(out);
      if (n == 0) std::this_thread::yield();
      left -= n;
    }
  }
  state.SetItemsProcessed(state.iterations() * items);
}

BENCHMARK(push_pop)->Name("lockfree/results_ring/push_pop");
BENCHMARK(push_pop_batch)->Name("lockfree/results_ring/push_pop")->ArgName("credits")->Arg(32);
BENCHMARK(push_many_pop_many)
    ->Name("lockfree/results_ring/push_many_pop_many")
    ->ArgName("batch")
    ->Arg(4)
    ->Arg(32);
BENCHMARK(pop_empty)->Name("lockfree/results_ring/pop_empty");
BENCHMARK(many_to_one)
    ->Name("lockfree/results_ring/many_to_one")
    ->ArgName("producers")
    ->Arg(1)
    ->Arg(2)
    ->Arg(4)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
