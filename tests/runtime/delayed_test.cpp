// SPDX-License-Identifier: MIT
// Work that starts later, on a clock that the test turns by hand.
#include <latch>
#include <vector>

#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/timer.hpp"

namespace pinion {
namespace {

scheduler_options with_workers(std::size_t n) {
  scheduler_options o;
  o.workers = n;
  o.pin = pinning::none();
  return o;
}

TEST(delayed, delayed_work_starts_when_its_time_has_come) {
  manual_clock clock;
  scheduler_options o = with_workers(1);
  o.time = &clock;
  scheduler sched(o);
  std::latch second(1);
  std::vector<int> order;
  using std::chrono::milliseconds;
  sched.post(
      [&] {
        order.push_back(2);
        second.count_down();
      },
      {.after = milliseconds(20)});
  std::latch first(1);
  sched.post(
      [&] {
        order.push_back(1);
        first.count_down();
      },
      {.after = milliseconds(10)});
  EXPECT_EQ(sched.stats().ran, 0u);
  clock.advance(milliseconds(10));
  first.wait();
  clock.advance(milliseconds(9));
  EXPECT_EQ(sched.stats().accepted, 2u);
  clock.advance(milliseconds(1));
  second.wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace pinion
