// SPDX-License-Identifier: MIT
// What does it cost to arm a timer and to cancel it again, as nearly every deadline is? Some
// thousand others are armed meanwhile. Decides where the wheel is, and what guards it.
#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "bench/compare/works.hpp"

#include "pinion/platform/os.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion::bench {
namespace {

constexpr std::size_t others = 1000;

timer_node never_fires(duration in) {
  timer_node timer;
  timer.when = os::now() + in;
  timer.fire = [](timer_node&) noexcept {};
  return timer;
}

void arm_and_cancel(std::size_t count) {
  time_source& time = system_time();
  timer_node timer = never_fires(std::chrono::minutes(1));
  for (std::size_t i = 0; i < count; ++i) {
    timer.when = time.now() + std::chrono::minutes(1);
    if (!time.arm(timer) || !time.disarm(timer)) std::abort();
  }
}

measurement timer_arm_cancel(std::size_t threads) {
  std::vector<timer_node> armed;
  for (std::size_t i = 0; i < others; ++i) {
    armed.push_back(never_fires(std::chrono::minutes(1) + std::chrono::milliseconds(i * 37)));
  }
  for (timer_node& timer : armed) (void)system_time().arm(timer);
  const std::size_t each = scaled(1'000'000, 1000) / threads;
  arm_and_cancel(each);
  const time_point start = os::now();
  std::vector<std::thread> more;
  for (std::size_t i = 1; i < threads; ++i) more.emplace_back([each] { arm_and_cancel(each); });
  arm_and_cancel(each);
  for (std::thread& t : more) t.join();
  const duration elapsed = os::now() - start;
  for (timer_node& timer : armed) (void)system_time().disarm(timer);
  return {elapsed, static_cast<double>(each * threads)};
}

}  // namespace

void add_timer_arm_cancel() {
  for (const std::size_t threads : {1, 2}) {
    add_benchmark(name_of<pinion_pool>("timer_arm_cancel", {usual_workers()},
                                       "/threads:" + std::to_string(threads) + "/unpinned"),
                  [threads] { return timer_arm_cancel(threads); });
  }
}

}  // namespace pinion::bench
