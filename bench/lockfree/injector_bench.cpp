// SPDX-License-Identifier: MIT
// What does work from outside pay for its way in, and what does a worker pay for looking? Decides
// the size of a worker's batch and whether the flag in front earns its fence.
#include <array>
#include <cstdint>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "src/lockfree/injector.hpp"

namespace {

using pinion::lockfree::injector;

// Bursts in by single pushes, out by batches of `batch`; one thread.
void push_pop(benchmark::State& state) {
  injector q;
  injector::producer to(q);
  injector::consumer from(q);
  std::array<std::uintptr_t, 64> out{};
  const auto batch = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    for (std::uintptr_t i = 1; i <= out.size(); ++i) q.push(to, i);
    while (q.pop_many(from, out.data(), batch).count != 0) benchmark::DoNotOptimize(out);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(out.size()));
}

// The same, in by one call.
void push_many_pop(benchmark::State& state) {
  injector q;
  injector::producer to(q);
  injector::consumer from(q);
  std::array<std::uintptr_t, 64> words;
  words.fill(1);
  std::array<std::uintptr_t, 16> out{};
  for (auto _ : state) {
    q.push_many(to, words.data(), words.size());
    while (q.pop_many(from, out.data(), out.size()).count != 0) benchmark::DoNotOptimize(out);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(words.size()));
}

// What a poll costs while there is nothing, however many producers there have been.
void pop_empty(benchmark::State& state) {
  injector q;
  std::vector<injector::producer> producers;
  for (std::int64_t i = 0; i < state.range(0); ++i) producers.emplace_back(q);
  injector::consumer from(q);
  std::uintptr_t w = 0;
  for (auto _ : state) benchmark::DoNotOptimize(q.pop_many(from, &w, 1));
}

// One word in and out through a queue of many producers: finds it, then finds nothing.
void push_pop_among(benchmark::State& state) {
  injector q;
  std::vector<injector::producer> producers;
  for (std::int64_t i = 0; i < state.range(0); ++i) producers.emplace_back(q);
  injector::consumer from(q);
  std::uintptr_t out[16];
  std::size_t next = 0;
  for (auto _ : state) {
    q.push(producers[next++ % producers.size()], 1);
    while (q.pop_many(from, out, 16).count != 0) benchmark::DoNotOptimize(out);
  }
  state.SetItemsProcessed(state.iterations());
}

// Items per second from `producers` threads to one consumer, which takes batches of 16. The
// threads are started anew each time, which is less than a hundredth of the time taken.
void many_to_one(benchmark::State& state) {
  constexpr std::int64_t items = 500'000;
  const std::int64_t producers = state.range(0);
  for (auto _ : state) {
    injector q;
    std::vector<std::jthread> threads;
    for (std::int64_t p = 0; p < producers; ++p)
      threads.emplace_back([&q, each = items / producers] {
        injector::producer to(q);
        for (std::int64_t i = 0; i < each; ++i) q.push(to, 1);
      });
    injector::consumer from(q);
    std::uintptr_t out[16];
    for (auto left = static_cast<std::size_t>(items / producers * producers); left > 0;) {
      const std::size_t n = q.pop_many(from, out, 16).count;
      if (n == 0) std::this_thread::yield();
      left -= n;
    }
  }
  state.SetItemsProcessed(state.iterations() * (items / producers * producers));
}

BENCHMARK(push_pop)->Name("lockfree/injector/push_pop")->ArgName("batch")->Arg(1)->Arg(4)->Arg(16);
BENCHMARK(push_many_pop)->Name("lockfree/injector/push_many_pop/batch:16");
BENCHMARK(pop_empty)->Name("lockfree/injector/pop_empty")->ArgName("producers")->Arg(1)->Arg(64);
BENCHMARK(push_pop_among)
    ->Name("lockfree/injector/push_pop_among")
    ->ArgName("producers")
    ->Arg(1)
    ->Arg(8)
    ->Arg(64);
BENCHMARK(many_to_one)
    ->Name("lockfree/injector/many_to_one")
    ->ArgName("producers")
    ->Arg(1)
    ->Arg(2)
    ->Arg(4)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
