// SPDX-License-Identifier: MIT
// What can the best possible library reach here? Every result of the comparison is read against
// these; a change that brings a path to its floor is finished, whatever the nanoseconds say.
#include <chrono>
#include <thread>

#include "bench/support/floors.hpp"
#include "bench/support/harness.hpp"
#include "bench/support/machine.hpp"
#include "bench/support/ticks.hpp"

namespace pinion::bench {
namespace {

std::vector<unsigned> first_cpu() {
  return {usable_cpus().front()};
}
std::vector<unsigned> last_cpu() {
  return {usable_cpus().back()};
}

measurement per_operation(double ns) {
  constexpr double operations = 1e6;
  return {duration(static_cast<duration::rep>(ns * operations)), operations};
}

measurement rmw() {
  const double ns = uncontended_rmw_ns();
  return per_operation(ns).with("p50", ns);
}

measurement clock_cost() {
  const auto ns = static_cast<double>(to_duration(ticks_cost()).count());
  return per_operation(ns).with("p50", ns);
}

measurement line_round_trip() {
  const std::uint64_t rounds = scaled(100'000, 10'000);
  const scoped_pin here(first_cpu());
  line_echo echo;
  histogram seen;
  std::thread other([&] {
    pin_this_thread(last_cpu());
    echo.answer(rounds);
  });
  echo.ask(rounds, seen);
  other.join();
  return measurement::of_latencies(seen);
}

// The sleeper has slept for a millisecond, as an idle worker has; the waker blocks.
measurement futex_wake(const std::vector<unsigned>& waker, std::vector<unsigned> sleeper) {
  const scoped_pin here(waker);
  futex_sleeper thread(std::move(sleeper));
  histogram seen;
  for (std::size_t i = 0; i < scaled(500, 50); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    seen.record(thread.wake());
  }
  return measurement::of_latencies(seen);
}

measurement hiccup() {
  const auto how_long = std::chrono::milliseconds(scaled(500, 100));
  const hiccups seen = spin_and_watch(how_long);
  measurement m{how_long, 1};
  return m.with("max", static_cast<double>(seen.longest.count())).with("lost_share", seen.lost);
}

}  // namespace
}  // namespace pinion::bench

int main(int argc, char** argv) {
  using namespace pinion::bench;
  add_benchmark("platform/floors/rmw_uncontended", rmw);
  add_benchmark("platform/floors/clock", clock_cost);
  add_benchmark("platform/floors/hiccup", hiccup);
  add_benchmark("platform/floors/futex_wake/unpinned", [] { return futex_wake({}, {}); });
  if (usable_cpus().size() > 1) {
    add_benchmark("platform/floors/line_round_trip", line_round_trip);
    add_benchmark("platform/floors/futex_wake/pinned",
                  [] { return futex_wake(first_cpu(), last_cpu()); });
  }
  return run_benchmarks(argc, argv);
}
