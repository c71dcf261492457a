// SPDX-License-Identifier: MIT
// What stress tests share: a printed seed, a scale, threads that start together, one count an item.
//
//   PINION_STRESS_SCALE=0.1   a tenth of the rounds (the default is 1.0)
//   PINION_STRESS_SEED=42     the seed of a run that failed
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>

namespace pinion::test {

/// The run's seed, printed when it is first asked for.
inline std::uint64_t seed() {
  static const std::uint64_t value = [] {
    const char* const given = std::getenv("PINION_STRESS_SEED");
    const std::uint64_t s =
        given != nullptr ? std::strtoull(given, nullptr, 0) : std::uint64_t{std::random_device{}()};
    std::cout << "PINION_STRESS_SEED=" << s << std::endl;
    return s;
  }();
  return value;
}

/// A generator for one thread of the run.
inline std::minstd_rand generator(unsigned thread) {
  return std::minstd_rand(static_cast<std::minstd_rand::result_type>(seed() * 31 + thread + 1));
}

/// `n` times the scale, at least 1.
inline std::size_t scaled(std::size_t n) {
  const char* const given = std::getenv("PINION_STRESS_SCALE");
  const double scale = given != nullptr ? std::strtod(given, nullptr) : 1.0;
  const double scaled = static_cast<double>(n) * scale;
  return scaled < 1 ? 1 : static_cast<std::size_t>(scaled);
}

/// While it lives, this thread and those it starts run on one CPU: every switch is a preemption.
class on_one_cpu {
 public:
  on_one_cpu() {
    sched_getaffinity(0, sizeof(before_), &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    int cpu = 0;
    while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &before_)) ++cpu;
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
  }
  ~on_one_cpu() { sched_setaffinity(0, sizeof(before_), &before_); }
  on_one_cpu(const on_one_cpu&) = delete;
  on_one_cpu& operator=(const on_one_cpu&) = delete;

 private:
  cpu_set_t before_;
};

/// Runs `body(i)` on `count` threads that start together, and returns when all have ended.
template <class Body>
void run_threads(unsigned count, Body body) {
  std::atomic<unsigned> missing{count};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      missing.fetch_sub(1);
      while (missing.load() != 0) std::this_thread::yield();
      body(i);
    });
  for (std::thread& t : threads) t.join();
}

/// Lets two threads take each step of a loop at the same moment. Spins, then yields.
class rendezvous {
 public:
  void meet() {
    const std::size_t goal = (arrived_.fetch_add(1) / 2 + 1) * 2;
    for (unsigned spins = 0; arrived_.load() < goal; ++spins)
      if (spins > 1000) std::this_thread::yield();
  }

 private:
  std::atomic<std::size_t> arrived_{0};
};

/// How often each of `count` items was taken. Whoever takes an item counts it.
class tally {
 public:
  explicit tally(std::size_t count)
      : count_(count), taken_(std::make_unique<std::atomic<std::uint8_t>[]>(count)) {}

  void take(std::size_t item) {
    if (item < count_)
      taken_[item].fetch_add(1, std::memory_order_relaxed);
    else
      unknown_.fetch_add(1, std::memory_order_relaxed);
  }

  /// Each item once: none lost, none twice, none that was never there.
  void expect_each_once() const {
    std::size_t lost = 0;
    std::size_t twice = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      lost += taken_[i].load() == 0;
      twice += taken_[i].load() > 1;
    }
    EXPECT_EQ(lost, 0u) << "of " << count_;
    EXPECT_EQ(twice, 0u) << "of " << count_;
    EXPECT_EQ(unknown_.load(), 0u);
  }

 private:
  std::size_t count_;
  std::unique_ptr<std::atomic<std::uint8_t>[]> taken_;
  std::atomic<std::size_t> unknown_{0};
};

/// Threads and whether they share one CPU: the shapes every stress test runs in.
struct shape {
  unsigned threads;
  bool one_cpu;
};

inline std::string name(const testing::TestParamInfo<shape>& info) {
  return std::to_string(info.param.threads) + (info.param.one_cpu ? "_on_one_cpu" : "_threads");
}

class stress : public testing::TestWithParam<shape> {
 protected:
  void SetUp() override {
    seed();
    if (GetParam().one_cpu) pinned_ = std::make_unique<on_one_cpu>();
  }
  unsigned threads() const { return GetParam().threads; }

 private:
  std::unique_ptr<on_one_cpu> pinned_;
};

inline auto shapes() {
  return testing::Values(shape{1, false}, shape{2, false}, shape{16, false}, shape{2, true},
                         shape{16, true});
}

}  // namespace pinion::test
