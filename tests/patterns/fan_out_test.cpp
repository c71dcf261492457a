// SPDX-License-Identifier: MIT
#include "pinion/patterns/fan_out.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <forward_list>
#include <list>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/fan_outs.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/channel.hpp"

namespace pinion {
namespace {

using test::until;

const context& forever_on = context::background();

class fan_out_with : public test::fan_out_shapes {};

INSTANTIATE_TEST_SUITE_P(shapes, fan_out_with, test::fan_out_values(), test::name_of);

TEST_P(fan_out_with, gives_one_result_for_each_input) {
  for (const std::size_t buffer : {0U, 1U, 16U, 1000U, 5000U}) {
    const auto inputs = test::numbers(3000);
    std::vector<int> got;
    auto squares = fan_out(
        sched, forever_on, inputs, [](int n) { return n * n; }, options(0, buffer));
    for (result<int>& r : squares) got.push_back(r.value());
    if (GetParam().how == order::as_completed) std::sort(got.begin(), got.end());
    ASSERT_EQ(got.size(), inputs.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], inputs[i] * inputs[i]);
    EXPECT_EQ(squares.report().succeeded, 3000u);
    EXPECT_EQ(test::total(squares.report()), 3000u);
  }
}

TEST_P(fan_out_with, FO_1_never_makes_more_calls_at_once_than_allowed) {
  test::gauge calls;
  const auto body = [&](int) {
    calls.enter();
    std::this_thread::yield();
    calls.leave();
  };
  for (const std::size_t concurrency : {1U, 2U, 3U, 7U}) {
    test::gauge fresh;
    const auto count = [&](int n) {
      fresh.enter();
      body(n);
      fresh.leave();
    };
    for (result<>& r :
         fan_out(sched, forever_on, test::numbers(500), count, options(concurrency, 64))) {
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
  for (const std::size_t buffer : {0U, 5U, 6U, 200U}) {
    std::barrier together(at_once);
    int n = 0;
    const auto meet = [&](int) { blocking([&] { together.arrive_and_wait(); }); };
    for (result<>& r :
         fan_out(sched, forever_on, test::numbers(20 * at_once), meet, options(at_once, buffer))) {
      n += r.has_value();
    }
    EXPECT_EQ(n, 20 * at_once);
  }
}

TEST(fan_out, FO_2_results_come_before_the_slowest_has_ended) {
  scheduler sched(test::quiet_workers(2));
  test::gate last_may_end;
  const auto body = [&](const context& ctx, int n) -> result<int> {
    if (n == 0) {
      if (auto opened = last_may_end.pass(ctx).wait(); !opened) return opened.error();
    }
    return n;
  };
  auto all = fan_out(sched, forever_on, test::numbers(100), body, {.concurrency = 3});
  for (int i = 1; i < 100; ++i) EXPECT_NE(all.next().wait().value().value(), 0);
  last_may_end.open();
  EXPECT_EQ(all.next().wait().value().value(), 0);
  EXPECT_EQ(all.next().wait().error(), errc::closed);
}

TEST(fan_out, FO_3_a_stuck_first_input_stops_the_intake_after_the_window) {
  scheduler sched(test::quiet_workers(2));
  for (const std::size_t window : {0U, 4U, 50U}) {
    test::gate first_may_end;
    std::atomic<int> started{0};
    const auto body = [&](int n) {
      started.fetch_add(1);
      if (n == 0) first_may_end.pass().wait().value();
      return n;
    };
    auto all = fan_out(sched, forever_on, test::numbers(1000), body,
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
  scheduler sched(test::quiet_workers(2));
  std::atomic<int> started{0};
  auto all = fan_out(sched, forever_on, test::numbers(1000), [&](int) { started.fetch_add(1); },
                     {.concurrency = 2, .buffer = 10});
  until([&] { return started.load() == 10; });
  (void)sched.submit([] {}).wait();
  int n = 0;
  for (result<>& r : all) n += r.has_value();
  EXPECT_EQ(n, 1000);
}

TEST_P(fan_out_with, FO_6_no_input_no_result) {
  auto none = fan_out(
      sched, forever_on, std::vector<int>(), [](int n) { return n; }, options());
  EXPECT_EQ(none.next().wait().error(), errc::closed);
  EXPECT_EQ(none.next().wait().error(), errc::closed);
  EXPECT_EQ(test::total(none.report()), 0u);
  auto none_of_list = fan_out(
      sched, forever_on, std::forward_list<int>(), [](int) {}, options());
  for (auto& r : none_of_list) ADD_FAILURE() << r.has_value();
}

TEST(fan_out, FO_10_takes_as_many_at_once_as_there_are_workers) {
  scheduler sched(test::quiet_workers(3));
  test::gauge calls;
  std::barrier together(3);
  const auto body = [&](int) {
    calls.enter();
    together.arrive_and_wait();
    calls.leave();
  };
  for (auto& r : fan_out(sched, forever_on, test::numbers(30), body)) EXPECT_TRUE(r);
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
  EXPECT_EQ(sum_of(test::numbers_from(5, [n = 0]() mutable { return ++n; })), 15);
}

TEST_P(fan_out_with, functions_may_change_the_inputs_and_give_what_can_only_be_moved) {
  std::vector<int> inputs = test::numbers(100);
  int sum = 0;
  for (auto& r : fan_out(
           sched, forever_on, inputs, [](int& n) { return std::make_unique<int>(n++); },
           options(3))) {
    sum += **r;
  }
  EXPECT_EQ(sum, 4950);
  EXPECT_EQ(std::accumulate(inputs.begin(), inputs.end(), 0), 5050);
}

// A source that waits for its next element neither holds back the last one nor a worker.
TEST(fan_out, a_slow_range_does_not_hold_back_what_it_gave) {
  scheduler sched(test::quiet_workers(1));
  std::atomic<int> delivered{0};
  auto feed = test::numbers_from(10, [n = 0, &delivered]() mutable {
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

TEST_P(fan_out_with, works_from_inside_a_task) {
  auto sum = sched.submit([&] {
    int all = 0;
    for (auto& r : fan_out(
             sched, forever_on, test::numbers(1000), [](int n) { return n; }, options(3)))
      all += r.value();
    return all;
  });
  EXPECT_EQ(sum.wait().value(), 499'500);
}

TEST_P(fan_out_with, nests) {
  const auto inner = [&](int n) {
    int sum = 0;
    for (auto& r : fan_out(
             sched, forever_on, test::numbers(n), [](int k) { return k; }, options(2)))
      sum += r.value();
    return sum;
  };
  int sum = 0;
  for (auto& r : fan_out(sched, forever_on, test::numbers(30), inner, options(3))) sum += r.value();
  EXPECT_EQ(sum, 4060);
}

TEST(fan_out, other_tasks_have_their_turn) {
  scheduler sched(test::quiet_workers(1));
  std::atomic<bool> other_ran{false};
  std::atomic<int> calls{0};
  const auto body = [&](int) {
    if (calls.fetch_add(1) == 0) sched.post([&] { other_ran.store(true); });
    return other_ran.load();
  };
  const auto many = test::numbers(2'000'000);
  bool seen = false;
  for (auto& r : fan_out(sched, forever_on, many, body, {.concurrency = 1, .buffer = 4'000'000}))
    seen |= r.value();
  EXPECT_TRUE(seen) << "the task ran after the last call only";
}

TEST(fan_out, XC_10_allocates_nothing_per_item) {
  scheduler sched(test::quiet_workers(2));
  const auto inputs = test::numbers(50'000);
  for (const order how : {order::as_completed, order::as_submitted}) {
    const auto all_of_them = [&] {
      for (auto& r : fan_out(sched, forever_on, inputs, [](int n) { return n; },
                             {.buffer = 1000, .order = how}))
        ASSERT_TRUE(r);
    };
    EXPECT_LT(test::allocations_once_warm(all_of_them), 60u);
  }
}

TEST(fan_out, XC_10_allocates_nothing_per_item_of_a_channel) {
  scheduler sched(test::quiet_workers(2));
  const auto all_of_them = [&] {
    const channel<int> in(10'000);
    sender<int> to(in);
    for (int n = 0; n < 10'000; ++n) ASSERT_TRUE(to.try_send(int(n)));
    to.close();
    for (auto& r : fan_out(sched, forever_on, receiver<int>(in), [](int n) { return n; }))
      ASSERT_TRUE(r);
  };
  EXPECT_LT(test::allocations_once_warm(all_of_them), 60u);
}

struct moved_so_often {  // and no more
  explicit moved_so_often(int n) : moves_left(n) {}
  moved_so_often(moved_so_often&& other) : moves_left(other.moves_left - 1) {
    if (moves_left < 0) throw std::runtime_error("a move");
  }
  moved_so_often& operator=(moved_so_often&&) = default;
  int moves_left;
};

// Finds: a move that throws where nothing may throw.
TEST(fan_out, XC_14_a_value_of_a_channel_whose_move_throws_is_the_last_result) {
  for (int n = 1; n < 8; ++n) {
    scheduler sched(test::quiet_workers(1));
    channel<moved_so_often> in(1);
    ASSERT_TRUE(in.try_send(moved_so_often(n)));
    in.close();
    auto all = fan_out(sched, forever_on, receiver<moved_so_often>(in),
                       [](const moved_so_often& m) { return m.moves_left; });
    const auto got = all.next().wait().value();
    EXPECT_TRUE(got || got.error() == errc::failed);
    EXPECT_EQ(all.next().wait().error(), errc::closed);
  }
}

TEST_P(fan_out_with, FO_6_a_channel_that_is_closed_ends_the_results) {
  channel<int> in;
  std::thread producer([to = sender<int>(in)]() mutable {
    for (int n = 0; n < 500; ++n) EXPECT_TRUE(to.send(n).wait());
  });
  auto all = fan_out(
      sched, forever_on, receiver<int>(in), [](int n) { return n; }, options(3));
  std::vector<int> got;
  for (auto& r : all) got.push_back(r.value());
  producer.join();
  EXPECT_EQ(all.next().wait().error(), errc::closed);
  if (GetParam().how == order::as_completed) std::sort(got.begin(), got.end());
  EXPECT_EQ(got, test::numbers(500));
}

}  // namespace
}  // namespace pinion
