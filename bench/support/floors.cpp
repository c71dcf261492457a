// SPDX-License-Identifier: MIT
#include "bench/support/floors.hpp"

#include <algorithm>
#include <utility>

#include "bench/support/machine.hpp"
#include "bench/support/ticks.hpp"

namespace pinion::bench {
namespace {

constexpr std::uint64_t warm_up_rounds = 8;
constexpr std::uint32_t end_bit = 1u << 31;

}  // namespace

std::uint64_t ticks_cost() noexcept {
  static const std::uint64_t cost = [] {
    constexpr int samples = 2001;
    std::vector<std::uint64_t> costs;
    costs.reserve(samples);
    for (int i = 0; i < samples; ++i) {
      const std::uint64_t start = ticks();
      costs.push_back(ticks() - start);
    }
    std::nth_element(costs.begin(), costs.begin() + samples / 2, costs.end());
    return costs[samples / 2];
  }();
  return cost;
}

void line_echo::answer(std::uint64_t rounds) noexcept {
  // relaxed: only answering threads write it, and whoever starts them orders them.
  const std::uint64_t before = answer_.value.load(std::memory_order_relaxed);
  for (std::uint64_t round = before + 1; round <= before + rounds; ++round) {
    // acquire and release: what a hand-over of work needs in each direction, nothing less.
    while (question_.value.load(std::memory_order_acquire) < round) {
    }
    answer_.value.store(round, std::memory_order_release);
  }
}

void line_echo::ask(std::uint64_t rounds, histogram& into) noexcept {
  // relaxed: only the asking thread writes it.
  const std::uint64_t before = question_.value.load(std::memory_order_relaxed);
  for (std::uint64_t round = before + 1; round <= before + rounds; ++round) {
    const std::uint64_t start = ticks();
    // release and acquire: see answer.
    question_.value.store(round, std::memory_order_release);
    while (answer_.value.load(std::memory_order_acquire) != round) {
    }
    const std::uint64_t end = ticks() - ticks_cost();
    if (round - before > warm_up_rounds) into.record(since(start, end));
  }
}

futex_sleeper::futex_sleeper(std::vector<unsigned> cpus)
    : thread_([this, cpus = std::move(cpus)] {
        pin_this_thread(cpus);
        run();
      }) {}

futex_sleeper::~futex_sleeper() {
  // release: ends what this thread did with the object; pairs with the acquire in run.
  go_.value.store(end_bit, std::memory_order_release);
  os::futex_wake(go_.value, 1);
  thread_.join();
}

duration futex_sleeper::wake() noexcept {
  const std::uint32_t number = ++count_;
  const std::uint64_t start = ticks();
  // release: the price of publishing something, as any hand-over pays it.
  go_.value.store(number, std::memory_order_release);
  os::futex_wake(go_.value, 1);
  // acquire: shows woke_at_ of this wake-up; pairs with the release in run.
  for (auto seen = done_.value.load(std::memory_order_acquire); seen != number;
       seen = done_.value.load(std::memory_order_acquire)) {
    os::futex_wait(done_.value, seen);
  }
  return since(start, woke_at_ - ticks_cost());
}

void futex_sleeper::run() noexcept {
  for (std::uint32_t seen = 0;;) {
    os::futex_wait(go_.value, seen);
    const std::uint64_t now = ticks();
    // acquire: pairs with the release in wake and in the destructor.
    const std::uint32_t number = go_.value.load(std::memory_order_acquire);
    if (number == end_bit) return;
    if (number == seen) continue;
    seen = number;
    woke_at_ = now;
    done_.value.store(number, std::memory_order_release);  // release: publishes woke_at_
    os::futex_wake(done_.value, 1);
  }
}

void doorbell::ring() noexcept {
  // release: what was done before is visible after wait(); pairs with the acquire there.
  rung_.value.fetch_add(1, std::memory_order_release);
  os::futex_wake(rung_.value, 1);
}

void doorbell::wait() noexcept {
  // acquire: pairs with the release in ring.
  while (rung_.value.load(std::memory_order_acquire) == 0) os::futex_wait(rung_.value, 0);
  rung_.value.fetch_sub(1, std::memory_order_relaxed);  // relaxed: takes one ring, shows nothing
}

double uncontended_rmw_ns() {
  constexpr std::uint64_t rounds = 100'000;
  constexpr std::size_t runs = 21;
  padded<os::atomic<std::uint64_t>> word{};
  std::vector<double> costs;
  for (std::size_t run = 0; run < runs; ++run) {
    const std::uint64_t start = ticks();
    for (std::uint64_t i = 0; i < rounds; ++i) {
      word.value.fetch_add(1, std::memory_order_relaxed);  // relaxed: only its cost matters
    }
    const auto elapsed = static_cast<double>(since(start, ticks()).count());
    costs.push_back(elapsed / static_cast<double>(rounds));
  }
  std::nth_element(costs.begin(), costs.begin() + runs / 2, costs.end());
  return costs[runs / 2];
}

hiccups spin_and_watch(duration how_long) {
  const std::uint64_t start = ticks();
  std::uint64_t last = start;
  hiccups seen;
  duration lost{};
  while (since(start, last) < how_long) {
    const std::uint64_t now = ticks();
    const duration gap = since(last, now);
    last = now;
    if (gap > std::chrono::microseconds(1)) lost += gap;
    if (gap > seen.longest) seen.longest = gap;
  }
  seen.lost = std::chrono::duration<double>(lost) / since(start, last);
  return seen;
}

}  // namespace pinion::bench
