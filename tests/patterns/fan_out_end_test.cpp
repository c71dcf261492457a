// SPDX-License-Identifier: MIT
// How fan-outs end before their inputs do: errors, a reader that leaves, cancellation, a stop.
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "tests/support/fan_outs.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/patterns/fan_out.hpp"
#include "pinion/sync/channel.hpp"

namespace pinion {
namespace {

using test::until;

const context& forever_on = context::background();

class fan_out_end : public test::fan_out_shapes {};

INSTANTIATE_TEST_SUITE_P(shapes, fan_out_end, test::fan_out_values(), test::name_of);

TEST_P(fan_out_end, FO_4_keeps_every_error) {
  const auto body = [](int n) -> result<std::string> {
    if (n % 10 == 0) return error("no tens: " + std::to_string(n));
    if (n % 10 == 1) throw std::out_of_range("no ones");
    return std::to_string(n);
  };
  int errors = 0;
  int thrown = 0;
  auto all = fan_out(sched, forever_on, test::numbers(1000), body, options(4, 100));
  for (auto& r : all) {
    if (r) continue;
    ++errors;
    try {
      r.error().raise();
    } catch (const std::out_of_range&) {
      ++thrown;
    } catch (...) {
    }
  }
  EXPECT_EQ(errors, 200);
  EXPECT_EQ(thrown, 100);
  const auto report = all.report();
  EXPECT_EQ(report.succeeded, 800u);
  EXPECT_EQ(report.failed, 200u);
  EXPECT_EQ(report.not_started, 0u);
  EXPECT_EQ(report.errors.size(), 64u);
}

TEST_P(fan_out_end, FO_4_the_first_error_can_cancel_the_others) {
  auto o = options(2, 8);
  o.policy = on_error::cancel_siblings;
  const auto body = [](const context& ctx, int n) -> result<int> {
    if (n == 100) return error("enough");
    if (ctx.is_done()) return errc::canceled;
    return n;
  };
  auto all = fan_out(sched, forever_on, test::numbers(100'000), body, o);
  for (auto& r : all) {
    if (r) continue;
    EXPECT_TRUE(r.error().what() == "enough" || r.error() == errc::canceled);
  }
  const auto report = all.report();
  EXPECT_EQ(test::total(report), 100'000u);
  EXPECT_EQ(report.failed, 1u);
  EXPECT_GE(report.not_started, 99'000u);
  EXPECT_EQ(report.errors.at(0).what(), "enough");
  EXPECT_EQ(all.next().wait().error(), errc::canceled);
}

TEST_P(fan_out_end, FO_5_leaving_early_stops_and_joins) {
  for (int leave_after = 0; leave_after < 20; ++leave_after) {
    std::atomic<int> inside{0};
    {
      auto all = fan_out(
          sched, forever_on, test::numbers(100'000),
          [&](int n) {
            inside.fetch_add(1);
            test::counted c(n);
            inside.fetch_sub(1);
            return c;
          },
          options(3, 16));
      int n = 0;
      for (auto& r : all) {
        EXPECT_TRUE(r);
        if (n++ == leave_after) break;
      }
    }
    EXPECT_EQ(inside.load(), 0);
    EXPECT_EQ(test::counted::alive.load(), 0);
  }
}

TEST_P(fan_out_end, FO_5_leaving_ends_calls_that_wait) {
  test::gate never;
  auto all = fan_out(
      sched, forever_on, test::numbers(10),
      [&](const context& ctx, int) { return never.pass(ctx).wait(); }, options(4));
  until([&] { return test::waiters_of(never.waiting) == 4; });
}

TEST_P(fan_out_end, an_exception_of_the_range_is_the_last_result) {
  auto all = fan_out(
      sched, forever_on,
      test::numbers_from(100,
                         [n = 0]() mutable {
                           if (n == 7) throw std::runtime_error("torn");
                           return n++;
                         }),
      [](int n) { return n; }, options(2));
  for (auto& r : all) {
    if (r) continue;
    EXPECT_EQ(r.error().what(), "torn");
  }
  const auto report = all.report();
  EXPECT_EQ(report.succeeded, 7u);
  EXPECT_EQ(report.failed, 1u);
  EXPECT_EQ(test::total(report), 8u);
}

TEST_P(fan_out_end, a_canceled_context_starts_nothing) {
  auto ctx = with_cancel(forever_on);
  ctx.cancel(errc::overloaded);
  auto all = fan_out(
      sched, ctx, test::numbers(50), [](int) { ADD_FAILURE(); }, options());
  const auto end = all.next().wait();
  EXPECT_EQ(end.error(), errc::canceled);
  EXPECT_EQ(end.error().cause(), make_error_code(errc::overloaded));
  EXPECT_EQ(all.report().not_started, 50u);
}

TEST_P(fan_out_end, what_was_started_still_comes_after_a_cancel) {
  auto ctx = with_cancel(forever_on);
  test::gate never;
  auto all = fan_out(
      sched, ctx, test::numbers(50),
      [&](const context& c, int n) -> result<int> {
        if (n >= 10) return never.pass(c).wait().transform([] { return 0; });
        return n;
      },
      options(4));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(all.next().wait().value());
  until([&] { return test::waiters_of(never.waiting) == 4; });
  ctx.cancel();
  int n = 0;
  while (auto r = all.next().wait()) {
    EXPECT_EQ(r->error(), errc::canceled);
    ++n;
  }
  EXPECT_EQ(n, 4);
  const auto report = all.report();
  EXPECT_EQ(report.succeeded, 10u);
  EXPECT_EQ(report.canceled, 4u);
  EXPECT_EQ(report.failed, 0u);
  EXPECT_EQ(report.not_started, 36u);
}

TEST_P(fan_out_end, the_reader_may_give_up_a_wait_and_come_back) {
  test::gate may_end;
  auto all = fan_out(
      sched, forever_on, test::numbers(20),
      [&](int n) {
        may_end.pass().wait().value();
        return n;
      },
      options(2));
  auto ctx = with_cancel(forever_on);
  std::thread canceler([&] {
    until([&] { return test::waiters_of(may_end.waiting) == 2; });
    ctx.cancel();
  });
  EXPECT_EQ(all.next(ctx).wait().error(), errc::canceled);
  canceler.join();
  may_end.open();
  int n = 0;
  for (auto& r : all) n += r.has_value();
  EXPECT_EQ(n, 20);
}

TEST(fan_out, a_closed_scheduler_starts_nothing) {
  scheduler sched(test::quiet_workers(2));
  sched.close();
  auto all = fan_out(sched, forever_on, test::numbers(10), [](int n) { return n; });
  EXPECT_EQ(all.next().wait().error(), errc::stopped);
  EXPECT_EQ(all.report().not_started, 10u);
}

TEST(fan_out, stopping_the_scheduler_ends_it) {
  for (int i = 0; i < 50; ++i) {
    scheduler sched(test::quiet_workers(2));
    auto all = fan_out(sched, forever_on, test::numbers(1'000'000), [](int n) { return n; });
    EXPECT_TRUE(all.next().wait());
    std::thread stopper([&] { (void)sched.stop().wait(); });
    while (all.next().wait()) {
    }
    stopper.join();
    EXPECT_EQ(test::total(all.report()), 1'000'000u);
    EXPECT_GT(all.report().not_started, 0u);
  }
}

// Finds: calls whose context does not end when the scheduler stops. The stop waits for them.
TEST(fan_out, POOL_9_a_stop_ends_calls_and_inputs_that_wait) {
  scheduler sched(test::quiet_workers(2));
  channel<int> in;
  channel<int> never;
  const auto wait_for_it = [&](const context& ctx, int) { return never.recv(ctx).wait(); };
  auto of_numbers = fan_out(sched, forever_on, test::numbers(2), wait_for_it, {.concurrency = 1});
  auto of_values = fan_out(sched, forever_on, receiver<int>(in), [](int n) { return n; });
  until([&] { return never.waiting_to_receive() == 1 && in.waiting_to_receive() == 1; });
  EXPECT_TRUE(sched.stop().wait().value().blocking.empty());
  EXPECT_EQ(of_numbers.next().wait().value().error(), errc::canceled);
  EXPECT_EQ(of_numbers.next().wait().error(), errc::stopped);
  EXPECT_EQ(of_values.next().wait().error(), errc::closed);
}

TEST(fan_out, a_full_queue_that_refuses_is_the_reason_of_the_end) {
  test::full_scheduler full;
  auto all = fan_out(full.sched, forever_on, test::numbers(2), [](int n) { return n; });
  EXPECT_EQ(all.next().wait().error(), errc::overloaded);
  EXPECT_EQ(all.report().not_started, 2u);
}

TEST(fan_out, a_full_queue_delays_and_loses_nothing) {
  for (const reject policy : {reject::block, reject::caller_runs}) {
    auto o = test::quiet_workers(1);
    o.queue_limit = 1;
    o.when_full = policy;
    scheduler sched(o);
    int sum = 0;
    for (auto& r : fan_out(sched, forever_on, test::numbers(1000), [](int n) { return n; },
                           {.concurrency = 4})) {
      sum += r.value();
    }
    EXPECT_EQ(sum, 499'500);
  }
}

TEST_P(fan_out_end, FO_5_a_channel_that_gives_nothing_holds_nobody_back) {
  channel<int> in(4);
  const sender<int> keeps_it_open(in);
  {
    auto all = fan_out(
        sched, forever_on, receiver<int>(in), [](int n) { return n; }, options(3));
    EXPECT_TRUE(in.send(7).wait());
    EXPECT_EQ(all.next().wait().value().value(), 7);
    until([&] { return in.waiting_to_receive() == 1; });
  }
  EXPECT_EQ(in.send(8).wait().error(), errc::closed);  // the receiver has gone
}

}  // namespace
}  // namespace pinion
