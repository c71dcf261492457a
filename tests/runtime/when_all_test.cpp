// SPDX-License-Identifier: MIT
// Children run side by side, their parent goes on when all have ended, and nothing is lost.
#include "pinion/runtime/when_all.hpp"

#include <atomic>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/schedulers.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"

namespace pinion {
namespace {

using test::allocation_count;
using test::counting_errors;
using test::errors_seen;
using test::gate;
using test::last_error;
using test::mailbox;
using test::until;
using test::waiters_of;
using test::with_workers;

class when_all_with : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(workers, when_all_with, testing::Values(1, 2, 4));

task<int> number(int n) {
  co_return n;
}
task<> nothing() {
  co_return;
}
task<int> failing(std::string why) {
  throw std::runtime_error(why);
  co_return 0;
}
task<int> take(const context& ctx, mailbox& box) {
  co_return (co_await box.take(ctx)).value();
}

task<std::string> three_kinds() {
  const auto [n, none, p] = co_await when_all(number(7), nothing(), number(8));
  static_cast<void>(none);
  co_return std::to_string(n) + std::to_string(p);
}

TEST_P(when_all_with, when_all_gives_the_values_of_all) {
  scheduler sched(with_workers(GetParam()));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sched.submit(three_kinds()).wait().value(), "78");
}

task<long> leaves(int depth, std::atomic<int>& alive) {
  if (depth == 0) {
    alive.fetch_add(1);
    co_return 1;
  }
  std::vector<task<long>> children;
  for (int i = 0; i < 5; ++i) children.push_back(leaves(depth - 1, alive));
  co_await when_all(std::span(children));
  long sum = 0;
  for (auto& child : children) sum += co_await std::move(child);
  co_return sum;
}

TEST_P(when_all_with, trees_of_children_run_each_once) {
  scheduler sched(with_workers(GetParam()));
  std::atomic<int> alive{0};
  EXPECT_EQ(sched.submit(leaves(6, alive)).wait().value(), 15'625);
  EXPECT_EQ(alive.load(), 15'625);
}

task<int> meet(gate& here, gate& there) {
  here.open();
  co_return (co_await there.pass()) ? 1 : 0;
}
task<int> both(gate& a, gate& b) {
  const auto [x, y] = co_await when_all(meet(a, b), meet(b, a));
  co_return x + y;
}

TEST_P(when_all_with, children_that_wait_for_each_other_get_their_turn) {
  scheduler sched(with_workers(GetParam()));
  for (int i = 0; i < 100; ++i) {
    gate a, b;
    EXPECT_EQ(sched.submit(both(a, b)).wait().value(), 2);
  }
}

task<> none_at_all() {
  std::vector<task<>> children;
  co_await when_all(std::span(children));
}

TEST(when_all, when_all_of_nothing_goes_on_at_once) {
  scheduler sched(with_workers(1));
  EXPECT_TRUE(sched.submit(none_at_all()).wait());
}

// --- Errors.

task<> fails_after(gate& g, std::string why) {
  (void)co_await g.pass();
  throw std::runtime_error(why);
}
std::string thrown;

task<> two_fail(gate& first, gate& second, std::atomic<bool>& ended) {
  try {
    (void)co_await when_all(fails_after(second, "second"), fails_after(first, "first"));
  } catch (const std::runtime_error& e) {
    thrown = e.what();
    ended = true;
  }
}

TEST_P(when_all_with, when_all_waits_for_all_and_throws_the_first_error_and_reports_the_others) {
  scheduler sched(counting_errors(GetParam()));
  gate first, second;
  std::atomic<bool> ended{false};
  auto answer = sched.submit(two_fail(first, second, ended));
  until([&] { return waiters_of(second.waiting) == 1 && waiters_of(first.waiting) == 1; });
  first.open();
  sched.submit([] {}).wait().value();
  EXPECT_FALSE(ended.load());
  second.open();
  EXPECT_TRUE(answer.wait());
  EXPECT_TRUE(ended.load());
  EXPECT_EQ(errors_seen.load(), 1);
  // Several workers may take the two up in the other order.
  if (GetParam() == 1) {
    EXPECT_EQ(thrown, "first");
  }
  EXPECT_EQ(last_error, thrown == "first" ? "second" : "first");
}

task<int> fails_and_cancels(const context& ctx, mailbox& box) {
  auto scope = with_cancel(ctx);
  int sum = 0;
  try {
    const auto [a, b] = co_await when_all(scope, take(scope, box), failing("broken"));
    sum = a + b;
  } catch (const std::runtime_error&) {
    sum = -1;
  }
  co_return sum;
}

TEST_P(when_all_with, a_failure_cancels_the_scope_of_the_siblings) {
  scheduler sched(counting_errors(GetParam()));
  mailbox box;
  EXPECT_EQ(sched.submit(fails_and_cancels(sched.root(), box)).wait().value(), -1);
  EXPECT_EQ(waiters_of(box.waiting), 0u);
  EXPECT_EQ(errors_seen.load(), 0);  // the other was canceled, and no more than that
}

// --- The first of several.

task<int> race(const context& ctx, mailbox& a, mailbox& b) {
  auto scope = with_cancel(ctx);
  const auto won = co_await when_any(scope, take(scope, a), take(scope, b));
  co_return static_cast<int>(won.index) * 10 + won.value;
}

TEST_P(when_all_with, when_any_gives_the_first_and_cancels_and_joins_the_others) {
  scheduler sched(counting_errors(GetParam()));
  for (int i = 0; i < 50; ++i) {
    mailbox a, b;
    auto answer = sched.submit(race(sched.root(), a, b));
    until([&] { return waiters_of(a.waiting) == 1 && waiters_of(b.waiting) == 1; });
    (i % 2 == 0 ? a : b).give(7);
    EXPECT_EQ(answer.wait().value(), i % 2 == 0 ? 7 : 17);
    EXPECT_EQ(waiters_of(a.waiting) + waiters_of(b.waiting), 0u);
    a.give(1);
    EXPECT_EQ(a.kept(), 1u);  // the loser took nothing
  }
  EXPECT_EQ(errors_seen.load(), 0);
}

task<int> first_fails(const context& ctx, mailbox& box) {
  auto scope = with_cancel(ctx);
  int n = 0;
  try {
    n = (co_await when_any(scope, failing("first"), take(scope, box))).value;
  } catch (const std::runtime_error& e) {
    n = std::string(e.what()) == "first" ? -1 : -2;
  }
  co_return n;
}

TEST_P(when_all_with, when_any_throws_what_the_first_threw) {
  scheduler sched(with_workers(GetParam()));
  mailbox box;
  EXPECT_EQ(sched.submit(first_fails(sched.root(), box)).wait().value(), -1);
}

// --- What it costs.

task<std::size_t> allocations_of_joins(int n) {
  std::size_t made = 0;
  for (int i = 0; i < n; ++i) {
    const allocation_count count;
    (void)co_await when_all(number(1), number(2), nothing());
    if (i >= n / 2) made += count.get();
  }
  co_return made;
}

TEST(when_all, nothing_is_allocated_in_steady_state) {
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(allocations_of_joins(1000)).wait().value(), 0u);
}

task<int> joins_without_memory() {
  int sum = 0;
  std::vector<task<int>> children;
  for (int i = 0; i < 100; ++i) children.push_back(number(1));
  {
    const test::no_memory out;
    co_await when_all(std::span(children));
  }
  for (auto& child : children) sum += co_await std::move(child);
  co_return sum;
}

TEST(when_all, children_need_no_memory_to_start) {
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(joins_without_memory()).wait().value(), 100);
}

// --- Cancel, wherever it is.

// Waits nine times: one by one, side by side, in a race, and in a child.
task<int> leg(const context& ctx, mailbox& box) {
  const int a = (co_await box.take(ctx)).value();
  const int b = (co_await box.take(ctx)).value();
  co_return a + b;
}
task<int> program(const context& ctx, mailbox& box, std::shared_ptr<int> kept) {
  int sum = (co_await box.take(ctx)).value();
  const auto [a, b] = co_await when_all(leg(ctx, box), leg(ctx, box));
  sum += a + b;
  auto scope = with_cancel(ctx);
  sum += (co_await when_any(scope, leg(scope, box), leg(scope, box))).value;
  sum += co_await leg(ctx, box);
  co_return sum + *kept;
}

TEST_P(when_all_with, XC_4_a_program_ends_wherever_it_is_canceled_and_leaves_nothing) {
  for (int served = 0;; ++served) {
    const auto kept = std::make_shared<int>(0);
    scheduler sched(counting_errors(GetParam()));
    mailbox box;
    auto ctx = with_cancel(sched.root());
    auto answer = sched.submit(ctx, program(ctx, box, kept));
    for (int i = 0; i < served; ++i) {
      until([&] { return waiters_of(box.waiting) != 0 || answer.ready(); });
      if (!answer.ready()) box.give(1);
    }
    until([&] { return waiters_of(box.waiting) != 0 || answer.ready(); });
    const bool ended = answer.ready();
    ctx.cancel();
    const auto r = answer.wait();
    EXPECT_TRUE(ended || !r.has_value());
    EXPECT_EQ(waiters_of(box.waiting), 0u);
    ASSERT_TRUE(sched.drain().wait()->blocking.empty());
    EXPECT_EQ(kept.use_count(), 1);
    EXPECT_EQ(errors_seen.load(), 0);
    if (ended) {
      EXPECT_GE(r.value(), 9);
      break;
    }
    ASSERT_LT(served, 30);
  }
}

}  // namespace
}  // namespace pinion
