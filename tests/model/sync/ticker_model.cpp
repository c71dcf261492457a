// SPDX-License-Identifier: MIT
// A ticker in all interleavings: each tick goes to one reader, none is left waiting, and a reset
// moves the tick that is waited for.
#include "tests/model/support/model.hpp"

#include "pinion/sync/ticker.hpp"
#include "pinion/sync/timer.hpp"

namespace {

using namespace pinion::model;
using namespace std::chrono_literals;
using pinion::context;
using pinion::errc;
using pinion::manual_clock;
using pinion::missed_tick;
using pinion::scoped_context;
using pinion::ticker;
using pinion::time_point;

// With the timer armed outside of the lock, or not again for who still waits, a reader hangs.
void two_readers() {
  manual_clock clock;
  const context root = clock.root();
  const time_point start = clock.now();
  ticker t(root, 1s, missed_tick::burst);
  time_point got[2];
  thread time([&] { (void)clock.advance(2s); });
  thread other([&] { got[1] = *t.next().wait(); });
  got[0] = *t.next().wait();
  other.join(), time.join();
  require(got[0] != got[1], "each tick goes to one reader");
  require((got[0] - start) + (got[1] - start) == 3s, "both are delivered");
}

// A reader that gives up takes no tick, and leaves it to the other.
void reader_against_cancel() {
  manual_clock clock;
  const scoped_context ctx = with_cancel(clock.root());
  scoped_context impatient = with_cancel(ctx);
  ticker t(ctx, 1s, missed_tick::burst);
  thread time([&] { (void)clock.advance(2s); });
  thread canceller([&] { (void)impatient.cancel(); });
  const auto given_up = t.next(impatient).wait();
  require(given_up.has_value() || given_up.error() == errc::canceled, "a tick, or canceled");
  const auto next = t.next(ctx).wait();
  time.join(), canceller.join();
  require(*next - clock.now() == (given_up ? 0s : -1s), "none is lost");
}

// A timer that is taken back in reset() is armed again for who waits; without that, it hangs.
void reader_against_reset() {
  manual_clock clock;
  const context root = clock.root();
  ticker t(root, 100s);
  thread resets([&] {
    t.reset(1s);
    (void)clock.advance(1s);
  });
  (void)t.next().wait();
  resets.join();
}

const options two_stops{.preemptions = 2};
const options some{.how = mode::priorities, .executions = 20'000, .changes = 4};

TEST(ticker_model, readers_share_the_ticks) {
  EXPECT_TRUE(holds(some, two_readers));
  EXPECT_TRUE(holds(some, reader_against_cancel));
}
TEST(ticker_model, a_reset_moves_the_tick) {
  EXPECT_TRUE(holds_always(two_stops, reader_against_reset));
}

}  // namespace
