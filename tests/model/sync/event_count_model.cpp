// SPDX-License-Identifier: MIT
// Event counts in all interleavings: whoever waits sees what was true before a notification,
// whatever the condition itself is written with.
#include "tests/model/support/model.hpp"

#include "pinion/sync/context.hpp"
#include "pinion/sync/event_count.hpp"

namespace {

using namespace pinion::model;
using pinion::context;
using pinion::errc;
using pinion::event_count;
using pinion::scoped_context;

// With the condition asked before the mark is set, and not after it, the wake-up falls between.
// With a load in place of the RMW in notify_all(), too.
void notify_against_until() {
  event_count events;
  pinion::os::atomic<bool> ready{false};
  thread other([&] {
    ready.store(true, std::memory_order_relaxed);  // relaxed: the event count has the order
    events.notify_all();
  });
  // relaxed: as above.
  const auto waits = events.until([&] { return ready.load(std::memory_order_relaxed); }).wait();
  require(waits.has_value(), "nobody cancels");
  other.join();
}

// Who is claimed by a notification sees what came before it.
void what_came_before() {
  event_count events;
  pinion::os::atomic<bool> ready{false};
  cell<int> data = 0;
  thread other([&] {
    data.write(1);
    ready.store(true, std::memory_order_release);  // release: the data
    events.notify_all();
  });
  // acquire: the data.
  (void)events.until([&] { return ready.load(std::memory_order_acquire); }).wait();
  require(data.read() == 1, "written before the notification");
  other.join();
}

// Two wait for different things; one that stays in line keeps the mark.
void one_stays() {
  event_count events;
  pinion::os::atomic<int> level{0};
  auto reach = [&](int n) {
    // relaxed: the event count has the order.
    (void)events.until([&, n] { return level.load(std::memory_order_relaxed) >= n; }).wait();
  };
  thread one([&] { reach(1); });
  thread two([&] { reach(2); });
  for (int n = 1; n <= 2; ++n) {
    level.store(n, std::memory_order_relaxed);  // relaxed: as above
    events.notify_all();
  }
  one.join(), two.join();
}

void notify_against_cancel() {
  event_count events;
  pinion::os::atomic<bool> ready{false};
  scoped_context ctx = with_cancel(context::background());
  thread canceller([&] { (void)ctx.cancel(); });
  thread other([&] {
    ready.store(true, std::memory_order_relaxed);  // relaxed: as above
    events.notify_all();
  });
  // relaxed: as above.
  const auto r = events.until(ctx, [&] { return ready.load(std::memory_order_relaxed); }).wait();
  require(r.has_value() || r.error() == errc::canceled, "true, or canceled");
  canceller.join(), other.join();
}

const options two_stops{.preemptions = 2};

TEST(event_count_model, no_notification_is_lost) {
  EXPECT_TRUE(holds_always({.preemptions = 3}, notify_against_until));
  EXPECT_TRUE(holds_always(two_stops, what_came_before));
  EXPECT_TRUE(holds_always({.preemptions = 1}, one_stays));
}
TEST(event_count_model, a_cancel_ends_it_too) {
  EXPECT_TRUE(holds_always(two_stops, notify_against_cancel));
}
TEST(event_count_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(
      {{{.preemptions = 2}, notify_against_until}, {{.preemptions = 1}, one_stays}},
      {"event_count.hpp", "event_count.cpp"}));
}

}  // namespace
