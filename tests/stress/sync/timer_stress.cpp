// SPDX-License-Identifier: MIT
// Sleeps that end in every way at once: by time, by cancellation, by a deadline.
#include <atomic>
#include <cstddef>
#include <mutex>

#include "tests/support/stress.hpp"

#include "pinion/sync/timer.hpp"

namespace {

using pinion::context;
using pinion::duration;
using pinion::errc;
using pinion::manual_clock;
using pinion::time_point;

class timer_stress : public pinion::test::stress {};

// Goal: a sleep on a hand-turned clock ends in success no sooner than its time, in an error only if
// its context ended, and it always ends; no timer is left behind.
// Method: one thread turns the clock while the others sleep, under contexts that are canceled by
// their neighbours or have deadlines of the same size as the sleep.
// Finds: a withdraw that leaves the timer armed; a sleep that is over before its time.
TEST_P(timer_stress, TM_4_TM_14_every_sleep_ends_and_leaves_nothing) {
  manual_clock clock;
  const unsigned sleepers = threads();
  const std::size_t rounds = pinion::test::scaled(20'000) / sleepers + 1;
  std::atomic<unsigned> awake{sleepers};
  std::atomic<long> wrong{0};
  std::atomic<long> slept{0};
  std::mutex offer;
  pinion::scoped_context* offered = nullptr;  // guarded by `offer`: may be canceled by the turner
  pinion::test::run_threads(sleepers + 1, [&](unsigned me) {
    auto random = pinion::test::generator(me);
    if (me == sleepers) {
      while (awake.load() != 0) {
        clock.advance(duration(random() % 2'000));
        const std::lock_guard lock(offer);
        if (offered != nullptr && random() % 2 == 0) offered->cancel();
      }
      return;
    }
    for (std::size_t i = 0; i < rounds; ++i) {
      const duration d(random() % 5'000);
      auto ctx = with_timeout(clock.root(), duration(1 + random() % 10'000));
      const auto offer_if = [&](bool wanted) {
        const std::lock_guard lock(offer);
        if (wanted) offered = &ctx;
        if (!wanted && offered == &ctx) offered = nullptr;
      };
      offer_if(random() % 4 == 0);
      const time_point due = clock.now() + d;
      const auto r = sleep_until(ctx, due).wait();
      if (r.has_value() ? clock.now() < due : !ctx.is_done()) ++wrong;
      if (r.has_value()) ++slept;
      offer_if(false);
    }
    awake.fetch_sub(1);
  });
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(clock.next_timer(), pinion::forever);
  std::cout << slept.load() << " of " << rounds * sleepers << " slept to the end\n";
}

// Goal: the same with the machine's clock, whose timers fire on a thread of their own.
// Finds: as above.
TEST_P(timer_stress, TM_4_TM_14_on_the_machines_clock) {
  const std::size_t rounds = pinion::test::scaled(10'000) / threads() + 1;
  std::atomic<long> wrong{0};
  pinion::test::run_threads(threads(), [&](unsigned me) {
    auto random = pinion::test::generator(me);
    for (std::size_t i = 0; i < rounds; ++i) {
      auto ctx = with_timeout(context::background(), duration(random() % 60'000));
      const time_point due = pinion::now() + duration(random() % 60'000);
      const auto r = sleep_until(ctx, due).wait();
      if (r.has_value() ? pinion::now() < due : !ctx.is_done()) ++wrong;
    }
  });
  EXPECT_EQ(wrong.load(), 0);
}

INSTANTIATE_TEST_SUITE_P(shapes, timer_stress, pinion::test::shapes(), pinion::test::name);

}  // namespace
