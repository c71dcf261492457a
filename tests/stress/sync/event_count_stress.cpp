// SPDX-License-Identifier: MIT
// Event counts under load: nobody sleeps through a condition that came true.
#include <atomic>
#include <cstdint>

#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "pinion/sync/event_count.hpp"

namespace {

using namespace pinion::test;
using pinion::event_count;

class event_count_stress : public stress {};

// Goal: no notification is lost, with a condition that is written relaxed.
// Method: a ball goes round all threads; each waits for its turn, and notifies when it has passed
// the ball on.
// Finds: asking the condition before the mark is set, or only then (hangs).
TEST_P(event_count_stress, a_ball_goes_round) {
  const std::uint64_t passes = scaled(60000);
  event_count events;
  std::atomic<std::uint64_t> ball{0};
  run_threads(threads(), [&](unsigned me) {
    for (std::uint64_t next = me; next < passes; next += threads()) {
      const auto mine = [&] { return ball.load(std::memory_order_relaxed) >= next; };
      ASSERT_TRUE(events.until(mine).wait());
      ball.store(next + 1, std::memory_order_relaxed);
      events.notify_all();
    }
  });
  EXPECT_GE(ball.load(), passes);
}

// Goal: whoever wants an item gets one, though others may be faster after each notification.
// Method: half of the threads put items in and notify; the others wait until there is one and try
// to take it.
TEST_P(event_count_stress, items_are_taken_once) {
  const std::size_t count = scaled(60000);
  event_count events;
  std::atomic<std::int64_t> items{0};
  std::atomic<std::size_t> put{0}, wanted{0}, got{0};
  run_threads(2 * threads(), [&](unsigned i) {
    if (i % 2 == 0) {
      while (put++ < count) {
        ++items;
        events.notify_all();
      }
    } else {
      while (wanted++ < count) {
        std::int64_t n = 0;
        while (n <= 0 || !items.compare_exchange_strong(n, n - 1)) {
          EXPECT_TRUE(events.until([&] { return items.load() > 0; }).wait());
          n = items.load();
        }
        ++got;
      }
    }
  });
  EXPECT_EQ(got.load(), count);
  EXPECT_EQ(items.load(), 0);
}

INSTANTIATE_TEST_SUITE_P(sync, event_count_stress, shapes(), name);

}  // namespace
