// SPDX-License-Identifier: MIT
// What does the order of the inputs cost a fan-out, per item, against the order of completion?
// Decides how far apart the two may be built. In order, a result that is late holds up those
// behind it: with calls of unequal length the price is that of the wait, not of the order.
//
// Empty calls show the cost of the way; those of 500 ns what is left of it beside some work; and
// where each sixteenth call takes as long as ten, whether a window of the usual size is enough.
// Allocations are of the whole run, by the item.
#include <chrono>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/support/harness.hpp"
#include "bench/support/machine.hpp"
#include "tests/support/allocations.hpp"

#include "pinion/patterns/fan_out.hpp"
#include "pinion/platform/cpu.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/runtime/scheduler.hpp"

namespace pinion::bench {
namespace {

struct body {
  const char* name;
  duration usual;
  duration sixteenth;
  std::size_t items;
};
constexpr body bodies[] = {
    {"empty", duration(0), duration(0), 1'000'000},
    {"500ns", std::chrono::nanoseconds(500), std::chrono::nanoseconds(500), 100'000},
    {"uneven", std::chrono::nanoseconds(500), std::chrono::microseconds(5), 100'000},
};

void work(duration d) {
  if (d == duration(0)) return;
  const std::uint64_t end = cpu_ticks() + to_ticks(d);
  while (cpu_ticks() < end) {
  }
}

std::uint64_t sum_of(scheduler& on, const std::vector<std::uint64_t>& inputs, const body& b,
                     const fan_options& options) {
  std::uint64_t sum = 0;
  const auto call = [&](std::uint64_t n) {
    work(n % 16 == 0 ? b.sixteenth : b.usual);
    return n;
  };
  for (const result<std::uint64_t>& r : fan_out(on, context::background(), inputs, call, options)) {
    sum += r.value();
  }
  return sum;
}

measurement fan_out_of(const body& b, std::size_t workers, const fan_options& options) {
  scheduler_options o;
  o.workers = workers;
  o.pin = pinning::none();
  scheduler on(o);
  std::vector<std::uint64_t> inputs(scaled(b.items, 1000));
  std::iota(inputs.begin(), inputs.end(), std::uint64_t{0});
  sum_of(on, inputs, b, options);  // warm-up
  const test::allocation_count allocations;
  const time_point start = os::now();
  const std::uint64_t sum = sum_of(on, inputs, b, options);
  const double items = static_cast<double>(inputs.size());
  measurement seen{os::now() - start, items};
  if (sum != inputs.size() * (inputs.size() - 1) / 2) {
    throw std::logic_error("fan_out: a result was lost or came twice");
  }
  return seen.with("allocations_per_item", static_cast<double>(allocations.get()) / items);
}

void add_fan_outs() {
  const std::size_t workers = 2;
  for (const body& b : bodies) {
    for (const std::size_t buffer : {std::size_t{64}, std::size_t{1024}}) {
      for (const order how : {order::as_completed, order::as_submitted}) {
        add_benchmark("patterns/fan_out/" +
                          std::string(how == order::as_completed ? "completed" : "submitted") +
                          "/workers:" + std::to_string(workers) + "/body:" + b.name +
                          "/buffer:" + std::to_string(buffer),
                      [=] { return fan_out_of(b, workers, {.buffer = buffer, .order = how}); });
      }
    }
  }
}

}  // namespace
}  // namespace pinion::bench

int main(int argc, char** argv) {
  pinion::bench::add_fan_outs();
  return pinion::bench::run_benchmarks(argc, argv);
}
