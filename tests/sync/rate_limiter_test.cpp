// SPDX-License-Identifier: MIT
#include "pinion/sync/rate_limiter.hpp"

#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/hand_wait.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/test_clock.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/timer.hpp"

namespace pinion {
namespace {

using namespace std::chrono_literals;
using wait_for = test::hand_wait<op<void, std::uint64_t>>;

constexpr rate ten = rate::per_second(10);  // one in 100 ms

template <class N>
concept rate_of = requires(N n) {
  rate::per_second(n);
};
static_assert(rate_of<int> && !rate_of<double>);  // 0.5 would be none, ever

std::uint64_t available(rate_limiter& limit, std::uint64_t most = 100) {
  std::uint64_t n = 0;
  while (n < most && limit.try_acquire()) ++n;
  return n;
}

TEST(rate_limiter, RL_2_starts_full_and_never_holds_more_than_the_burst) {
  manual_clock clock;
  rate_limiter limit(ten, 3, clock);
  EXPECT_EQ(available(limit), 3u);
  clock.advance(250ms);
  EXPECT_EQ(available(limit), 2u);
  clock.advance(50ms);
  EXPECT_EQ(available(limit), 1u);  // what was left of the 250 counts
  clock.advance(10h);
  EXPECT_EQ(available(limit), 3u);
}

TEST(rate_limiter, RL_3_a_try_takes_all_or_nothing) {
  manual_clock clock;
  rate_limiter limit(ten, 5, clock);
  EXPECT_TRUE(limit.try_acquire(3));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limit.try_acquire(3).error(), errc::not_ready);
  EXPECT_TRUE(limit.try_acquire(2));
  clock.advance(100ms);
  EXPECT_TRUE(limit.try_acquire(1));
}

TEST(rate_limiter, RL_4_more_than_the_burst_is_too_large_and_nothing_is_free) {
  manual_clock clock;
  rate_limiter limit(ten, 3, clock);
  EXPECT_EQ(limit.try_acquire(4).error(), errc::too_large);
  EXPECT_EQ(limit.acquire(4).wait().error(), errc::too_large);
  EXPECT_EQ(limit.reserve(4).error(), errc::too_large);
  EXPECT_EQ(limit.try_acquire(~std::uint64_t{0}).error(), errc::too_large);
  EXPECT_TRUE(limit.try_acquire(3));
  EXPECT_EQ(limit.try_acquire(4).error(), errc::too_large);
  EXPECT_TRUE(limit.try_acquire(0));
  EXPECT_TRUE(limit.acquire(0).wait());
  EXPECT_EQ(limit.reserve(0).value().when(), clock.now());
  wait_for waits(limit.acquire());
  EXPECT_TRUE(limit.try_acquire(0));  // also when others wait
  EXPECT_EQ(limit.try_acquire(4).error(), errc::too_large);
}

TEST(rate_limiter, RL_5_without_a_limit_all_is_granted) {
  manual_clock clock;
  for (const rate r : {rate::unlimited(), rate::every(0ns), rate::every(-1s)}) {
    rate_limiter limit(r, 0, clock);
    EXPECT_TRUE(limit.try_acquire(~std::uint64_t{0}));
    EXPECT_TRUE(limit.acquire(1'000'000'000'000).wait());
    EXPECT_EQ(limit.reserve(7).value().when(), clock.now());
  }
}

TEST(rate_limiter, RL_6_with_no_rate_the_burst_is_all_there_is) {
  manual_clock clock;
  rate_limiter limit(rate{}, 3, clock);
  EXPECT_EQ(available(limit), 3u);
  clock.advance(24h * 10000);
  EXPECT_EQ(available(limit), 0u);
  EXPECT_EQ(limit.reserve().error(), errc::not_ready);
  const auto ctx = with_timeout(clock.root(), 1h);
  EXPECT_EQ(limit.acquire(ctx).wait().error(), errc::would_exceed_deadline);
  wait_for waits(limit.acquire());
  EXPECT_FALSE(waits.over());
  limit.set_rate(ten);
  EXPECT_FALSE(waits.over());
  clock.advance(100ms);
  EXPECT_TRUE(waits.over());
}

TEST(rate_limiter, RL_7_no_burst_is_refused_when_made_and_pauses_later) {
  EXPECT_EQ(test::refusal_of([] { rate_limiter limit(ten, 0); }),
            "rate_limiter: a burst of 0, must be 1 to " + std::to_string(rate_limiter::max_burst));
  EXPECT_THROW(rate_limiter(rate{}, 0), std::invalid_argument);
  EXPECT_THROW(rate_limiter(ten, rate_limiter::max_burst + 1), std::invalid_argument);
  manual_clock clock;
  rate_limiter limit(ten, 3, clock);
  limit.set_burst(0);
  EXPECT_EQ(limit.try_acquire().error(), errc::not_ready);
  EXPECT_EQ(limit.reserve().error(), errc::not_ready);
  const auto ctx = with_timeout(clock.root(), 1h);
  EXPECT_EQ(limit.acquire(ctx).wait().error(), errc::would_exceed_deadline);
  wait_for waits(limit.acquire(2));
  clock.advance(1h);
  EXPECT_FALSE(waits.over());
  limit.set_burst(2);
  EXPECT_FALSE(waits.over());  // the bucket was empty, whatever its size
  clock.advance(199ms);
  EXPECT_FALSE(waits.over());
  clock.advance(1ms);
  EXPECT_TRUE(waits.over());
}

TEST(rate_limiter, RL_8_RL_10_a_reservation_says_when_and_takes_now) {
  manual_clock clock;
  rate_limiter limit(ten, 3, clock);
  const time_point t0 = clock.now();
  EXPECT_EQ(limit.reserve(3).value().when(), t0);
  EXPECT_EQ(limit.reserve(2).value().when(), t0 + 200ms);
  EXPECT_EQ(limit.reserve(1).value().when(), t0 + 300ms);
  clock.advance(299ms);
  EXPECT_EQ(limit.try_acquire().error(), errc::not_ready);
  clock.advance(100ms);
  EXPECT_EQ(limit.try_acquire().error(), errc::not_ready);  // 400 ms is when
  clock.advance(1ms);
  EXPECT_TRUE(limit.try_acquire());
}

TEST(rate_limiter, RL_11_a_done_context_and_a_deadline_that_is_too_soon) {
  manual_clock clock;
  rate_limiter limit(ten, 1, clock);
  auto ctx = with_cancel(clock.root());
  ctx.cancel();
  EXPECT_EQ(limit.acquire(ctx).wait().error(), errc::canceled);
  EXPECT_TRUE(limit.try_acquire());  // it was there all the time
  const auto soon = with_timeout(clock.root(), 99ms);
  const auto late = with_timeout(clock.root(), 100ms);
  const auto r = limit.acquire(soon).wait();
  EXPECT_EQ(r.error(), errc::would_exceed_deadline);
  EXPECT_TRUE(r.error().is_timeout());
  wait_for waits(limit.acquire(late));
  EXPECT_FALSE(waits.over());
  EXPECT_EQ(limit.acquire(late).wait().error(), errc::would_exceed_deadline);  // behind the other
}

TEST(rate_limiter, RL_11_a_wait_that_is_canceled_takes_nothing) {
  manual_clock clock;
  rate_limiter limit(ten, 1, clock);
  EXPECT_TRUE(limit.try_acquire());
  auto ctx = with_cancel(clock.root());
  {
    wait_for waits(limit.acquire(ctx));
    clock.advance(50ms);
    ctx.cancel();
    EXPECT_EQ(waits.get().error(), errc::canceled);
  }
  EXPECT_EQ(clock.next_timer(), forever);  // nothing is left behind
  clock.advance(50ms);
  EXPECT_TRUE(limit.try_acquire());
}

TEST(rate_limiter, RL_12_waits_are_served_in_order_by_one_timer) {
  manual_clock clock;
  rate_limiter limit(ten, 3, clock);
  EXPECT_TRUE(limit.try_acquire(3));
  wait_for two(limit.acquire(2)), three(limit.acquire(3)), one(limit.acquire(1));
  EXPECT_EQ(limit.try_acquire().error(), errc::not_ready);
  EXPECT_EQ(clock.advance(199ms), 0u);
  EXPECT_EQ(clock.advance(1ms), 1u);
  EXPECT_TRUE(two.over());
  EXPECT_FALSE(one.over());  // would fit in 100 ms, and is behind
  EXPECT_EQ(clock.advance(300ms), 1u);
  EXPECT_TRUE(three.over());
  EXPECT_FALSE(one.over());
  EXPECT_EQ(clock.advance(100ms), 1u);
  EXPECT_TRUE(one.over());
  EXPECT_EQ(clock.next_timer(), forever);
  EXPECT_EQ(limit.try_acquire().error(), errc::not_ready);
}

TEST(rate_limiter, RL_12_who_leaves_the_line_moves_all_behind_it_up) {
  manual_clock clock;
  rate_limiter limit(ten, 3, clock);
  EXPECT_TRUE(limit.try_acquire(3));
  auto ctx = with_cancel(clock.root());
  wait_for first(limit.acquire(1)), middle(limit.acquire(ctx, 3)), last(limit.acquire(1));
  ctx.cancel();
  EXPECT_EQ(middle.get().error(), errc::canceled);
  clock.advance(100ms);
  EXPECT_TRUE(first.over());
  EXPECT_FALSE(last.over());
  clock.advance(100ms);
  EXPECT_TRUE(last.over());
}

TEST(rate_limiter, RL_12_a_first_one_that_leaves_lets_the_next_have_what_is_there) {
  manual_clock clock;
  rate_limiter limit(ten, 3, clock);
  EXPECT_TRUE(limit.try_acquire(3));
  auto ctx = with_cancel(clock.root());
  wait_for large(limit.acquire(ctx, 3)), small(limit.acquire(1)), other(limit.acquire(2));
  clock.advance(150ms);
  EXPECT_FALSE(small.over());
  ctx.cancel();
  EXPECT_EQ(large.get().error(), errc::canceled);
  EXPECT_TRUE(small.over());
  EXPECT_FALSE(other.over());
  clock.advance(150ms);
  EXPECT_TRUE(other.over());
}

TEST(rate_limiter, RL_13_a_reservation_is_given_back_once_and_not_after_its_time) {
  manual_clock clock;
  rate_limiter limit(ten, 2, clock);
  EXPECT_TRUE(limit.try_acquire(2));
  auto at_200 = limit.reserve(2).value();
  clock.advance(200ms);
  EXPECT_EQ(at_200.cancel(), 2u);  // at its very time it still can
  EXPECT_EQ(at_200.cancel(), 0u);
  EXPECT_EQ(available(limit), 2u);
  auto again = limit.reserve(1).value();
  clock.advance(101ms);
  EXPECT_EQ(again.cancel(), 0u);
  EXPECT_EQ(limit.reserve(0).value().cancel(), 0u);
  limit.set_rate(rate::unlimited());
  EXPECT_EQ(limit.reserve(2).value().cancel(), 0u);
}

TEST(rate_limiter, RL_14_what_later_ones_build_on_is_not_given_back) {
  manual_clock clock;
  const time_point t0 = clock.now();
  rate_limiter limit(ten, 3, clock);
  EXPECT_TRUE(limit.try_acquire(3));
  auto a = limit.reserve(3).value();
  auto b = limit.reserve(1).value();
  auto c = limit.reserve(1).value();
  EXPECT_EQ(c.cancel(), 1u);
  EXPECT_EQ(a.cancel(), 2u);  // b builds on one of them
  EXPECT_EQ(b.when(), t0 + 400ms);
  auto d = limit.reserve(3).value();  // the same again, exactly
  EXPECT_EQ(d.when(), t0 + 500ms);
  auto e = limit.reserve(3).value();
  EXPECT_EQ(d.cancel(), 0u);
  EXPECT_EQ(e.cancel(), 3u);
  EXPECT_EQ(limit.reserve(3).value().when(), t0 + 800ms);
}

TEST(rate_limiter, RL_15_a_new_rate_holds_from_now_on) {
  manual_clock clock;
  const time_point t0 = clock.now();
  rate_limiter limit(rate::per_second(5), 2, clock);
  EXPECT_EQ(limit.reserve(2).value().when(), t0);
  auto second = limit.reserve(2).value();
  EXPECT_EQ(second.when(), t0 + 400ms);
  clock.advance(200ms);
  limit.set_rate(ten);
  EXPECT_EQ(limit.reserve(1).value().when(), t0 + 400ms);
  EXPECT_EQ(second.cancel(), 1u);
  clock.advance(300ms);
  EXPECT_EQ(available(limit), 2u);
}

TEST(rate_limiter, RL_15_a_new_burst_keeps_what_is_there) {
  manual_clock clock;
  rate_limiter limit(ten, 2, clock);
  limit.set_burst(5);
  EXPECT_EQ(available(limit), 2u);
  clock.advance(500ms);
  EXPECT_EQ(available(limit), 5u);
  clock.advance(400ms);
  limit.set_burst(3);
  EXPECT_EQ(available(limit), 3u);
  limit.set_burst(9);
  limit.set_burst(3);
  EXPECT_EQ(available(limit), 0u);
}

TEST(rate_limiter, RL_15_who_waits_is_timed_anew) {
  manual_clock clock;
  rate_limiter limit(rate::every(1h), 3, clock);
  EXPECT_TRUE(limit.try_acquire(3));
  wait_for one(limit.acquire()), two(limit.acquire()), three(limit.acquire(3));
  limit.set_rate(ten);
  clock.advance(100ms);
  EXPECT_TRUE(one.over());
  EXPECT_FALSE(two.over());
  limit.set_rate(rate::every(1h));
  clock.advance(100ms);
  EXPECT_FALSE(two.over());
  limit.set_burst(2);  // three wants more than that
  clock.advance(1h);
  EXPECT_TRUE(two.over());
  EXPECT_EQ(three.get().error(), errc::too_large);
  wait_for last(limit.acquire());
  limit.set_rate(rate::unlimited());
  EXPECT_TRUE(last.get());
}

TEST(rate_limiter, a_reservation_goes_behind_those_who_wait) {
  manual_clock clock;
  const time_point t0 = clock.now();
  rate_limiter limit(ten, 2, clock);
  EXPECT_TRUE(limit.try_acquire(2));
  auto ctx = with_cancel(clock.root());
  wait_for one(limit.acquire(1)), two(limit.acquire(ctx, 2));
  auto behind = limit.reserve(1).value();
  EXPECT_EQ(behind.when(), t0 + 400ms);
  wait_for last(limit.acquire(1));
  clock.advance(100ms);
  EXPECT_TRUE(one.over());
  ctx.cancel();
  EXPECT_EQ(two.get().error(), errc::canceled);  // one of its tokens is free: 4 are reserved
  clock.advance(299ms);
  EXPECT_FALSE(last.over());
  clock.advance(1ms);
  EXPECT_TRUE(last.over());
  EXPECT_EQ(limit.reserve(1).value().when(), t0 + 500ms);
}

TEST(rate_limiter, a_reservation_that_is_given_back_moves_those_who_wait_up) {
  manual_clock clock;
  rate_limiter limit(ten, 2, clock);
  EXPECT_TRUE(limit.try_acquire(2));
  auto reserved = limit.reserve(2).value();
  wait_for waits(limit.acquire(1));
  EXPECT_EQ(reserved.cancel(), 2u);
  clock.advance(100ms);
  EXPECT_TRUE(waits.over());
}

TEST(rate_limiter, RL_16_time_that_goes_back_brings_nothing) {
  test::test_clock clock;
  rate_limiter limit(ten, 2, clock);
  EXPECT_EQ(available(limit), 2u);
  clock.advance(-1h);
  EXPECT_EQ(available(limit), 0u);
  limit.set_rate(rate::per_second(11));
  limit.set_rate(ten);
  EXPECT_EQ(available(limit), 0u);
  clock.advance(1h);
  EXPECT_EQ(available(limit), 0u);
  clock.advance(100ms);
  EXPECT_EQ(available(limit), 1u);
}

TEST(rate_limiter, RL_17_slow_rates_and_long_times_do_not_overflow) {
  manual_clock clock;
  rate_limiter slow(rate::every(duration::max()), 1, clock);
  EXPECT_TRUE(slow.try_acquire());
  EXPECT_FALSE(slow.try_acquire());
  clock.advance(24h * 365 * 200);
  EXPECT_FALSE(slow.try_acquire());
  rate_limiter fast(rate::per_second(999'999'937), 7, clock);
  EXPECT_EQ(available(fast), 7u);
  clock.advance(24h * 365);
  EXPECT_EQ(available(fast), 7u);
  EXPECT_EQ(fast.reserve(7).value().when(), clock.now() + 8ns);
}

// A million tokens a day for three years of manual time: not one too few, not one too many.
TEST(rate_limiter, RL_17_no_drift) {
  manual_clock clock;
  rate_limiter limit(rate::per_second(99'991), 1000, clock);
  std::uint64_t taken = available(limit, 1000);
  const time_point start = clock.now();
  for (int i = 0; i < 20000; ++i) {
    clock.advance(i % 2 == 0 ? 1ms : 8999us);
    while (limit.try_acquire(10)) taken += 10;
  }
  taken += available(limit);
  const auto ns = static_cast<std::uint64_t>((clock.now() - start).count());
  EXPECT_EQ(taken, 1000 + ns * 99'991 / 1'000'000'000);
}

TEST(rate_limiter, RL_17_exactly_the_burst_for_many_threads) {
  manual_clock clock;
  rate_limiter limit(ten, 5, clock);
  std::atomic<int> got{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 15; ++i) {
    threads.emplace_back([&] { got += limit.try_acquire().has_value() ? 1 : 0; });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(got.load(), 5);
}

TEST(rate_limiter, XC_10_neither_taking_nor_waiting_allocates) {
  manual_clock clock;
  auto ctx = with_cancel(clock.root());
  rate_limiter limit(ten, 1, clock);
  auto asks = limit.acquire(ctx);
  std::thread turner([&] {
    test::until([&] { return clock.next_timer() != forever; });
    clock.advance(100ms);
  });
  const test::allocation_count count;
  EXPECT_TRUE(limit.try_acquire());
  EXPECT_TRUE(asks.wait());
  EXPECT_EQ(limit.reserve().value().cancel(), 1u);
  EXPECT_EQ(count.get(), 0u);
  turner.join();
}

TEST(rate_limiter, waits_on_the_machines_clock) {
  rate_limiter limit(rate::per_second(1000), 1);
  const time_point start = now();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limit.acquire().wait());
  EXPECT_GE(now() - start, 3ms);
}

}  // namespace
}  // namespace pinion
