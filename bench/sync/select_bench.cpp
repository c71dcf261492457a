// SPDX-License-Identifier: MIT
// What does a select cost over what it waits for? Decides whether it tries one case alone before it
// takes all locks, and what may stand in a wait.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>
#include <vector>

#include "tests/support/over_when_enlisted.hpp"
#include <benchmark/benchmark.h>

#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/select.hpp"

namespace {

std::atomic<std::size_t> allocations{0};

using namespace pinion;

/// The least there is to wait for: numbers, as many as were put in, behind a lock.
class store {
 public:
  using taking = op<std::uint64_t, std::uint64_t>;

  explicit store(std::uint64_t numbers = 0) noexcept : left_(numbers) {}
  taking take() noexcept { return {how_, this, nullptr}; }

 private:
  static store& of(taking& o) noexcept { return *static_cast<store*>(o.object()); }
  static const taking::verb how_;

  wait_list waiting_;
  std::uint64_t left_;
};

const store::taking::verb store::how_{
    .list = [](taking& o) noexcept -> wait_list& { return of(o).waiting_; },
    .try_complete =
        [](taking& o) noexcept {
          if (of(o).left_ == 0) return false;
          o.payload() = --of(o).left_;
          return true;
        },
    .enlist = [](taking& o, waiter& who) noexcept { of(o).waiting_.push_back(o.link(who)); },
    .withdraw = [](taking& o) noexcept { of(o).waiting_.remove(o.link()); },
    .take = [](taking& o) { return result<std::uint64_t>(o.payload()); }};

constexpr std::uint64_t endless = ~std::uint64_t{0};

// The wait alone, to compare with.
void take_one(benchmark::State& state) {
  store a(endless);
  for (auto _ : state) benchmark::DoNotOptimize(a.take().wait());
}

void both_ready(benchmark::State& state) {
  store a(endless), b(endless);
  for (auto _ : state) benchmark::DoNotOptimize(select(a.take(), b.take()).wait());
}

void second_ready(benchmark::State& state) {
  store a(0), b(endless);
  for (auto _ : state) benchmark::DoNotOptimize(select(a.take(), b.take()).wait());
}

void both_ready_in_order(benchmark::State& state) {
  store a(endless), b(endless);
  for (auto _ : state) benchmark::DoNotOptimize(select_biased(a.take(), b.take()).wait());
}

void none_ready(benchmark::State& state) {
  store a(0), b(0);
  for (auto _ : state) benchmark::DoNotOptimize(try_select(a.take(), b.take()));
}

// Into the queues of four objects that are not ready, and of a context, and out again.
void four_blocked(benchmark::State& state) {
  store a(0), b(0), c(0), d(0);
  const auto ctx = with_cancel(context::background());
  const std::size_t before = allocations.load();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        select(ctx, a.take(), b.take(), c.take(), d.take(), test::over_when_enlisted()).wait());
  }
  state.counters["allocations"] = static_cast<double>(allocations.load() - before);
}

// The same with a number of objects known at run time.
void many_blocked(benchmark::State& state) {
  std::vector<store::taking> cases;
  store idle[64];
  for (std::int64_t i = 0; i < state.range(0); ++i) cases.push_back(idle[i].take());
  auto any = select(select_among(std::span(cases)), test::over_when_enlisted());
  const std::size_t before = allocations.load();
  for (auto _ : state) benchmark::DoNotOptimize(any.wait());
  state.counters["allocations"] = static_cast<double>(allocations.load() - before);
}

BENCHMARK(take_one)->Name("sync/select/one_operation");
BENCHMARK(both_ready)->Name("sync/select/ready:2/of:2");
BENCHMARK(second_ready)->Name("sync/select/ready:1/of:2");
BENCHMARK(both_ready_in_order)->Name("sync/select/biased/ready:2/of:2");
BENCHMARK(none_ready)->Name("sync/select/try/ready:0/of:2");
BENCHMARK(four_blocked)->Name("sync/select/enlist_and_withdraw/cases:4");
BENCHMARK(many_blocked)
    ->Name("sync/select/among/enlist_and_withdraw")
    ->ArgName("cases")
    ->Arg(8)
    ->Arg(64);

}  // namespace

// Counts what the program takes from the heap.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);  // relaxed: a counter
  if (void* const p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

BENCHMARK_MAIN();
