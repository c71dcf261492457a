// SPDX-License-Identifier: MIT
// How a benchmark of this project is run and reported.
//
// A benchmark is a name and a function that does the work once and says what it saw. It is run
// once per repetition; Google Benchmark lists, filters and prints it, and writes its JSON. When
// other processes took part of the machine meanwhile, the work is done again.
//
//     add_benchmark("runtime/scheduler/post/workers:2", [] { ... return measurement{...}; });
//     int main(int argc, char** argv) { return run_benchmarks(argc, argv); }
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "pinion/lockfree/histogram.hpp"
#include "pinion/platform/clock.hpp"

namespace pinion::bench {

/// What one run of a benchmark saw.
struct measurement {
  duration elapsed{};  // for all items together
  double items = 0;
  std::vector<std::pair<std::string, double>> counters = {};
  std::string curve = {};  // percentile:nanoseconds, comma separated

  measurement& with(std::string name, double value) {
    counters.emplace_back(std::move(name), value);
    return *this;
  }

  /// Adds `prefix`p50, p90, p99, p99.9 and max, in nanoseconds.
  measurement& with_percentiles(const histogram&, const std::string& prefix = "");

  /// The same, and the whole curve; elapsed becomes the median and items 1, so that
  /// items_per_second is how often the thing can happen in a second.
  static measurement of_latencies(const histogram&);
};

/// Registers a benchmark. It appears under exactly this name.
void add_benchmark(const std::string& name, std::function<measurement()> run);

/// Runs what was added, by Google Benchmark's options and these:
///   --scale=X   multiplies all sizes; 1 is the size for results to publish
/// @errors    exit code 2 with one line on stderr when an option is not understood
int run_benchmarks(int argc, char** argv);

/// `full` times the scale that was asked for, and at least `least`.
std::size_t scaled(std::size_t full, std::size_t least = 1);

}  // namespace pinion::bench
