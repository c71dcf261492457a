// SPDX-License-Identifier: MIT
// What a fan-out makes of its options, and what ends it. What its runners do is tested with it.
#include "pinion/patterns/fan_control.hpp"

#include <cstddef>
#include <cstdint>

#include "tests/support/patterns.hpp"
#include "tests/support/refusal.hpp"
#include <gtest/gtest.h>

namespace pinion {
namespace {

/// One that has no inputs.
class control final : public detail::fan_control {
 public:
  explicit control(scheduler& on, const fan_options& o, const context& ctx = context::background())
      : fan_control(on, ctx, o) {}

  std::uint32_t concurrency() const { return concurrency_; }
  std::uint32_t buffer() const { return buffer_; }

 private:
  void run() noexcept override {}
  std::uint64_t inputs_claimed() const noexcept override { return 0; }
  std::uint64_t inputs_left() const noexcept override { return 0; }
  os::atomic<detail::fan_slot>& state_at(std::uint64_t) noexcept override { return slot_; }

  os::atomic<detail::fan_slot> slot_{detail::fan_slot::empty};
};

TEST(fan_control, without_options_it_suits_the_scheduler) {
  scheduler sched(test::quiet_workers(3));
  EXPECT_EQ(control(sched, {}).concurrency(), 3u);
  EXPECT_EQ(control(sched, {}).buffer(), 64u);
  EXPECT_EQ(control(sched, {.order = order::as_submitted}).buffer(), 6u);
  EXPECT_EQ(control(sched, {.concurrency = 100}).buffer(), 200u);
}

TEST(fan_control, there_is_a_slot_for_each_call) {
  scheduler sched(test::quiet_workers(1));
  EXPECT_EQ(control(sched, {.concurrency = 10, .buffer = 3}).buffer(), 10u);
  EXPECT_EQ(control(sched, {.concurrency = 10, .buffer = 30}).buffer(), 30u);
}

TEST(fan_control, options_out_of_range_are_named) {
  scheduler sched(test::quiet_workers(1));
  const auto with = [&](const fan_options& o) {
    return test::refusal_of([&] { control made(sched, o); });
  };
  EXPECT_EQ(with({.concurrency = std::size_t{1} << 30}),  // twice as many slots
            "fan_options::concurrency is 1073741824, must be 1073741823 at most");
  EXPECT_EQ(with({.concurrency = std::size_t{1} << 31, .buffer = 1}),
            "fan_options::concurrency is 2147483648, must be 2147483647 at most");
  EXPECT_EQ(with({.buffer = std::size_t{1} << 31}),
            "fan_options::buffer is 2147483648, must be 2147483647 at most");
}

TEST(fan_control, it_ends_with_its_context_its_reader_and_its_scheduler) {
  scheduler sched(test::quiet_workers(1));
  auto ctx = with_cancel(context::background());
  const control by_context(sched, {}, ctx);
  control by_reader(sched, {});
  const control by_stop(sched, {});
  EXPECT_FALSE(by_context.canceled() || by_reader.canceled() || by_stop.canceled());
  ctx.cancel();
  EXPECT_TRUE(by_context.canceled());
  EXPECT_TRUE(by_reader.cancel(errc::canceled));
  EXPECT_TRUE(by_reader.canceled());
  EXPECT_FALSE(by_stop.canceled());
  EXPECT_TRUE(sched.stop().wait());
  EXPECT_TRUE(by_stop.canceled());
}

}  // namespace
}  // namespace pinion
