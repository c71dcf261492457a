// SPDX-License-Identifier: MIT
// A task goes where it says, and whoever awaits it goes on where it was.
#include "pinion/runtime/resume_on.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <vector>

#include "tests/support/schedulers.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/when_all.hpp"

namespace pinion {
namespace {

using test::mailbox;
using test::until;
using test::waiters_of;
using test::with_workers;

task<int> visit(scheduler& from, scheduler& to) {
  EXPECT_TRUE(from.this_worker());
  EXPECT_TRUE(co_await to.schedule());
  EXPECT_TRUE(to.this_worker());
  EXPECT_TRUE(co_await resume_on(to));  // it is there
  co_return 7;
}
task<int> stay(scheduler& home, scheduler& away) {
  const int n = co_await visit(home, away);
  EXPECT_TRUE(home.this_worker());
  co_return n;
}

TEST(resume_on, XC_6_moves_the_task_and_not_who_awaits_it) {
  scheduler home(with_workers(2)), away(with_workers(2));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(home.submit(stay(home, away)).wait().value(), 7);
}

task<int> stay_with_many(scheduler& home, scheduler& away) {
  std::array<int, 8> values{};
  co_await when_all(std::span(values), [&](std::size_t) { return visit(home, away); });
  EXPECT_TRUE(home.this_worker());
  int sum = 0;
  for (const int n : values) sum += n;
  co_return sum;
}

TEST(resume_on, XC_6_a_made_child_that_moved_comes_home_before_it_ends) {
  scheduler home(with_workers(2)), away(with_workers(2));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(home.submit(stay_with_many(home, away)).wait().value(), 56);
  }
}

task<> there_and_back(scheduler& a, scheduler& b, scheduler& c) {
  EXPECT_TRUE(co_await b.schedule());
  EXPECT_TRUE(b.this_worker());
  EXPECT_TRUE(co_await c.schedule());
  EXPECT_TRUE(c.this_worker());
  EXPECT_TRUE(co_await a.schedule());
  EXPECT_TRUE(a.this_worker());
  EXPECT_TRUE(co_await c.schedule());
}

TEST(resume_on, POOL_6_each_scheduler_waits_for_its_visitors_and_for_no_others) {
  for (int i = 0; i < 20; ++i) {
    scheduler a(with_workers(1)), b(with_workers(1)), c(with_workers(1));
    for (int k = 0; k < 10; ++k) a.post(there_and_back(a, b, c));
    EXPECT_TRUE(a.drain().wait()->blocking.empty());
    EXPECT_TRUE(b.drain().wait()->blocking.empty());
    EXPECT_TRUE(c.drain().wait()->blocking.empty());
  }
}

task<int> wait_away(scheduler& away, mailbox& box) {
  EXPECT_TRUE(co_await away.schedule());
  const int n = (co_await box.take()).value();
  EXPECT_TRUE(away.this_worker());
  co_return n;
}

TEST(resume_on, XC_7_a_visitor_that_is_suspended_keeps_the_scheduler_from_ending) {
  mailbox box;
  scheduler home(with_workers(1));
  future<int> answer(errc::not_ready);
  {
    scheduler away(with_workers(1));
    answer = home.submit(wait_away(away, box));
    until([&] { return waiters_of(box.waiting) == 1; });
    away.close();
    const auto soon = with_timeout(context::background(), duration::zero());
    EXPECT_FALSE(away.drain(soon).wait()->blocking.empty());
    box.give(7);
  }
  EXPECT_EQ(answer.wait().value(), 7);
}

task<bool> is_refused(scheduler& home, scheduler& closed) {
  const auto gone = co_await closed.schedule();
  EXPECT_TRUE(home.this_worker());
  co_return !gone && gone.error() == errc::stopped;
}

TEST(resume_on, a_closed_scheduler_refuses_and_the_task_goes_on_where_it_is) {
  scheduler home(with_workers(1)), closed(with_workers(1));
  closed.close();
  EXPECT_TRUE(home.submit(is_refused(home, closed)).wait().value());
}

task<int> fail_away(scheduler& away) {
  EXPECT_TRUE(co_await away.schedule());
  throw std::runtime_error("away");
  co_return 0;
}
TEST(resume_on, an_exception_comes_home_too) {
  scheduler home(with_workers(2)), away(with_workers(2));
  const auto only = [&]() -> task<int> {
    int n = 0;
    try {
      (void)co_await fail_away(away);
    } catch (const std::runtime_error&) {
      n = home.this_worker() ? 7 : 0;
    }
    co_return n;
  };
  EXPECT_EQ(home.submit(only).wait().value(), 7);
}

task<std::size_t> end_of(scheduler& other) {
  auto draining = other.drain();
  const auto report = co_await draining;
  co_return report ? report->ran : 0;
}
task<bool> end_of_own(scheduler& own) {
  const auto report = co_await own.drain();
  co_return !report && report.error() == errc::would_deadlock;
}

TEST(resume_on, POOL_10_a_task_awaits_the_end_of_another_scheduler_but_not_of_its_own) {
  scheduler home(with_workers(1)), other(with_workers(1));
  mailbox box;
  other.post([](mailbox& from) -> task<> { (void)co_await from.take(); }(box));
  auto answer = home.submit(end_of(other));
  until([&] { return waiters_of(box.waiting) == 1; });
  box.give(1);
  EXPECT_EQ(answer.wait().value(), 1u);
  EXPECT_TRUE(home.submit(end_of_own(home)).wait().value());
}

task<> take_turns(std::vector<int>& order, int who) {
  for (int i = 0; i < 3; ++i) {
    order.push_back(who);
    co_await yield();
  }
}

TEST(resume_on, yield_lets_others_of_the_worker_go_first) {
  std::vector<int> order;
  scheduler sched(with_workers(1));
  sched
      .submit([&] {
        sched.post(take_turns(order, 1));
        sched.post(take_turns(order, 2));
      })
      .wait()
      .value();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(order, (std::vector{1, 2, 1, 2, 1, 2}));
}

}  // namespace
}  // namespace pinion
