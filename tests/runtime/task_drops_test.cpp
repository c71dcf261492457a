// SPDX-License-Identifier: MIT
// Every object in a coroutine is destroyed once: arguments, locals, results, temporaries of awaits.
//
// Compilers have been wrong here, in ways that depend on the optimizer: this is built without and
// with it. What GCC 12 still gets wrong is kept out of the library and named in the guide.
#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <span>
#include <stdexcept>
#include <utility>

#include "tests/support/schedulers.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/when_all.hpp"

namespace pinion {
namespace {

/// Counts those that exist; one that is destroyed twice, or was never made, is found out.
class counted {
 public:
  static inline std::atomic<int> alive{0};
  static inline std::atomic<int> wrong{0};

  explicit counted(int n = 0) : value(n) { alive.fetch_add(1); }
  counted(const counted& other) : value(other.value) { alive.fetch_add(1); }
  counted(counted&& other) noexcept : value(std::exchange(other.value, -1)) { alive.fetch_add(1); }
  counted& operator=(const counted& other) {
    value = other.value;
    return *this;
  }
  ~counted() {
    if (std::exchange(self_, nullptr) != this) wrong.fetch_add(1);
    alive.fetch_sub(1);
  }

  int value;

 private:
  counted* volatile self_ = this;
};

class task_drops : public testing::Test {
 protected:
  ~task_drops() override {
    EXPECT_TRUE(sched.drain().wait());  // what a result was moved from may go after it was fetched
    EXPECT_EQ(counted::alive.load(), 0);
    EXPECT_EQ(counted::wrong.load(), 0);
  }
  scheduler sched{test::with_workers(2)};
};

task<counted> echo(counted by_value) {
  co_return by_value;
}
task<counted> twice(counted n) {
  const counted a = co_await echo(n);           // a copy as argument
  const counted b = co_await echo(counted(1));  // a temporary as argument
  const counted c = co_await echo(std::move(n));
  co_return counted(a.value + b.value + c.value);
}

TEST_F(task_drops, arguments_results_and_temporaries) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(sched.submit(twice(counted(3))).wait().value().value, 7);
}

task<int> use_and_fail(counted local) {
  const counted here(local.value);
  if (here.value == 1) throw std::runtime_error("one");
  co_return here.value;
}
task<int> survive(counted n) {
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    const counted in_loop(i);
    try {
      sum += co_await use_and_fail(in_loop);
    } catch (const std::runtime_error&) {
      sum += n.value;
    }
  }
  co_return sum;
}

TEST_F(task_drops, locals_when_an_exception_goes_through) {
  EXPECT_EQ(sched.submit(survive(counted(10))).wait().value(), 12);
}

TEST_F(task_drops, a_task_that_never_starts) {
  auto never = twice(counted(1));
  const auto moved = std::move(never);
  EXPECT_EQ(counted::alive.load(), 1);
}

task<int> several(counted n) {
  auto [a, b] = co_await when_all(echo(n), twice(n));
  auto all = when_all(echo(a), echo(b));
  const auto named = co_await all;
  co_return std::get<0>(named).value + std::get<1>(named).value;
}

TEST_F(task_drops, children_of_a_join) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(sched.submit(several(counted(1))).wait().value(), 4);
}

task<int> several_made(counted n) {
  std::array<counted, 4> made;
  const auto child = [by_value = n](std::size_t i) {
    return i % 2 == 0 ? echo(by_value) : twice(counted(static_cast<int>(i)));
  };
  co_await when_all(std::span(made), child);
  auto again = when_all(std::span(made), child);
  co_await again;
  int failed = 0;
  try {
    co_await when_all(4, [&](std::size_t i) -> task<> { co_await use_and_fail(made[i]); });
  } catch (const std::runtime_error&) {
    failed = 100;
  }
  co_return failed + made[0].value + made[1].value + made[2].value + made[3].value;
}

TEST_F(task_drops, children_that_are_made) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(sched.submit(several_made(counted(1))).wait().value(), 112);
  }
}

using carrying = op<int, counted>;  // an operation with something in it

class source {
 public:
  carrying take() { return {how_, this, nullptr, counted(5)}; }
  void open() {
    wake_chain woken;
    std::lock_guard lock(waiting);
    open_ = true;
    waiting.claim_all(woken);
  }
  wait_list waiting;

 private:
  static source& of(carrying& o) { return *static_cast<source*>(o.object()); }
  static const carrying::verb how_;
  bool open_ = false;
};
const carrying::verb source::how_{
    .list = [](carrying& o) noexcept -> wait_list& { return of(o).waiting; },
    .try_complete = [](carrying& o) noexcept { return of(o).open_; },
    .enlist = [](carrying& o, waiter& w) noexcept { of(o).waiting.push_back(o.link(w)); },
    .withdraw = [](carrying& o) noexcept { of(o).waiting.remove(o.link()); },
    .take = [](carrying& o) { return result<int>(o.payload().value); }};

task<int> take_from(source& s) {
  const auto suspended = co_await s.take();  // a temporary that lives across the suspension
  auto named = s.take();
  const auto at_once = co_await named;
  int sum = 0;
  if (auto in_condition = co_await s.take()) sum += *in_condition;
  co_return sum + suspended.value() + at_once.value();
}

TEST_F(task_drops, operations_that_carry_something) {
  source s;
  auto answer = sched.submit(take_from(s));
  test::until([&] { return test::waiters_of(s.waiting) == 1; });
  s.open();
  EXPECT_EQ(answer.wait().value(), 15);
}

struct throws_at_its_end {
  throws_at_its_end() = default;
  ~throws_at_its_end() noexcept(false) { throw std::runtime_error("too late"); }
};
task<counted> fails_after_its_value() {
  const throws_at_its_end last;
  co_return counted(1);
}

// Finds: a value that was returned, and is forgotten for an exception that comes after it.
TEST_F(task_drops, a_value_that_was_returned_before_an_exception) {
  EXPECT_EQ(sched.submit(fails_after_its_value()).wait().error(), errc::failed);
}

task<int> fails_to_assign() {
  std::array<counted, 3> values;
  int failed = 0;
  try {
    co_await when_all(std::span(values), [](std::size_t i) {
      return i == 1 ? fails_after_its_value() : echo(counted(2));
    });
  } catch (const std::runtime_error&) {
    failed = 1;
  }
  co_return failed + values[0].value + values[2].value;
}

TEST_F(task_drops, a_made_child_that_fails_after_its_value) {
  EXPECT_EQ(sched.submit(fails_to_assign()).wait().value(), 5);
}

TEST_F(task_drops, a_callable_with_captures_that_makes_a_task) {
  source s;
  auto answer = sched.submit([&s, kept = counted(2)]() -> task<int> {
    const auto n = co_await s.take();
    co_return n.value() + kept.value;
  });
  test::until([&] { return test::waiters_of(s.waiting) == 1; });
  s.open();
  EXPECT_EQ(answer.wait().value(), 7);
  ASSERT_TRUE(sched.drain().wait());
}

}  // namespace
}  // namespace pinion
