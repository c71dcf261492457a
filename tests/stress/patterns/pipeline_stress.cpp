// SPDX-License-Identifier: MIT
// Pipelines that end in every way at once: each item once, in order where that is asked for,
// nothing alive after.
#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/patterns.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/patterns/pipeline.hpp"
#include "pinion/runtime/scheduler.hpp"

namespace {

using namespace pinion;
using namespace pinion::test;

class pipeline_stress : public stress {
 protected:
  template <class Random>
  pipeline_options options(Random& random) const {
    pipeline_options o;
    o.max_in_flight = 1 + random() % (4 * threads());
    o.policy = random() % 2 == 0 ? on_error::cancel_siblings : on_error::keep_going;
    return o;
  }
  template <class Random>
  static mode any_mode(Random& random) {
    constexpr mode all[] = {mode::parallel, mode::serial_in_order, mode::serial_any_order};
    return all[random() % 3];
  }
};

INSTANTIATE_TEST_SUITE_P(pipeline, pipeline_stress, shapes(), name);

// Goal: produced == delivered + dropped + failed + abandoned, and no item lives on.
// Method: stages drop, fail, throw and ask for the cancel at random; some runs are long enough for
// large batches, and have items that take their time; the ordered sink checks the order.
// Finds: a batch that is robbed after its end; an empty token that does not let the next one pass;
// a runner that leaves with batches to be robbed.
TEST_P(pipeline_stress, every_item_is_accounted_for) {
  scheduler sched(quiet_workers(threads()));
  auto random = generator(0);
  for (std::size_t round = scaled(600); round > 0; --round) {
    auto ctx = with_cancel(sched.root());
    const int items = random() % 8 == 0 ? 20'000 : static_cast<int>(random() % 300);
    const int cancel_at = random() % 2 == 0 ? -1 : static_cast<int>(random() % 20'000);
    const int fail_each = random() % 2 == 0 ? 1'000'000 : 1 + static_cast<int>(random() % 500);
    const int slow_each = 1 + static_cast<int>(random() % 2000);
    const bool drops = random() % 2 == 0;
    int last_seen = -1;
    bool in_order = true;
    pipeline_report report;
    {
      auto o = options(random);
      o.report = &report;
      auto work = source([&, next = 0]() mutable -> std::optional<counted> {
                    if (next == items) return std::nullopt;
                    return counted(next++);
                  }) |
                  stage(any_mode(random),
                        [&](counted c) -> std::optional<counted> {
                          if (c.value() == cancel_at) ctx.cancel();
                          if (c.value() % slow_each == 3) std::this_thread::yield();
                          if (drops && c.value() % 5 == 2) return std::nullopt;
                          return c;
                        }) |
                  stage(any_mode(random),
                        [&](counted c) -> result<counted> {
                          if (c.value() % fail_each == 7) throw std::runtime_error("seven");
                          if (c.value() % fail_each == 8) return errc::overloaded;
                          return c;
                        }) |
                  sink(mode::serial_in_order, [&](const counted& c) {
                    in_order = in_order && last_seen < c.value();
                    last_seen = c.value();
                  });
      auto running = std::move(work).run(sched, ctx, o);
      if (random() % 4 == 0) {
        const auto dropped = std::move(running);  // at once, or when it happens to be done
        if (random() % 2 == 0) ctx.cancel();
      } else {
        const auto r = running.wait();
        if (r) {
          EXPECT_EQ(r->produced, static_cast<std::uint64_t>(items));
        }
      }
    }
    EXPECT_TRUE(in_order);
    EXPECT_EQ(report.produced,
              report.delivered + report.dropped + report.failed + report.abandoned);
    EXPECT_EQ(counted::alive.load(), 0);
    if (HasFailure()) return;
  }
}

// Goal: no runner is missing at the end: short runs end.
// Method: few items, so that nearly each of them meets a runner that is about to leave.
TEST_P(pipeline_stress, short_runs_end) {
  scheduler sched(quiet_workers(threads()));
  auto random = generator(1);
  for (std::size_t round = scaled(4000); round > 0; --round) {
    const int items = static_cast<int>(random() % 6);
    int sum = 0;
    auto work = source([&, next = 0]() mutable -> std::optional<int> {
                  if (next == items) return std::nullopt;
                  return next++;
                }) |
                stage(any_mode(random), [](int n) { return n; }) |
                sink(mode::serial_any_order, [&](int n) { sum += n; });
    ASSERT_TRUE(std::move(work).run(sched, sched.root(), options(random)).wait());
    ASSERT_EQ(sum, items * (items - 1) / 2);
  }
}

// Goal: what was started is joined when the scheduler stops under it.
TEST_P(pipeline_stress, a_stop_ends_it) {
  auto random = generator(2);
  for (std::size_t round = scaled(100); round > 0; --round) {
    pipeline_report report;
    {
      scheduler sched(quiet_workers(threads()));
      auto o = options(random);
      o.report = &report;
      const int stop_at = static_cast<int>(random() % 3000);
      std::atomic<bool> stop_now{false};
      std::thread stopper([&] {
        while (!stop_now.load()) std::this_thread::yield();
        (void)sched.stop().wait();
      });
      auto work = source([&, next = 0]() mutable {
                    if (next == stop_at) stop_now.store(true);
                    return counted(next++);
                  }) |
                  stage(any_mode(random), [](counted c) { return c; }) |
                  sink(any_mode(random), [](const counted&) {});
      EXPECT_EQ(std::move(work).run(sched, context::background(), o).wait().error(), errc::stopped);
      stopper.join();
    }
    EXPECT_EQ(report.produced, report.delivered + report.abandoned);
    EXPECT_EQ(counted::alive.load(), 0);
    if (HasFailure()) return;
  }
}

}  // namespace
