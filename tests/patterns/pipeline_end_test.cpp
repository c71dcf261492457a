// SPDX-License-Identifier: MIT
// How pipelines end before their source does: errors, cancellation, a future that is dropped.
#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/patterns.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/patterns/pipeline.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/channel.hpp"

namespace pinion {
namespace {

using test::counted;
using test::until;

const context& forever_on = context::background();

auto counted_up_to(int n) {
  return [n, next = 0]() mutable -> std::optional<counted> {
    if (next == n) return std::nullopt;
    return counted(next++);
  };
}

void expect_sum(const pipeline_report& r) {
  EXPECT_EQ(r.produced, r.delivered + r.dropped + r.failed + r.abandoned);
}

class pipeline_end : public testing::TestWithParam<std::size_t> {
 protected:
  ~pipeline_end() override { EXPECT_EQ(counted::alive.load(), 0); }
  scheduler sched{test::quiet_workers(GetParam())};

  /// On a scheduler that has ended when this returns: ThreadSanitizer does not see how exceptions
  /// are counted, and a runner that comes late may be the last to let go of one.
  result<pipeline_report> run_alone(pipeline work, const pipeline_options& options) {
    scheduler own{test::quiet_workers(GetParam())};
    return std::move(work).run(own, forever_on, options).wait();
  }
};

INSTANTIATE_TEST_SUITE_P(workers, pipeline_end, testing::Values(1, 2, 8),
                         [](const auto& which) { return std::to_string(which.param); });

TEST_P(pipeline_end, PL_9_the_first_error_cancels_the_rest) {
  for (const int failing : {0, 5, 20'000}) {
    pipeline_report report;
    auto work = source(counted_up_to(1'000'000)) |
                stage(mode::parallel,
                      [&](counted c) -> result<counted> {
                        if (c.value() == failing) return error("enough");
                        return c;
                      }) |
                sink(mode::serial_in_order, [](counted) {});
    const auto r = run_alone(std::move(work), {.report = &report});
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().what(), "enough");
    EXPECT_EQ(report.failed, 1u);
    EXPECT_LE(report.delivered, static_cast<std::uint64_t>(failing));
    EXPECT_LT(report.produced, static_cast<std::uint64_t>(failing) + 100);
    EXPECT_EQ(report.errors.at(0).what(), "enough");
    expect_sum(report);
  }
}

TEST_P(pipeline_end, PL_9_keep_going_reports_every_error) {
  std::vector<int> seen;
  auto work = source(counted_up_to(1000)) |
              stage(mode::parallel,
                    [](counted c) -> result<counted> {
                      if (c.value() % 10 == 0) return error("no tens");
                      if (c.value() % 10 == 1) throw std::out_of_range("no ones");
                      return c;
                    }) |
              sink(mode::serial_in_order, [&](counted c) { seen.push_back(c.value()); });
  const auto r = std::move(work).run(sched, forever_on, {.policy = on_error::keep_going}).wait();
  ASSERT_TRUE(r);
  EXPECT_EQ(r->failed, 200u);
  EXPECT_EQ(r->delivered, 800u);
  EXPECT_EQ(r->errors.size(), 64u);
  EXPECT_EQ(seen.size(), 800u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  expect_sum(*r);
}

TEST_P(pipeline_end, PL_9_an_exception_keeps_its_identity) {
  for (int where = 0; where < 3; ++where) {
    const auto throws_at = [&](int here, int n) {
      if (here == where && n == 3) throw std::runtime_error("torn");
    };
    auto work = source([&, next = 0]() mutable {
                  throws_at(0, next);
                  return counted(next++);
                }) |
                stage(mode::serial_any_order,
                      [&](counted c) {
                        throws_at(1, c.value());
                        return c;
                      }) |
                sink(mode::parallel, [&](const counted& c) { throws_at(2, c.value()); });
    const auto r = run_alone(std::move(work), {});
    ASSERT_FALSE(r);
    EXPECT_THROW(r.error().raise(), std::runtime_error);
  }
}

// What the source throws is one item more, that failed, and there is no next one.
TEST_P(pipeline_end, PL_9_an_error_of_the_source_is_its_end) {
  auto work = source([next = 0]() mutable -> result<counted> {
                if (next == 7) return error("no more");
                return counted(next++);
              }) |
              sink(mode::parallel, [](const counted&) {});
  const auto r = std::move(work).run(sched, forever_on, {.policy = on_error::keep_going}).wait();
  ASSERT_TRUE(r);
  EXPECT_EQ(r->produced, 8u);
  EXPECT_EQ(r->delivered, 7u);
  EXPECT_EQ(r->failed, 1u);
}

TEST_P(pipeline_end, PL_10_a_cancel_from_outside_ends_it) {
  for (const int at : {0, 3, 5000}) {
    auto ctx = with_cancel(forever_on);
    pipeline_report report;
    test::gate never;
    auto work = source(counted_up_to(1'000'000)) |
                stage(mode::parallel,
                      [&](const context& c, counted item) -> result<counted> {
                        if (item.value() == at)
                          return never.pass(c).wait().transform([&] { return std::move(item); });
                        return item;
                      }) |
                sink(mode::serial_in_order, [](const counted&) {});
    auto running = std::move(work).run(sched, ctx, {.max_in_flight = 4, .report = &report});
    until([&] { return test::waiters_of(never.waiting) == 1; });
    ctx.cancel(errc::overloaded);
    const auto r = running.wait();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error(), errc::canceled);
    EXPECT_EQ(r.error().cause(), make_error_code(errc::overloaded));
    EXPECT_GE(report.abandoned, 1u);
    EXPECT_EQ(report.failed, 0u);
    expect_sum(report);
  }
}

TEST_P(pipeline_end, XC_3_a_canceled_context_starts_nothing) {
  auto ctx = with_cancel(forever_on);
  ctx.cancel();
  auto work = source([]() -> std::optional<int> {
                ADD_FAILURE();
                return std::nullopt;
              }) |
              sink(mode::parallel, [](int) {});
  EXPECT_EQ(std::move(work).run(sched, ctx).wait().error(), errc::canceled);
}

TEST_P(pipeline_end, XC_2_a_cancel_after_the_last_item_is_too_late) {
  auto ctx = with_cancel(forever_on);
  auto work = source(counted_up_to(10)) | sink(mode::serial_in_order, [&](const counted& c) {
                if (c.value() == 9) ctx.cancel();
              });
  pipeline_report report;
  const auto r = std::move(work).run(sched, ctx, {.max_in_flight = 10, .report = &report}).wait();
  expect_sum(report);
  EXPECT_EQ(report.delivered, 10u);
  // Whether the source was asked once more before, so that the end is known, is a matter of luck.
  EXPECT_EQ(r.has_value(), report.produced == 10 && r.has_value());
}

// Stages may refer to what is in scope: dropping the future is the end of the run.
TEST_P(pipeline_end, a_dropped_future_cancels_and_joins) {
  for (int i = 0; i < 20; ++i) {
    test::gate never;
    auto inside = std::make_unique<std::atomic<int>>(0);
    {
      auto work = source(counted_up_to(1'000'000)) |
                  stage(mode::parallel,
                        [&](const context& c, counted item) -> result<counted> {
                          inside->fetch_add(1);
                          if (item.value() == 10 * i) (void)never.pass(c).wait();
                          inside->fetch_sub(1);
                          return item;
                        }) |
                  sink(mode::parallel, [](const counted&) {});
      auto running = std::move(work).run(sched, forever_on);
      until([&] { return test::waiters_of(never.waiting) == 1; });
    }
    EXPECT_EQ(inside->load(), 0);
    inside.reset();
    EXPECT_EQ(counted::alive.load(), 0);
  }
}

TEST_P(pipeline_end, a_dropped_future_inside_a_task_joins_too) {
  auto done = sched.submit([&] {
    auto work = source([n = 0]() mutable { return n++; }) | sink(mode::serial_in_order, [](int) {});
    auto running = std::move(work).run(sched, forever_on);
  });
  EXPECT_TRUE(done.wait());
}

// Finds: a runner that comes back to the thread of the one that posted it, and waits for that one.
TEST(pipeline, a_full_queue_lets_the_caller_carry_the_items) {
  test::full_scheduler full(reject::caller_runs);
  const auto caller = std::this_thread::get_id();
  int delivered = 0;
  auto work = source([n = 0]() mutable { return n < 20'000 ? std::optional(n++) : std::nullopt; }) |
              stage(mode::parallel, [](int n) { return n; }) |
              stage(mode::serial_in_order, [](int n) { return n; }) |
              sink(mode::parallel, [&](int n) {
                EXPECT_EQ(n, delivered++);
                EXPECT_EQ(std::this_thread::get_id(), caller);
              });
  EXPECT_TRUE(std::move(work).run(full.sched, forever_on, {.max_in_flight = 64}).wait());
  EXPECT_EQ(delivered, 20'000);
}

// Finds: a worker without a stand-in that waits for a runner which only itself could run.
TEST(pipeline, a_dropped_future_needs_no_other_worker) {
  auto o = test::quiet_workers(1);
  o.spares = 0;
  scheduler sched(o);
  const auto drops = [&] {
    auto work = source([]() -> std::optional<int> { return 1; }) | sink(mode::parallel, [](int) {});
    const auto dropped = std::move(work).run(sched, forever_on);
  };
  EXPECT_TRUE(sched.submit(drops).wait());
}

TEST_P(pipeline_end, PL_15_channels_at_both_ends_close_downward_and_cancel_upward) {
  channel<int> in(2);
  channel<int> out(2);
  std::thread producer([to = sender<int>(in)]() mutable {
    for (int n = 0; to.send(n).wait(); ++n) {
    }
  });
  {
    auto work =
        source(receiver<int>(in)) | stage(mode::parallel, [](int n) { return 2 * n; }) |
        sink(mode::serial_in_order, [to = sender<int>(out)](const context& ctx, int n) mutable {
          return to.send(ctx, n).wait();
        });
    receiver<int> from(out);
    auto running = std::move(work).run(sched, forever_on, {.max_in_flight = 4});
    for (int n = 0; n < 100; ++n) EXPECT_EQ(from.recv().wait().value(), 2 * n);
    from = receiver<int>(channel<int>());  // leaves early
    EXPECT_EQ(running.wait().error(), errc::closed);
  }
  producer.join();
  EXPECT_TRUE(in.closed());
}

TEST_P(pipeline_end, the_future_can_be_asked_to_end_it) {
  auto work = source([n = 0]() mutable { return n++; }) | sink(mode::serial_in_order, [](int) {});
  auto running = std::move(work).run(sched, forever_on);
  EXPECT_FALSE(running.cancel());
  EXPECT_EQ(running.wait().error(), errc::canceled);
}

TEST(pipeline, a_closed_scheduler_starts_nothing) {
  scheduler sched(test::quiet_workers(2));
  sched.close();
  auto work = source([]() -> std::optional<int> {
                ADD_FAILURE();
                return std::nullopt;
              }) |
              sink(mode::parallel, [](int) {});
  EXPECT_EQ(std::move(work).run(sched, forever_on).wait().error(), errc::stopped);
}

TEST(pipeline, stopping_the_scheduler_ends_it) {
  for (int i = 0; i < 50; ++i) {
    pipeline_report report;
    std::atomic<int> delivered{0};
    {
      scheduler sched(test::quiet_workers(2));
      auto work = source([n = 0]() mutable { return counted(n++); }) |
                  stage(mode::parallel, [](counted c) { return c; }) |
                  sink(mode::serial_in_order, [&](const counted&) { delivered.fetch_add(1); });
      auto running = std::move(work).run(sched, forever_on, {.report = &report});
      until([&] { return delivered.load() > i; });
      (void)sched.stop().wait();
      EXPECT_EQ(running.wait().error(), errc::stopped);
    }
    expect_sum(report);
    EXPECT_EQ(report.delivered, static_cast<std::uint64_t>(delivered.load()));
    EXPECT_EQ(counted::alive.load(), 0);
  }
}

// Finds: a source whose context does not end when the scheduler stops. The stop waits for it.
TEST(pipeline, POOL_9_a_stop_ends_functions_that_wait) {
  scheduler sched(test::quiet_workers(2));
  channel<int> in;
  auto work = source(receiver<int>(in)) | sink(mode::parallel, [](int) {});
  auto running = std::move(work).run(sched, forever_on);
  until([&] { return in.waiting_to_receive() == 1; });
  EXPECT_TRUE(sched.stop().wait().value().blocking.empty());
  EXPECT_EQ(running.wait().error(), errc::stopped);
}

TEST(pipeline, a_full_queue_that_refuses_is_the_reason_of_the_end) {
  test::full_scheduler full;
  auto work = source([]() -> std::optional<int> { return 1; }) | sink(mode::parallel, [](int) {});
  EXPECT_EQ(std::move(work).run(full.sched, forever_on).wait().error(), errc::overloaded);
}

TEST(pipeline, an_error_that_nobody_fetches_reaches_the_hook_and_an_abandoned_run_does_not) {
  scheduler sched(test::counting_errors(2));
  const auto run = [&](int failing) {
    auto work = source([n = 0]() mutable { return n++; }) |
                sink(mode::parallel, [failing](int n) -> result<> {
                  if (n == failing) return error("lost");
                  return {};
                });
    return std::move(work).run(sched, forever_on);
  };
  {
    auto ends = run(5);
    until([&] { return ends.ready(); });
  }
  EXPECT_EQ(test::errors_seen.load(), 1);
  EXPECT_EQ(test::last_error, "lost");
  { auto abandoned = run(-1); }
  EXPECT_EQ(test::errors_seen.load(), 1);
}

}  // namespace
}  // namespace pinion
