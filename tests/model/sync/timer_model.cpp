// SPDX-License-Identifier: MIT
// Timers in all interleavings: one fires or is disarmed, and afterwards its memory is the owner's.
// The clock is the one that tests turn; the queue behind it is every clock's.
#include <memory>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/sync/timer.hpp"

namespace {

using namespace pinion::model;
using namespace std::chrono_literals;
using pinion::context;
using pinion::errc;
using pinion::manual_clock;
using pinion::scoped_context;
using pinion::timer_node;

/// Counts how often it fires, in memory that is its owner's once it is disarmed.
struct counting : timer_node {
  manual_clock& clock;
  cell<int> fired = 0;
  int repeats = 0;  // arms itself again so often

  explicit counting(manual_clock& by, pinion::duration in) : clock(by) {
    when = by.now() + in;
    fire = [](timer_node& self) noexcept { static_cast<counting&>(self).count(); };
  }
  void count() {
    fired.write(fired.read() + 1);
    if (repeats == 0) return;
    --repeats;
    when += 1s;
    if (!clock.arm(*this)) when = pinion::forever;
  }
};

// Without the wait in disarm(), it is taken for over while it fires; with begin() after the unlock,
// it fires after its end.
void disarm_against_fire() {
  manual_clock clock;
  auto one = std::make_unique<counting>(clock, 1s);
  require(clock.arm(*one), "not due");
  thread time([&] { (void)clock.advance(2s); });
  const bool disarmed = clock.disarm(*one);
  require(one->fired.read() == (disarmed ? 0 : 1), "disarmed, or fired");
  one->fired.write(9);
  require(!clock.disarm(*one), "disarmed once");
  one.reset();
  time.join();
}

// Armed again by what fires: disarm() takes a second look after it has waited, so it is the end.
void disarm_against_arming_again() {
  manual_clock clock;
  auto one = std::make_unique<counting>(clock, 1s);
  one->repeats = 1;
  require(clock.arm(*one), "not due");
  thread time([&] { (void)clock.advance(3s); });
  const bool disarmed = clock.disarm(*one);
  require(one->fired.read() <= (disarmed ? 1 : 2), "not after it was disarmed");
  if (!disarmed) require(one->fired.read() == 2, "fired both times");
  one.reset();
  time.join();
}

// Armed while time passes: it fires, or arm() says that it is due, and then it does not.
void arm_against_fire() {
  manual_clock clock;
  counting one(clock, 1s);
  thread time([&] { (void)clock.advance(2s); });
  const bool armed = clock.arm(one);
  time.join();
  require(one.fired.read() == (armed ? 1 : 0), "fires if it was armed");
  require(!clock.disarm(one), "armed no more");
}

// Two timers, disarmed on two threads: each waits for the call of its own, and is woken from it.
void two_disarm() {
  manual_clock clock;
  auto one = std::make_unique<counting>(clock, 1s);
  auto two = std::make_unique<counting>(clock, 1s);
  require(clock.arm(*one) && clock.arm(*two), "not due");
  thread time([&] { (void)clock.advance(2s); });
  const auto take = [&](std::unique_ptr<counting>& mine) {
    const bool disarmed = clock.disarm(*mine);
    require(mine->fired.read() == (disarmed ? 0 : 1), "disarmed, or fired");
    mine.reset();
  };
  thread other([&] { take(two); });
  take(one);
  other.join(), time.join();
}

// A sleep, its time, and the end of its context: one ends it, and the node in its frame may go.
void sleep_against_cancel() {
  manual_clock clock;
  scoped_context ctx = with_cancel(clock.root());
  thread time([&] { (void)clock.advance(2s); });
  thread canceller([&] { (void)ctx.cancel(); });
  const auto r = sleep_until(ctx, clock.now() + 1s).wait();
  require(r.has_value() || r.error() == errc::canceled, "slept, or canceled");
  time.join(), canceller.join();
  require(clock.next_timer() == pinion::forever, "no timer is left");
}

const options two_stops{.preemptions = 2};

TEST(timer_model, is_disarmed_or_fires) {
  EXPECT_TRUE(holds_always(two_stops, disarm_against_fire));
  EXPECT_TRUE(holds_always({.preemptions = 3}, disarm_against_arming_again));
  EXPECT_TRUE(holds_always(two_stops, arm_against_fire));
}
TEST(timer_model, several_wait_for_a_call) {
  EXPECT_TRUE(holds_always(two_stops, two_disarm));
}
TEST(timer_model, a_sleep_ends_once) {
  EXPECT_TRUE(holds_always(two_stops, sleep_against_cancel));
}

TEST(timer_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known({{two_stops, disarm_against_fire}, {two_stops, two_disarm}},
                                  {"outside_call.hpp", "timer_queue.hpp"}));
}

}  // namespace
