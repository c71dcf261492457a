// SPDX-License-Identifier: MIT
// The first child of several decides, the others are canceled and waited for.
#include "pinion/runtime/when_any.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "tests/support/schedulers.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"

namespace pinion {
namespace {

using test::counting_errors;
using test::errors_seen;
using test::mailbox;
using test::until;
using test::waiters_of;
using test::with_workers;

class when_any_with : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(workers, when_any_with, testing::Values(1, 2, 4));

task<int> failing(std::string why) {
  throw std::runtime_error(why);
  co_return 0;
}
task<int> take(const context& ctx, mailbox& box) {
  co_return (co_await box.take(ctx)).value();
}

task<int> race(const context& ctx, mailbox& a, mailbox& b) {
  auto scope = with_cancel(ctx);
  const auto won = co_await when_any(scope, take(scope, a), take(scope, b));
  co_return static_cast<int>(won.index) * 10 + won.value;
}

TEST_P(when_any_with, gives_the_first_and_cancels_and_joins_the_others) {
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

TEST_P(when_any_with, throws_what_the_first_threw) {
  scheduler sched(with_workers(GetParam()));
  mailbox box;
  EXPECT_EQ(sched.submit(first_fails(sched.root(), box)).wait().value(), -1);
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

TEST_P(when_any_with, XC_4_a_program_ends_wherever_it_is_canceled_and_leaves_nothing) {
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
