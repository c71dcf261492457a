// SPDX-License-Identifier: MIT
// A ticker ticks on its grid, says when each tick was due, and treats late readers as it was told.
#include "pinion/sync/ticker.hpp"

#include <atomic>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/timer.hpp"

namespace {

using namespace std::chrono_literals;
using pinion::context;
using pinion::duration;
using pinion::errc;
using pinion::manual_clock;
using pinion::missed_tick;
using pinion::ticker;
using pinion::time_point;
using pinion::test::until;

struct ticking : testing::Test {
  manual_clock clock;
  context root = clock.root();
  time_point start = clock.now();

  /// When the next tick was due, from the start; nothing if it is not due yet.
  std::optional<duration> try_next(ticker& t) {
    auto next = t.next();
    pinion::lock_set locks;
    locks.lock(next);
    const bool due = next.try_complete();
    locks.unlock(next);
    return due ? std::optional(*next.take() - start) : std::nullopt;
  }
};

TEST_F(ticking, TM_10_a_period_that_is_not_positive_is_an_error) {
  EXPECT_THROW(ticker(root, 0s), std::invalid_argument);
  EXPECT_EQ(pinion::test::refusal_of([] { ticker t(-1ns); }),
            "ticker: a period of -1 ns, must be 1 or more");
  ticker t(root, 1s);
  EXPECT_THROW(t.reset(0s), std::invalid_argument);
  clock.advance(1s);
  EXPECT_EQ(try_next(t), 1s);  // as before
}

TEST_F(ticking, TM_10_TM_7_the_first_tick_comes_one_period_after_the_start_and_says_so) {
  ticker t(root, 10ms);
  std::thread reader([&] {
    const auto due = t.next(root).wait();
    EXPECT_EQ(*due - start, 10ms);
  });
  until([&] { return clock.next_timer() != pinion::forever; });
  EXPECT_EQ(clock.advance(10ms - 1ns), 0u);
  EXPECT_EQ(clock.advance(1ns), 1u);
  reader.join();
  EXPECT_EQ(clock.next_timer(), pinion::forever);  // nobody waits
}

TEST_F(ticking, TM_11_coalesce_gives_one_tick_for_all_and_stays_on_the_grid) {
  ticker t(root, 10ms);
  clock.advance(45ms);
  EXPECT_EQ(try_next(t), 40ms);
  EXPECT_EQ(t.missed(), 3u);
  EXPECT_EQ(try_next(t), std::nullopt);
  clock.advance(5ms);
  EXPECT_EQ(try_next(t), 50ms);
  EXPECT_EQ(t.missed(), 3u);
}

TEST_F(ticking, TM_11_burst_gives_all_at_once) {
  ticker t(root, 10ms, missed_tick::burst);
  clock.advance(35ms);
  EXPECT_EQ(try_next(t), 10ms);
  EXPECT_EQ(try_next(t), 20ms);
  EXPECT_EQ(try_next(t), 30ms);
  EXPECT_EQ(try_next(t), std::nullopt);
  EXPECT_EQ(t.missed(), 0u);
}

TEST_F(ticking, TM_11_delay_counts_from_the_receipt) {
  ticker t(root, 10ms, missed_tick::delay);
  clock.advance(35ms);
  EXPECT_EQ(try_next(t), 30ms);
  EXPECT_EQ(t.missed(), 2u);
  clock.advance(10ms - 1ns);
  EXPECT_EQ(try_next(t), std::nullopt);
  clock.advance(1ns);
  EXPECT_EQ(try_next(t), 45ms);
}

TEST_F(ticking, TM_12_a_million_ticks_do_not_drift) {
  for (const auto policy : {missed_tick::coalesce, missed_tick::burst}) {
    start = clock.now();
    ticker t(root, 3ns, policy);
    for (int i = 1; i <= 1'000'000; ++i) {
      clock.advance(3ns);
      if (i % 100'000 == 0 || policy == missed_tick::burst) {
        const auto due = try_next(t);
        ASSERT_TRUE(due);
        if (i % 100'000 == 0) {
          ASSERT_EQ(*due, i * 3ns);
        }
      }
    }
  }
}

TEST_F(ticking, TM_13_reset_discards_what_was_due_and_starts_anew) {
  ticker t(root, 10ms);
  clock.advance(25ms);
  t.reset(7ms);
  EXPECT_EQ(try_next(t), std::nullopt);
  clock.advance(7ms);
  EXPECT_EQ(try_next(t), 32ms);
}

TEST_F(ticking, TM_13_reset_moves_the_tick_that_somebody_waits_for) {
  ticker t(root, 1h);
  std::thread reader([&] { EXPECT_EQ(*t.next().wait() - start, 5ms); });
  until([&] { return clock.next_timer() != pinion::forever; });
  t.reset(5ms);
  EXPECT_EQ(clock.next_timer(), start + 5ms);
  clock.advance(5ms);
  reader.join();
}

// Finds, under ThreadSanitizer: a reset that looks at the timer while the first reader arms it.
TEST(ticker, TM_13_reset_against_the_first_wait) {
  for (int i = 0; i < 100; ++i) {
    ticker t(100us);
    std::thread reader([&] { EXPECT_TRUE(t.next().wait()); });
    t.reset(10us);
    reader.join();
  }
}

TEST_F(ticking, TM_14_a_canceled_wait_takes_no_tick_and_leaves_no_place) {
  ticker t(root, 10ms);
  auto ctx = with_cancel(root);
  std::thread canceler([&] {
    until([&] { return clock.next_timer() != pinion::forever; });
    ctx.cancel();
  });
  EXPECT_EQ(t.next(ctx).wait().error(), errc::canceled);
  canceler.join();
  EXPECT_EQ(clock.advance(10ms), 1u);  // the one timer there is, for nobody
  EXPECT_EQ(clock.next_timer(), pinion::forever);
  EXPECT_EQ(try_next(t), 10ms);
}

TEST_F(ticking, XC_9_readers_share_the_ticks_in_order_of_arrival) {
  ticker t(root, 10ms);
  time_point got[3];
  std::vector<std::thread> readers;
  std::atomic<int> served{0};
  for (auto& mine : got) {
    readers.emplace_back([&] {
      mine = *t.next().wait();
      ++served;
    });
  }
  until([&] { return clock.next_timer() != pinion::forever; });
  for (int i = 1; i <= 3; ++i) {
    // Whoever is late finds its tick due.
    clock.advance(10ms);
    until([&] { return served == i; });
  }
  for (auto& r : readers) r.join();
  EXPECT_EQ((got[0] - start) + (got[1] - start) + (got[2] - start), 60ms);
}

TEST_F(ticking, XC_10_ticks_allocate_nothing) {
  ticker t(root, 10ms);
  const pinion::test::allocation_count count;
  for (int i = 0; i < 100; ++i) {
    clock.advance(10ms);
    EXPECT_TRUE(t.next(root).wait());
  }
  EXPECT_EQ(count.get(), 0u);
}

TEST(ticker, ticks_by_the_machines_clock) {
  ticker t(1ms);
  const time_point first = *t.next().wait();
  EXPECT_GE(pinion::system_time().now(), first);
  EXPECT_GT(*t.next().wait(), first);
}

}  // namespace
