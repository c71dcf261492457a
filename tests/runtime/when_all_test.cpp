// SPDX-License-Identifier: MIT
// Children run side by side, their parent goes on when all have ended, and nothing is lost.
#include "pinion/runtime/when_all.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/refusal.hpp"
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

// --- Children that are made.

task<long> made_leaves(int depth, std::atomic<int>& made) {
  made.fetch_add(1);
  if (depth == 0) co_return 1;
  std::array<long, 5> below{};
  co_await when_all(std::span(below), [&](std::size_t) { return made_leaves(depth - 1, made); });
  long sum = 0;
  for (const long n : below) sum += n;
  co_return sum;
}

TEST_P(when_all_with, trees_of_made_children_run_each_once) {
  scheduler sched(with_workers(GetParam()));
  std::atomic<int> made{0};
  EXPECT_EQ(sched.submit(made_leaves(6, made)).wait().value(), 15'625);
  EXPECT_EQ(made.load(), 19'531);  // with the nodes
}

task<std::string> spell(std::span<std::string> letters) {
  co_await when_all(letters, [](std::size_t i) -> task<std::string> {
    co_return std::string(1, static_cast<char>('a' + i));
  });
  std::string all;
  for (const auto& letter : letters) all += letter;
  co_return all;
}

TEST_P(when_all_with, the_value_of_a_made_child_goes_to_its_place) {
  scheduler sched(with_workers(GetParam()));
  for (int i = 0; i < 100; ++i) {
    std::vector<std::string> letters(10);
    EXPECT_EQ(sched.submit(spell(letters)).wait().value(), "abcdefghij");
  }
}

// Can be copied, but only moved into its place.
struct only_moved_in {
  only_moved_in() = default;
  explicit only_moved_in(std::size_t n) : value(n) {}
  only_moved_in(const only_moved_in&) = default;
  only_moved_in(only_moved_in&&) = default;
  only_moved_in& operator=(only_moved_in&&) = default;
  std::size_t value = 0;
};
task<only_moved_in> give_a_copy(std::size_t i) {
  const only_moved_in kept(i + 1);
  co_return kept;
}
task<std::size_t> sum_of_copies() {
  std::array<only_moved_in, 3> values;
  co_await when_all(std::span(values), [](std::size_t i) { return give_a_copy(i); });
  co_return values[0].value + values[1].value + values[2].value;
}

TEST_P(when_all_with, a_value_that_cannot_be_assigned_as_a_copy_reaches_its_place) {
  scheduler sched(with_workers(GetParam()));
  EXPECT_EQ(sched.submit(sum_of_copies()).wait().value(), 6u);
}

task<int> square(std::size_t i) {
  co_return static_cast<int>(i * i);
}
task<int> sum_of_squares() {
  std::array<int, 4> values{};
  co_await when_all(std::span(values), square);
  co_return values[0] + values[1] + values[2] + values[3];
}

TEST_P(when_all_with, a_function_makes_children_by_its_name) {
  scheduler sched(with_workers(GetParam()));
  EXPECT_EQ(sched.submit(sum_of_squares()).wait().value(), 14);
}

task<int> meet_made(gate& a, gate& b) {
  std::array<int, 2> met{};
  co_await when_all(std::span(met),
                    [&](std::size_t i) { return i == 0 ? meet(a, b) : meet(b, a); });
  co_return met[0] + met[1];
}

TEST_P(when_all_with, made_children_that_wait_for_each_other_get_their_turn) {
  scheduler sched(with_workers(GetParam()));
  for (int i = 0; i < 100; ++i) {
    gate a, b;
    EXPECT_EQ(sched.submit(meet_made(a, b)).wait().value(), 2);
  }
}

task<> count_made(std::size_t children, std::atomic<std::size_t>& made) {
  const auto child = [&](std::size_t) -> task<> {
    made.fetch_add(1);
    co_return;
  };
  co_await when_all(children, child);
}

TEST_P(when_all_with, any_number_of_children_can_be_made) {
  scheduler sched(with_workers(GetParam()));
  for (const std::size_t n : {0u, 1u, 2u, 1000u}) {
    std::atomic<std::size_t> made{0};
    EXPECT_TRUE(sched.submit(count_made(n, made)).wait());
    EXPECT_EQ(made.load(), n);
  }
}

// Counts those between its making and the end of its frame.
struct in_frame {
  explicit in_frame(std::atomic<int>& of) : alive(&of) { most = std::max(most, ++*alive); }
  in_frame(in_frame&& other) noexcept : alive(std::exchange(other.alive, nullptr)) {}
  ~in_frame() {
    if (alive != nullptr) --*alive;
  }
  std::atomic<int>* alive;
  static inline int most = 0;
};
task<> hold(in_frame) {
  co_return;
}
task<> hold_many(std::atomic<int>& alive) {
  co_await when_all(100, [&](std::size_t) { return hold(in_frame(alive)); });
  EXPECT_EQ(alive.load(), 0);  // what a child was given is gone before its parent goes on
}

TEST(when_all, a_child_is_made_when_a_thread_is_free_to_run_it) {
  scheduler sched(with_workers(1));
  std::atomic<int> alive{0};
  in_frame::most = 0;
  EXPECT_TRUE(sched.submit(hold_many(alive)).wait());
  EXPECT_EQ(in_frame::most, 1);
}

// Some throw, some cannot be made.
task<int> odd_fail(scoped_context* scope, std::atomic<int>& ran) {
  std::array<int, 6> values{};
  const auto child = [&](std::size_t i) {
    if (i == 3) throw std::runtime_error("not made");
    ran.fetch_add(1);
    return i % 2 == 1 ? failing("broken") : number(1);
  };
  int failed = 0;
  try {
    if (scope != nullptr) {
      co_await when_all(*scope, std::span(values), child);
    } else {
      co_await when_all(std::span(values), child);
    }
  } catch (const std::runtime_error&) {
    failed = 100;
  }
  co_return failed + values[0] + values[2] + values[4];
}

TEST_P(when_all_with, made_children_run_to_their_end_and_each_failure_is_told_once) {
  scheduler sched(counting_errors(GetParam()));
  for (int i = 0; i < 50; ++i) {
    std::atomic<int> ran{0};
    errors_seen.store(0);
    EXPECT_EQ(sched.submit(odd_fail(nullptr, ran)).wait().value(), 103);
    EXPECT_EQ(ran.load(), 5);
    EXPECT_EQ(errors_seen.load(), 2);  // of three, one was thrown
  }
}

TEST_P(when_all_with, a_made_child_that_fails_cancels_the_scope) {
  scheduler sched(counting_errors(GetParam()));
  auto scope = with_cancel(sched.root());
  std::atomic<int> ran{0};
  EXPECT_EQ(sched.submit(odd_fail(&scope, ran)).wait().value(), 103);
  EXPECT_TRUE(scope.is_done());
}

task<int> none_can_be_made(std::size_t children) {
  int failed = 0;
  try {
    co_await when_all(children, [](std::size_t i) {
      if (i < 1000) throw std::runtime_error(std::to_string(i));
      return nothing();
    });
  } catch (const std::runtime_error&) {
    failed = 1;
  }
  co_return failed;
}

TEST_P(when_all_with, a_join_ends_of_which_no_child_can_be_made) {
  scheduler sched(counting_errors(GetParam()));
  for (const std::size_t n : {1u, 2u, 3u, 50u}) {
    errors_seen.store(0);
    EXPECT_EQ(sched.submit(none_can_be_made(n)).wait().value(), 1);
    EXPECT_EQ(errors_seen.load(), static_cast<int>(n) - 1);
  }
}

task<std::size_t> allocations_of_made_children(int n) {
  std::size_t made = 0;
  for (int i = 0; i < n; ++i) {
    const allocation_count count;
    std::array<int, 40> values;
    co_await when_all(std::span(values), [](std::size_t) { return number(1); });
    if (i >= n / 2) made += count.get();
  }
  co_return made;
}

TEST(when_all, to_make_children_allocates_nothing_in_steady_state) {
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(allocations_of_made_children(1000)).wait().value(), 0u);
}

task<std::string> too_many() {
  std::string said = test::refusal_of([] {
    static_cast<void>(when_all(std::size_t{1} << 31, [](std::size_t) { return nothing(); }));
  });
  co_return said;
}

TEST(when_all, a_number_of_children_out_of_range_is_refused) {
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(too_many()).wait().value(),
            "when_all: 2147483648 children, the limit is 2147483647");
}

}  // namespace
}  // namespace pinion
