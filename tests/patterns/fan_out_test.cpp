// SPDX-License-Identifier: MIT
#include "pinion/patterns/fan_out.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <forward_list>
#include <iterator>
#include <latch>
#include <list>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

namespace pinion {
namespace {

using test::until;

const context& forever_on = context::background();

scheduler_options with_workers(std::size_t n) {
  scheduler_options o;
  o.workers = n;
  o.pin = pinning::none();
  o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
  return o;
}

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::uint64_t total(const group_report& r) {
  return r.succeeded + r.failed + r.canceled + r.not_started;
}

/// Counts how many calls are under way at once, and the most there ever were.
class gauge {
 public:
  void enter() {
    const int now = inside_.fetch_add(1) + 1;
    int most = most_.load();
    while (most < now && !most_.compare_exchange_weak(most, now)) {
    }
  }
  void leave() { inside_.fetch_sub(1); }
  int most() const { return most_.load(); }

 private:
  std::atomic<int> inside_{0};
  std::atomic<int> most_{0};
};

/// A value that knows how many of its kind are alive.
class counted {
 public:
  explicit counted(int n) : n_(n) { alive.fetch_add(1); }
  counted(counted&& other) noexcept : n_(other.n_) { alive.fetch_add(1); }
  counted& operator=(counted&&) = delete;
  ~counted() { alive.fetch_sub(1); }
  int value() const { return n_; }

  static inline std::atomic<int> alive{0};

 private:
  int n_;
};

/// A range that gives its elements once, and may wait or throw on the way.
template <class F>
class source {
 public:
  source(int count, F next) : left_(count), next_(std::move(next)) {}

  class iterator {
   public:
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    explicit iterator(source& of) : of_(&of) { of_->now_ = of_->next_(); }
    int operator*() const { return of_->now_; }
    iterator& operator++() {
      if (--of_->left_ > 0) of_->now_ = of_->next_();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return of_->left_ == 0; }

   private:
    source* of_;
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  int left_;
  int now_ = 0;
  F next_;
};

struct shape {
  std::size_t workers;
  order how;
};

class fan_out_with : public testing::TestWithParam<shape> {
 protected:
  fan_options options(std::size_t concurrency = 0, std::size_t buffer = 0) const {
    return {.concurrency = concurrency, .buffer = buffer, .order = GetParam().how};
  }
  scheduler sched{with_workers(GetParam().workers)};
};

INSTANTIATE_TEST_SUITE_P(
    shapes, fan_out_with,
    testing::Values(shape{1, order::as_completed}, shape{1, order::as_submitted},
                    shape{2, order::as_completed}, shape{2, order::as_submitted},
                    shape{8, order::as_completed}, shape{8, order::as_submitted}),
    [](const auto& which) {
      return std::string(which.param.how == order::as_completed ? "completed" : "submitted") + "_" +
             std::to_string(which.param.workers);
    });

TEST_P(fan_out_with, gives_one_result_for_each_input) {
  for (const std::size_t buffer : {0, 1, 16, 1000, 5000}) {
    const auto inputs = numbers(3000);
    std::vector<int> got;
    auto squares = fan_out(
        sched, forever_on, inputs, [](int n) { return n * n; }, options(0, buffer));
    for (result<int>& r : squares) got.push_back(r.value());
    if (GetParam().how == order::as_completed) std::sort(got.begin(), got.end());
    ASSERT_EQ(got.size(), inputs.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], inputs[i] * inputs[i]);
    EXPECT_EQ(squares.report().succeeded, 3000u);
    EXPECT_EQ(total(squares.report()), 3000u);
  }
}

TEST_P(fan_out_with, FO_1_never_makes_more_calls_at_once_than_allowed) {
  gauge calls;
  const auto body = [&](int) {
    calls.enter();
    std::this_thread::yield();
    calls.leave();
  };
  for (const std::size_t concurrency : {1, 2, 3, 7}) {
    gauge fresh;
    const auto count = [&](int n) {
      fresh.enter();
      body(n);
      fresh.leave();
    };
    for (result<>& r : fan_out(sched, forever_on, numbers(500), count, options(concurrency, 64))) {
      EXPECT_TRUE(r);
    }
    EXPECT_LE(fresh.most(), static_cast<int>(concurrency));
  }
}

// Goal: as many calls as allowed are under way at once, however few workers there are.
// Method: each call waits for four others. A thread that waits lends its seat.
// Finds: credits that a runner keeps for itself; a runner that is not started again.
TEST_P(fan_out_with, FO_1_reaches_as_many_calls_as_allowed) {
  constexpr int at_once = 5;
  for (const std::size_t buffer : {0, 5, 6, 200}) {
    std::barrier together(at_once);
    int n = 0;
    const auto meet = [&](int) { blocking([&] { together.arrive_and_wait(); }); };
    for (result<>& r :
         fan_out(sched, forever_on, numbers(20 * at_once), meet, options(at_once, buffer))) {
      n += r.has_value();
    }
    EXPECT_EQ(n, 20 * at_once);
  }
}

TEST(fan_out, FO_2_results_come_before_the_slowest_has_ended) {
  scheduler sched(with_workers(2));
  test::gate last_may_end;
  const auto body = [&](const context& ctx, int n) -> result<int> {
    if (n == 0) {
      if (auto opened = last_may_end.pass(ctx).wait(); !opened) return opened.error();
    }
    return n;
  };
  auto all = fan_out(sched, forever_on, numbers(100), body, {.concurrency = 3});
  for (int i = 1; i < 100; ++i) EXPECT_NE(all.next().wait().value().value(), 0);
  last_may_end.open();
  EXPECT_EQ(all.next().wait().value().value(), 0);
  EXPECT_EQ(all.next().wait().error(), errc::closed);
}

TEST(fan_out, FO_3_a_stuck_first_input_stops_the_intake_after_the_window) {
  scheduler sched(with_workers(2));
  for (const std::size_t window : {0, 4, 50}) {
    test::gate first_may_end;
    std::atomic<int> started{0};
    const auto body = [&](int n) {
      started.fetch_add(1);
      if (n == 0) first_may_end.pass().wait().value();
      return n;
    };
    auto all = fan_out(sched, forever_on, numbers(1000), body,
                       {.concurrency = 2, .buffer = window, .order = order::as_submitted});
    const int expected = window == 0 ? 4 : static_cast<int>(window);
    until([&] { return started.load() == expected; });
    first_may_end.open();
    int next = 0;
    for (result<int>& r : all) EXPECT_EQ(r.value(), next++);
    EXPECT_EQ(next, 1000);
  }
}

TEST(fan_out, a_reader_that_does_not_come_stops_the_intake) {
  scheduler sched(with_workers(2));
  std::atomic<int> started{0};
  auto all = fan_out(sched, forever_on, numbers(1000), [&](int) { started.fetch_add(1); },
                     {.concurrency = 2, .buffer = 10});
  until([&] { return started.load() == 10; });
  (void)sched.submit([] {}).wait();
  int n = 0;
  for (result<>& r : all) n += r.has_value();
  EXPECT_EQ(n, 1000);
}

TEST_P(fan_out_with, FO_4_keeps_every_error) {
  const auto body = [](int n) -> result<std::string> {
    if (n % 10 == 0) return error("no tens: " + std::to_string(n));
    if (n % 10 == 1) throw std::out_of_range("no ones");
    return std::to_string(n);
  };
  int errors = 0;
  int thrown = 0;
  auto all = fan_out(sched, forever_on, numbers(1000), body, options(4, 100));
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

TEST_P(fan_out_with, FO_4_the_first_error_can_cancel_the_others) {
  auto o = options(2, 8);
  o.policy = on_error::cancel_siblings;
  const auto body = [](const context& ctx, int n) -> result<int> {
    if (n == 100) return error("enough");
    if (ctx.is_done()) return errc::canceled;
    return n;
  };
  auto all = fan_out(sched, forever_on, numbers(100'000), body, o);
  for (auto& r : all) {
    if (r) continue;
    EXPECT_TRUE(r.error().what() == "enough" || r.error() == errc::canceled);
  }
  const auto report = all.report();
  EXPECT_EQ(total(report), 100'000u);
  EXPECT_EQ(report.failed, 1u);
  EXPECT_GE(report.not_started, 99'000u);
  EXPECT_EQ(report.errors.at(0).what(), "enough");
  EXPECT_EQ(all.next().wait().error(), errc::canceled);
}

TEST_P(fan_out_with, FO_5_leaving_early_stops_and_joins) {
  for (int leave_after = 0; leave_after < 20; ++leave_after) {
    std::atomic<int> inside{0};
    {
      auto all = fan_out(
          sched, forever_on, numbers(100'000),
          [&](int n) {
            inside.fetch_add(1);
            counted c(n);
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
    EXPECT_EQ(counted::alive.load(), 0);
  }
}

TEST_P(fan_out_with, FO_5_leaving_ends_calls_that_wait) {
  test::gate never;
  auto all = fan_out(
      sched, forever_on, numbers(10),
      [&](const context& ctx, int) { return never.pass(ctx).wait(); }, options(4));
  until([&] { return test::waiters_of(never.waiting) == 4; });
}

TEST_P(fan_out_with, FO_6_no_input_no_result) {
  auto none = fan_out(
      sched, forever_on, std::vector<int>(), [](int n) { return n; }, options());
  EXPECT_EQ(none.next().wait().error(), errc::closed);
  EXPECT_EQ(none.next().wait().error(), errc::closed);
  EXPECT_EQ(total(none.report()), 0u);
  auto none_of_list = fan_out(
      sched, forever_on, std::forward_list<int>(), [](int) {}, options());
  for (auto& r : none_of_list) ADD_FAILURE() << r.has_value();
}

TEST(fan_out, FO_10_takes_as_many_at_once_as_there_are_workers) {
  scheduler sched(with_workers(3));
  gauge calls;
  std::barrier together(3);
  const auto body = [&](int) {
    calls.enter();
    together.arrive_and_wait();
    calls.leave();
  };
  for (auto& r : fan_out(sched, forever_on, numbers(30), body)) EXPECT_TRUE(r);
  EXPECT_EQ(calls.most(), 3);
}

TEST_P(fan_out_with, takes_any_range) {
  const auto sum_of = [&](auto&& range) {
    int sum = 0;
    for (auto& r : fan_out(
             sched, forever_on, std::forward<decltype(range)>(range), [](int n) { return n; },
             options(3))) {
      sum += r.value();
    }
    return sum;
  };
  const std::list<int> list = {1, 2, 3};
  EXPECT_EQ(sum_of(list), 6);
  EXPECT_EQ(sum_of(std::forward_list<int>{1, 2, 3, 4}), 10);
  EXPECT_EQ(sum_of(std::vector<bool>{true, false, true}), 2);
  EXPECT_EQ(sum_of(source(5, [n = 0]() mutable { return ++n; })), 15);
}

TEST_P(fan_out_with, functions_may_change_the_inputs_and_give_what_can_only_be_moved) {
  std::vector<int> inputs = numbers(100);
  int sum = 0;
  for (auto& r : fan_out(
           sched, forever_on, inputs, [](int& n) { return std::make_unique<int>(n++); },
           options(3))) {
    sum += **r;
  }
  EXPECT_EQ(sum, 4950);
  EXPECT_EQ(std::accumulate(inputs.begin(), inputs.end(), 0), 5050);
}

TEST_P(fan_out_with, an_exception_of_the_range_is_the_last_result) {
  auto all = fan_out(
      sched, forever_on,
      source(100,
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
  EXPECT_EQ(total(report), 8u);
}

// A source that waits for its next element neither holds back the last one nor a worker.
TEST(fan_out, a_slow_range_does_not_hold_back_what_it_gave) {
  scheduler sched(with_workers(1));
  std::atomic<int> delivered{0};
  auto feed = source(10, [n = 0, &delivered]() mutable {
    const int want = n;
    blocking([&] { until([&] { return delivered.load() >= want; }); });
    return n++;
  });
  for (auto& r : fan_out(sched, forever_on, feed, [](int n) { return n; }, {.concurrency = 3})) {
    EXPECT_TRUE(r);
    delivered.fetch_add(1);
  }
  EXPECT_EQ(delivered.load(), 10);
}

TEST_P(fan_out_with, a_canceled_context_starts_nothing) {
  auto ctx = with_cancel(forever_on);
  ctx.cancel(errc::overloaded);
  auto all = fan_out(
      sched, ctx, numbers(50), [](int) { ADD_FAILURE(); }, options());
  const auto end = all.next().wait();
  EXPECT_EQ(end.error(), errc::canceled);
  EXPECT_EQ(end.error().cause(), make_error_code(errc::overloaded));
  EXPECT_EQ(all.report().not_started, 50u);
}

TEST_P(fan_out_with, what_was_started_still_comes_after_a_cancel) {
  auto ctx = with_cancel(forever_on);
  test::gate never;
  auto all = fan_out(
      sched, ctx, numbers(50),
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

TEST_P(fan_out_with, the_reader_may_give_up_a_wait_and_come_back) {
  test::gate may_end;
  auto all = fan_out(
      sched, forever_on, numbers(20),
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

TEST_P(fan_out_with, works_from_inside_a_task) {
  auto sum = sched.submit([&] {
    int all = 0;
    for (auto& r : fan_out(
             sched, forever_on, numbers(1000), [](int n) { return n; }, options(3)))
      all += r.value();
    return all;
  });
  EXPECT_EQ(sum.wait().value(), 499'500);
}

TEST_P(fan_out_with, nests) {
  const auto inner = [&](int n) {
    int sum = 0;
    for (auto& r : fan_out(
             sched, forever_on, numbers(n), [](int k) { return k; }, options(2)))
      sum += r.value();
    return sum;
  };
  int sum = 0;
  for (auto& r : fan_out(sched, forever_on, numbers(30), inner, options(3))) sum += r.value();
  EXPECT_EQ(sum, 4060);
}

TEST(fan_out, a_closed_scheduler_starts_nothing) {
  scheduler sched(with_workers(2));
  sched.close();
  auto all = fan_out(sched, forever_on, numbers(10), [](int n) { return n; });
  EXPECT_EQ(all.next().wait().error(), errc::stopped);
  EXPECT_EQ(all.report().not_started, 10u);
}

TEST(fan_out, stopping_the_scheduler_ends_it) {
  for (int i = 0; i < 50; ++i) {
    scheduler sched(with_workers(2));
    auto all = fan_out(sched, forever_on, numbers(1'000'000), [](int n) { return n; });
    EXPECT_TRUE(all.next().wait());
    std::thread stopper([&] { (void)sched.stop().wait(); });
    while (all.next().wait()) {
    }
    stopper.join();
    EXPECT_EQ(total(all.report()), 1'000'000u);
    EXPECT_GT(all.report().not_started, 0u);
  }
}

TEST(fan_out, a_full_queue_delays_and_loses_nothing) {
  for (const reject policy : {reject::block, reject::caller_runs}) {
    auto o = with_workers(1);
    o.queue_limit = 1;
    o.when_full = policy;
    scheduler sched(o);
    int sum = 0;
    for (auto& r :
         fan_out(sched, forever_on, numbers(1000), [](int n) { return n; }, {.concurrency = 4})) {
      sum += r.value();
    }
    EXPECT_EQ(sum, 499'500);
  }
}

TEST(fan_out, other_tasks_have_their_turn) {
  scheduler sched(with_workers(1));
  std::atomic<bool> other_ran{false};
  std::atomic<int> calls{0};
  const auto body = [&](int) {
    if (calls.fetch_add(1) == 0) sched.post([&] { other_ran.store(true); });
    return other_ran.load();
  };
  const auto many = numbers(2'000'000);
  bool seen = false;
  for (auto& r : fan_out(sched, forever_on, many, body, {.concurrency = 1, .buffer = 4'000'000}))
    seen |= r.value();
  EXPECT_TRUE(seen) << "the task ran after the last call only";
}

TEST(fan_out, allocates_nothing_per_item) {
  scheduler sched(with_workers(2));
  const auto inputs = numbers(100'000);
  const auto all_of_them = [&] {
    for (auto& r : fan_out(sched, forever_on, inputs, [](int n) { return n; }, {.buffer = 1000}))
      ASSERT_TRUE(r);
  };
  all_of_them();
  const test::allocation_count count;
  all_of_them();
  EXPECT_LT(count.get(), 100u);
}

TEST(fan_out, options_out_of_range_are_named) {
  scheduler sched(with_workers(1));
  try {
    (void)fan_out(sched, forever_on, numbers(1), [](int) {}, {.concurrency = ~std::size_t{0}});
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_NE(std::string(e.what()).find("fan_options::concurrency"), std::string::npos);
  }
}

}  // namespace
}  // namespace pinion
