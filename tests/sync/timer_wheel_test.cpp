// SPDX-License-Identifier: MIT
// The wheel against the obvious structure: a multimap, ordered by time and then by arming.
#include "src/sync/timer_wheel.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <iostream>
#include <limits>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using pinion::duration;
using pinion::forever;
using pinion::time_point;
using pinion::timer_node;
using pinion::detail::timer_wheel;

constexpr time_point at(std::int64_t ns) {
  return time_point(duration(ns));
}

struct numbered : timer_node {
  int number = 0;
};

numbered timer(std::int64_t ns, int number = 0) {
  numbered n;
  n.when = at(ns);
  n.number = number;
  return n;
}

std::vector<int> pop_all(timer_wheel& wheel, time_point now) {
  std::vector<int> order;
  while (timer_node* n = wheel.pop_due(now)) order.push_back(static_cast<numbered*>(n)->number);
  return order;
}

TEST(timer_wheel, TM_1_nothing_is_due_before_its_time) {
  timer_wheel wheel(at(1000));
  numbered n = timer(5000);
  wheel.arm(n);
  EXPECT_EQ(wheel.pop_due(at(4999)), nullptr);
  EXPECT_EQ(wheel.pop_due(at(5000)), &n);
  EXPECT_EQ(wheel.pop_due(at(6000)), nullptr);
  EXPECT_TRUE(wheel.empty());
}

TEST(timer_wheel, TM_6_equal_times_are_due_in_the_order_of_arming) {
  timer_wheel wheel(at(0));
  constexpr std::int64_t when = 3'000'000'000;
  std::deque<numbered> nodes;
  for (int i = 0; i < 100; ++i) nodes.push_back(timer(when, i));
  // A third from far away, a third from within the last level, a third at the very tick.
  for (int i = 0; i < 33; ++i) wheel.arm(nodes[static_cast<std::size_t>(i)]);
  EXPECT_TRUE(pop_all(wheel, at(when - 100'000)).empty());
  for (int i = 33; i < 66; ++i) wheel.arm(nodes[static_cast<std::size_t>(i)]);
  EXPECT_TRUE(pop_all(wheel, at(when - 1)).empty());
  for (int i = 66; i < 100; ++i) wheel.arm(nodes[static_cast<std::size_t>(i)]);
  const auto order = pop_all(wheel, at(when));
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(timer_wheel, TM_6_times_within_one_tick_are_sorted) {
  timer_wheel wheel(at(0));
  std::deque<numbered> nodes;
  for (const int ns : {900, 100, 500, 100, 899, 4000, 0}) {
    nodes.push_back(timer(1'000'000 + ns, ns));
    wheel.arm(nodes.back());
  }
  EXPECT_EQ(pop_all(wheel, at(1'000'899)), (std::vector<int>{0, 100, 100, 500, 899}));
  numbered late = timer(1'000'950, 950);  // armed when the wheel is at that tick already
  wheel.arm(late);
  EXPECT_EQ(pop_all(wheel, at(1'010'000)), (std::vector<int>{900, 950, 4000}));
}

TEST(timer_wheel, TM_3_a_disarmed_timer_is_never_due) {
  timer_wheel wheel(at(0));
  numbered a = timer(10'000, 1), b = timer(10'000, 2), c = timer(20'000'000, 3);
  wheel.arm(a);
  wheel.arm(b);
  wheel.arm(c);
  EXPECT_TRUE(wheel.disarm(a));
  EXPECT_FALSE(wheel.disarm(a));
  EXPECT_TRUE(wheel.disarm(c));
  EXPECT_EQ(pop_all(wheel, at(1'000'000'000)), (std::vector<int>{2}));
  EXPECT_FALSE(wheel.disarm(b));
  EXPECT_TRUE(wheel.empty());
}

// Goal: timers at the edges of levels, seen from wheels at the edges of levels, are due exactly
// at their time.
TEST(timer_wheel, TM_1_TM_6_level_edges_are_exact) {
  std::vector<std::int64_t> edges{0, 1};
  for (int k = 1; k < 62; ++k) {
    for (const int d : {-1, 0, 1}) edges.push_back((std::int64_t{1} << k) + d);
  }
  for (const std::int64_t start : edges) {
    for (const std::int64_t delay : edges) {
      timer_wheel wheel(at(start));
      numbered n = timer(start + delay);
      wheel.arm(n);
      EXPECT_EQ(wheel.next_expiry(), n.when);
      EXPECT_EQ(wheel.earliest(), n.when);
      if (delay > 0) {
        ASSERT_EQ(wheel.pop_due(at(start + delay - 1)), nullptr) << start << " + " << delay;
      }
      ASSERT_EQ(wheel.pop_due(at(start + delay)), &n) << start << " + " << delay;
    }
  }
}

TEST(timer_wheel, TM_2_far_future_and_forever) {
  timer_wheel wheel(at(0));
  numbered year = timer(duration(24h * 365).count(), 1);
  numbered century = timer(duration(24h * 36500).count(), 2);
  numbered never = timer(forever.time_since_epoch().count(), 3);
  numbered past = timer(std::numeric_limits<std::int64_t>::min(), 0);
  wheel.arm(never);
  EXPECT_EQ(wheel.next_expiry(), forever);
  wheel.arm(century);
  wheel.arm(year);
  EXPECT_EQ(wheel.next_expiry(), year.when);
  EXPECT_TRUE(pop_all(wheel, year.when - 1ns).empty());
  wheel.arm(past);
  EXPECT_EQ(pop_all(wheel, forever - 1ns), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(wheel.earliest(), forever);
  EXPECT_TRUE(wheel.disarm(never));
  EXPECT_TRUE(wheel.empty());
}

TEST(timer_wheel, next_expiry_is_exact_until_an_earlier_timer_is_disarmed) {
  timer_wheel wheel(at(0));
  EXPECT_EQ(wheel.next_expiry(), forever);
  numbered a = timer(100'000'000), b = timer(100'100'000);
  wheel.arm(b);
  wheel.arm(a);
  EXPECT_EQ(wheel.next_expiry(), a.when);
  wheel.disarm(a);
  EXPECT_LE(wheel.next_expiry(), b.when);
  EXPECT_EQ(wheel.earliest(), b.when);
  // Whoever slept until then finds nothing due, and a later time to sleep until.
  EXPECT_EQ(wheel.pop_due(a.when), nullptr);
  EXPECT_EQ(wheel.next_expiry(), b.when);
}

TEST(timer_wheel, time_that_goes_back_is_ignored) {
  timer_wheel wheel(at(1'000'000'000));
  numbered a = timer(1'000'020'000, 1), b = timer(1'000'010'000, 2), past = timer(500'000'000, 3);
  wheel.arm(a);
  EXPECT_EQ(wheel.pop_due(at(400'000'000)), nullptr);
  wheel.arm(b);
  EXPECT_EQ(wheel.earliest(), b.when);
  wheel.arm(past);
  EXPECT_EQ(wheel.pop_due(at(400'000'000)), nullptr);
  EXPECT_EQ(pop_all(wheel, at(2'000'000'000)), (std::vector<int>{3, 2, 1}));
}

// The oracle.
class by_multimap {
 public:
  void arm(numbered& n) { places_[&n] = timers_.emplace(n.when, &n); }
  bool disarm(numbered& n) {
    const auto place = places_.find(&n);
    if (place == places_.end()) return false;
    timers_.erase(place->second);
    places_.erase(place);
    return true;
  }
  numbered* pop_due(time_point now) {
    if (timers_.empty() || timers_.begin()->first > now) return nullptr;
    numbered* n = timers_.begin()->second;
    disarm(*n);
    return n;
  }
  time_point earliest() const { return timers_.empty() ? forever : timers_.begin()->first; }
  bool empty() const { return timers_.empty(); }

 private:
  std::multimap<time_point, numbered*> timers_;  // equal keys in the order of insertion
  std::map<numbered*, std::multimap<time_point, numbered*>::iterator> places_;
};

struct both {
  explicit both(std::uint64_t seed) : random(seed), now(start()), wheel(now), nodes(300) {}

  std::uint64_t below(std::uint64_t n) { return random() % n; }
  time_point start() { return at(static_cast<std::int64_t>(random() >> (2 + below(61)))); }

  // All magnitudes alike, with a liking for edges and for the time of another timer.
  time_point some_time() {
    if (below(4) == 0) return nodes[below(nodes.size())].when;
    std::int64_t delay = static_cast<std::int64_t>(random() >> (2 + below(61)));
    if (below(3) == 0)
      delay = (std::int64_t{1} << below(61)) + static_cast<std::int64_t>(below(3)) - 1;
    if (below(20) == 0) delay = -static_cast<std::int64_t>(below(10'000));
    return forever - now > duration(delay) ? now + duration(delay) : forever;
  }

  void arm_or_disarm() {
    numbered& n = nodes[below(nodes.size())];
    const bool was_armed = oracle.disarm(n);
    ASSERT_EQ(wheel.disarm(n), was_armed);
    if (below(3) == 0) return;
    n.when = some_time();
    oracle.arm(n);
    wheel.arm(n);
  }

  // Mostly around the next expiry, and now and then a jump: those use up the time there is.
  void advance() {
    time_point then = oracle.earliest();
    if (then < forever - 2ns && below(10) != 0) then += duration(below(3)) - 1ns;
    if (below(4) == 0) then = now + duration(random() >> (24 + below(39)));
    if (below(200) == 0) then = some_time();
    if (then > now && then != forever) now = then;
    for (;;) {
      numbered* expected = oracle.pop_due(now);
      ASSERT_EQ(wheel.pop_due(now), expected);
      if (expected == nullptr) break;
      if (below(4) == 0) arm_or_disarm();  // as a callback would
    }
  }

  void check() {
    ASSERT_EQ(wheel.earliest(), oracle.earliest());
    ASSERT_LE(wheel.next_expiry(), oracle.earliest());
    ASSERT_EQ(wheel.empty(), oracle.empty());
  }

  std::mt19937_64 random;
  time_point now;
  timer_wheel wheel;
  by_multimap oracle;
  std::vector<numbered> nodes;
};

// Goal: the wheel is a multimap, whatever the times, their order and the jumps of the clock.
// Finds: a merge that prefers the later of two equals; a tick that is not sorted when the wheel
// reaches it; one that is not kept sorted afterwards; `earliest` of a slot not lowered by later
// timers.
TEST(timer_wheel, TM_3_TM_6_behaves_as_a_multimap_would) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    both b(seed);
    for (int step = 0; step < 3000; ++step) {
      b.below(5) == 0 ? b.advance() : b.arm_or_disarm();
      b.check();
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

// Goal: many timers at one tick cost n log n, not n squared.
TEST(timer_wheel, a_crowded_tick_is_sorted_quickly) {
  timer_wheel wheel(at(0));
  std::vector<numbered> nodes(200'000);
  std::mt19937_64 random(1);
  for (numbered& n : nodes) {
    n.when = at(static_cast<std::int64_t>((std::uint64_t{1} << 40) + (random() & 4095)));
    wheel.arm(n);
  }
  time_point last{};
  std::size_t count = 0;
  while (timer_node* n = wheel.pop_due(at(std::int64_t{1} << 41))) {
    ASSERT_LE(last, n->when);
    last = n->when;
    ++count;
  }
  EXPECT_EQ(count, nodes.size());
}

// Goal: what was disarmed leaves nothing behind, however far its time.
TEST(timer_wheel, TM_8_a_million_armed_and_disarmed_leave_no_residue) {
  timer_wheel wheel(at(0));
  for (int i = 0; i < 1'000'000; ++i) {
    numbered n = timer(duration(1h).count() + i);
    wheel.arm(n);
    wheel.disarm(n);
  }
  EXPECT_TRUE(wheel.empty());
  EXPECT_EQ(wheel.next_expiry(), forever);
}

}  // namespace
