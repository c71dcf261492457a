// SPDX-License-Identifier: MIT
// The rate limiter in all interleavings: tokens that are taken at the same moment, a new setting
// against who still looks at the old one, and the timer of the line against who comes and goes.
#include <chrono>

#include "tests/model/support/model.hpp"

#include "pinion/sync/context.hpp"
#include "pinion/sync/rate_limiter.hpp"
#include "pinion/sync/timer.hpp"

namespace {

using namespace pinion::model;
using namespace std::chrono_literals;
using pinion::errc;
using pinion::manual_clock;
using pinion::rate;
using pinion::rate_limiter;
using pinion::scoped_context;

// Whatever they ask for at once, no more than the burst.
void two_takers() {
  manual_clock clock;
  rate_limiter limit(rate::per_second(1), 2, clock);
  int first = 0;
  thread other([&] {
    if (limit.try_acquire(1)) ++first;
    if (limit.try_acquire(1)) ++first;
  });
  const int second = limit.try_acquire(2) ? 2 : 0;
  other.join();
  require(first + second <= 2, "no more than the burst");
  require(first + second > 0, "and somebody gets it");
}

// Two changes go by while somebody takes: the setting he looks at may be written over meanwhile.
// Without the release of its parts he takes three by a mixture of two settings.
void taking_against_changes() {
  manual_clock clock;
  rate_limiter limit(rate::per_second(1), 1, clock);
  thread changer([&] {
    limit.set_burst(2);  // of which one is there
    limit.set_burst(3);
  });
  const bool two = limit.try_acquire(2).has_value();
  const bool one = limit.try_acquire(1).has_value();
  changer.join();
  require(!two, "there is one");
  require(one != limit.try_acquire(1).has_value(), "and once");
}

// Two changes put a smaller burst in the place of the one that he looks at. Whose word it is, its
// setting he must see: else he takes two of a bucket that holds one.
void taking_against_a_smaller_burst() {
  manual_clock clock;
  rate_limiter limit(rate::per_second(1), 2, clock);
  thread changer([&] {
    limit.set_burst(1);
    limit.set_burst(1);
  });
  (void)limit.try_acquire(2);
  changer.join();
  (void)clock.advance(1s);
  require(limit.try_acquire(1).has_value(), "it owes nothing");
  require(!limit.try_acquire(1).has_value(), "there was one");
}

// One waits, and time comes. Without again_ the timer may be set for who has gone, or not at all.
void time_against_waiting() {
  manual_clock clock;
  rate_limiter limit(rate::per_second(1), 1, clock);
  (void)limit.try_acquire();
  thread time([&] { (void)clock.advance(1s); });
  const auto root = clock.root();
  const auto got = limit.acquire(root).wait();
  require(got.has_value(), "its time has come");
  time.join();
  require(limit.try_acquire().error() == errc::not_ready, "it is taken");
}

// The first in line is canceled, and the second is served in its time: the timer is set anew by
// who leaves, while the old one fires.
void the_first_leaves() {
  manual_clock clock;
  const auto root = clock.root();
  rate_limiter limit(rate::per_second(1), 2, clock);
  (void)limit.try_acquire(2);
  scoped_context ctx = with_cancel(root);
  thread large([&] {
    const auto got = limit.acquire(ctx, 2).wait();
    require(got.has_value() || got.error() == errc::canceled, "taken or canceled");
  });
  thread small([&] { require(limit.acquire(root).wait().has_value(), "served"); });
  thread canceller([&] { (void)ctx.cancel(); });
  (void)clock.advance(2s);
  large.join(), canceller.join();
  (void)clock.advance(1s);
  small.join();
}

// Somebody stands in line for what will never come, until the rate is another one.
void a_new_rate_against_waiting() {
  manual_clock clock;
  const auto root = clock.root();
  rate_limiter limit(rate{}, 1, clock);
  (void)limit.try_acquire();
  thread changer([&] { limit.set_rate(rate::unlimited()); });
  require(limit.acquire(root).wait().has_value(), "served");
  changer.join();
}

// A reservation that is given back while somebody joins the line behind it.
void giving_back_against_waiting() {
  manual_clock clock;
  const auto root = clock.root();
  rate_limiter limit(rate::every(1h), 1, clock);
  auto first = limit.reserve();
  thread giver([&] { require(first->cancel() == 1, "nobody builds on it"); });
  require(limit.acquire(root).wait().has_value(), "served");
  giver.join();
}

// By the machine's clock: a manual one has a lock.
void taker_and_changer() {
  rate_limiter limit(rate::per_second(1), 2);
  thread taker([&] { (void)limit.try_acquire(2); });
  thread changer([&] { limit.set_burst(3); });
  (void)limit.try_acquire(1);
  (void)limit.try_acquire(1);
  taker.join(), changer.join();
  require(!limit.try_acquire(3), "no more than the burst");
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 1, .may_fail = {.freezes = 1}};
const options some{.how = mode::priorities, .executions = 6'000, .changes = 4};

TEST(rate_limiter_model, RL_1_no_more_than_the_burst) {
  EXPECT_TRUE(holds_always({.preemptions = 3}, two_takers));
}
TEST(rate_limiter_model, RL_15_settings_are_not_mixed) {
  EXPECT_TRUE(holds_always({.preemptions = 2}, taking_against_changes));
  EXPECT_TRUE(holds_always({.preemptions = 2}, taking_against_a_smaller_burst));
}
TEST(rate_limiter_model, RL_12_the_line_is_served) {
  EXPECT_TRUE(holds_always(two_stops, time_against_waiting));
  EXPECT_TRUE(holds_always(two_stops, a_new_rate_against_waiting));
  EXPECT_TRUE(holds_always(two_stops, giving_back_against_waiting));
  EXPECT_TRUE(holds(some, the_first_leaves));
}
TEST(rate_limiter_model, XC_18_one_that_stands_still_holds_up_nobody) {
  EXPECT_TRUE(holds_always(one_freezes, taker_and_changer));
}
TEST(rate_limiter_model, mutants_are_killed) {
  auto trials = sampled(4'000, {taking_against_changes});
  trials.push_back({{.preemptions = 1}, taking_against_a_smaller_burst, "try_take"});
  trials.push_back({{.preemptions = 1}, a_new_rate_against_waiting, "adopt"});
  EXPECT_TRUE(survivors_are_known(
      trials, {"rate_limiter.hpp", "rate_limiter.cpp", "rate_limiter_line.cpp"}));
}

}  // namespace
