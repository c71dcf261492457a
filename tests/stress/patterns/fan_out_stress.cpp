// SPDX-License-Identifier: MIT
// Fan-outs that end in every way at once: each input once, each result once, nothing alive after.
#include <atomic>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/patterns.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/patterns/fan_out.hpp"

namespace {

using namespace pinion;
using namespace pinion::test;

std::vector<std::size_t> indices(std::size_t n) {
  std::vector<std::size_t> all(n);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

class fan_out_stress : public stress {
 protected:
  template <class Random>
  fan_options options(Random& random) const {
    fan_options o;
    o.concurrency = 1 + random() % (2 * threads());
    o.buffer = (std::size_t{1} << random() % 8) - 1;  // fills the ring of slots
    o.order = random() % 2 == 0 ? order::as_completed : order::as_submitted;
    o.policy = random() % 8 == 0 ? on_error::cancel_siblings : on_error::keep_going;
    return o;
  }
};

INSTANTIATE_TEST_SUITE_P(fan_out, fan_out_stress, shapes(), name);

// Goal: succeeded + failed + canceled + not_started is the number of inputs, however it ends.
// Method: calls return, fail, throw and ask for the cancel at random; the reader sees each number
// at most once, and takes everything, or gives up waits, or leaves.
// Finds: a runner that does not look again after its CAS failed; end() without the lock; the slot
// emptied after its credit was given back; a start limit that counts credits already taken.
TEST_P(fan_out_stress, every_input_is_accounted_for) {
  scheduler sched(quiet_workers(threads()));
  auto random = generator(0);
  const auto inputs = indices(400);
  for (std::size_t round = scaled(3000); round > 0; --round) {
    auto ctx = with_cancel(sched.root());
    const std::size_t cancel_at = random() % 800;
    const std::size_t leave_at = random() % 1200;
    const bool gives_up_waits = random() % 4 == 0;
    tally made(inputs.size());
    std::atomic<std::uint64_t> calls{0};
    {
      const auto body = [&](const context& c, std::size_t n) -> result<counted_apart> {
        calls.fetch_add(1);
        made.take(n);
        if (n == cancel_at) ctx.cancel();
        if (n % 7 == 3) throw std::runtime_error("seven");
        if (n % 11 == 5) return errc::overloaded;
        if (c.is_done()) return c.cause().as(c.status());
        return counted_apart(n);
      };
      auto all = fan_out(sched, ctx, inputs, body, options(random));
      std::vector<bool> seen(inputs.size());
      std::uint64_t taken = 0;
      for (;;) {
        if (taken == leave_at) break;
        auto patience = with_timeout(sched.root(), std::chrono::microseconds(random() % 20));
        auto r = gives_up_waits ? all.next(patience).wait() : all.next().wait();
        if (!r && r.error() == errc::deadline_exceeded) continue;
        if (!r) break;
        ++taken;
        if (!*r) continue;
        EXPECT_FALSE(seen[(*r)->value()]);
        seen[(*r)->value()] = true;
      }
      const auto report = all.report();
      EXPECT_EQ(report.succeeded + report.failed + report.canceled, taken);
      if (taken != leave_at) {
        EXPECT_EQ(taken + report.not_started, inputs.size());
        EXPECT_EQ(taken, calls.load());
      }
    }
    EXPECT_EQ(counted_apart::alive.load(), 0);
    if (HasFailure()) return;
  }
}

// Goal: the reader always learns of the next result, and of the end.
// Method: fan-outs of a few inputs, so that most results meet a reader that is about to sleep.
// Finds: R4 that stores `ready` instead of exchanging it.
TEST_P(fan_out_stress, no_wake_up_is_lost) {
  scheduler sched(quiet_workers(threads()));
  auto random = generator(1);
  const auto inputs = indices(5);
  for (std::size_t round = scaled(20'000); round > 0; --round) {
    std::size_t sum = 0;
    for (auto& r : fan_out(
             sched, sched.root(), inputs, [](std::size_t n) { return n; }, options(random))) {
      sum += r.value();
    }
    ASSERT_EQ(sum, 10u);
  }
}

// Goal: what was started is joined when the scheduler stops under it.
// Method: a stop at any moment of the fan-out.
TEST_P(fan_out_stress, a_stop_ends_it) {
  const auto inputs = indices(2000);
  auto random = generator(2);
  for (std::size_t round = scaled(200); round > 0; --round) {
    scheduler sched(quiet_workers(threads()));
    auto all = fan_out(
        sched, context::background(), inputs, [](std::size_t n) { return counted_apart(n); },
        options(random));
    const std::size_t stop_at = random() % inputs.size();
    std::thread stopper;
    std::uint64_t taken = 0;
    while (auto r = all.next().wait()) {
      if (taken++ == stop_at) stopper = std::thread([&] { (void)sched.stop().wait(); });
    }
    const auto report = all.report();
    EXPECT_EQ(taken, report.succeeded);
    EXPECT_EQ(taken + report.not_started, inputs.size());
    if (stopper.joinable()) stopper.join();
    EXPECT_EQ(counted_apart::alive.load(), 0);
    if (HasFailure()) return;
  }
}

}  // namespace
