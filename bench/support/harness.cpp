// SPDX-License-Identifier: MIT
#include "bench/support/harness.hpp"

#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <sstream>

#include "bench/support/machine.hpp"
#include "bench/support/ticks.hpp"
#include <benchmark/benchmark.h>

namespace pinion::bench {
namespace {

double scale = 1.0;

// A run is done again when others used more than this share of the machine, up to this often.
constexpr double foreign_share_max = 0.10;
constexpr int attempts_max = 3;

// From the median to the far tail, evenly spaced to the eye on a logarithmic axis of 1/(1 - p).
constexpr std::array percentile_grid = {0.0,  10.0, 20.0,  30.0,  40.0,  50.0, 60.0,
                                        70.0, 80.0, 90.0,  95.0,  98.0,  99.0, 99.5,
                                        99.8, 99.9, 99.95, 99.98, 99.99, 100.0};

double nanoseconds(duration d) {
  return static_cast<double>(d.count());
}

std::string curve_of(const histogram& h) {
  std::ostringstream out;
  for (const double p : percentile_grid) {
    const bool beyond_samples =
        p < 100.0 && (100.0 - p) / 100.0 * static_cast<double>(h.count()) < 1;
    if (beyond_samples) continue;
    if (p > 0) out << ',';
    out << p << ':' << (p == 100.0 ? h.max() : h.percentile(p)).count();
  }
  return out.str();
}

struct attempt {
  measurement seen;
  double foreign = 1.0;
};

// The least disturbed of a few attempts, whatever it measured.
attempt run_undisturbed(const std::function<measurement()>& run, int& attempts) {
  attempt best;
  while (attempts < attempts_max && best.foreign > foreign_share_max) {
    const foreign_cpu others;
    measurement seen = run();
    const double foreign = others.share();
    if (++attempts == 1 || foreign < best.foreign) best = {std::move(seen), foreign};
  }
  return best;
}

void run_one(benchmark::State& state, const std::function<measurement()>& run) {
  int attempts = 0;
  const auto [seen, foreign] = run_undisturbed(run, attempts);
  const double elapsed = std::chrono::duration<double>(seen.elapsed).count();
  for ([[maybe_unused]] auto _ : state) state.SetIterationTime(elapsed);
  for (const auto& [name, value] : seen.counters) state.counters[name] = value;
  if (elapsed > 0) state.counters["items_per_second"] = seen.items / elapsed;
  state.counters["foreign_cpu"] = foreign;
  state.counters["attempts"] = attempts;
  state.SetLabel(seen.curve);
}

// Names say what is compared, and nothing about how the timing was done.
std::vector<benchmark::BenchmarkReporter::Run> with_plain_names(
    std::vector<benchmark::BenchmarkReporter::Run> runs) {
  for (auto& run : runs) {
    run.run_name.iterations.clear();
    run.run_name.time_type.clear();
  }
  return runs;
}

class console final : public benchmark::ConsoleReporter {
 public:
  console() : ConsoleReporter(OO_None) {}
  void ReportRuns(const std::vector<Run>& runs) override {
    auto shown = with_plain_names(runs);
    for (auto& run : shown) run.report_label.clear();  // the curve is for programs
    ConsoleReporter::ReportRuns(shown);
  }
};

class json final : public benchmark::JSONReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    JSONReporter::ReportRuns(with_plain_names(runs));
  }
};

// Takes --scale=X out of the arguments. False: it is there, and no use.
bool take_scale(int& argc, char** argv) {
  constexpr const char* option = "--scale=";
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], option, std::strlen(option)) != 0) {
      argv[kept++] = argv[i];
      continue;
    }
    char* end = nullptr;
    scale = std::strtod(argv[i] + std::strlen(option), &end);
    if (*end != '\0' || !std::isfinite(scale) || scale <= 0 || scale > 1000) return false;
  }
  argc = kept;
  return true;
}

bool writes_file(int argc, char** argv) {
  return std::any_of(argv, argv + argc, [](const char* argument) {
    return std::strncmp(argument, "--benchmark_out=", std::strlen("--benchmark_out=")) == 0;
  });
}

}  // namespace

measurement& measurement::with_percentiles(const histogram& h, const std::string& prefix) {
  with(prefix + "p50", nanoseconds(h.percentile(50)));
  with(prefix + "p90", nanoseconds(h.percentile(90)));
  with(prefix + "p99", nanoseconds(h.percentile(99)));
  with(prefix + "p99.9", nanoseconds(h.percentile(99.9)));
  return with(prefix + "max", nanoseconds(h.max()));
}

measurement measurement::of_latencies(const histogram& h) {
  measurement m{h.percentile(50), 1};
  m.with_percentiles(h).with("samples", static_cast<double>(h.count()));
  m.curve = curve_of(h);
  return m;
}

void add_benchmark(const std::string& name, std::function<measurement()> run) {
  benchmark::RegisterBenchmark(
      name.c_str(), [run = std::move(run)](benchmark::State& state) { run_one(state, run); })
      ->Iterations(1)
      ->UseManualTime();
}

int run_benchmarks(int argc, char** argv) {
  if (!take_scale(argc, argv)) {
    std::cerr << argv[0] << ": --scale takes a number above 0 and up to 1000\n";
    return 2;
  }
  const bool to_file = writes_file(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (argc > 1) {
    std::cerr << argv[0] << ": unknown argument " << argv[1] << '\n';
    return 2;
  }
  for (const auto& [name, value] : describe_machine()) benchmark::AddCustomContext(name, value);
  std::ostringstream cost;
  cost << to_duration(ticks_cost()).count() << " ns, subtracted";
  benchmark::AddCustomContext("cost_of_clock", cost.str());

  console display;
  json file;
  benchmark::RunSpecifiedBenchmarks(&display, to_file ? &file : nullptr);
  benchmark::Shutdown();
  return 0;
}

std::size_t scaled(std::size_t full, std::size_t least) {
  return std::max(least, static_cast<std::size_t>(static_cast<double>(full) * scale));
}

}  // namespace pinion::bench
