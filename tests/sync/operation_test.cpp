// SPDX-License-Identifier: MIT
// How a wait goes: the rules that hold for whatever is waited for.
#include "pinion/sync/operation.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/contexts.hpp"
#include "tests/support/coroutines.hpp"
#include "tests/support/waiting.hpp"
#include "tests/support/waiting_thread.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/time_source.hpp"

namespace {

using pinion::context;
using pinion::errc;
using pinion::result;
using pinion::with_cancel;
using pinion::test::allocation_count;
using pinion::test::detached;
using pinion::test::either;
using pinion::test::gate;
using pinion::test::later;
using pinion::test::mailbox;
using pinion::test::until;
using pinion::test::waiters_of;
using pinion::test::waiting_thread;
using pinion::test::waits_under;

TEST(operation, completes_at_once_when_it_can) {
  gate g;
  g.open();
  EXPECT_TRUE(g.pass().wait());
  mailbox box;
  box.give(7);
  EXPECT_EQ(box.take().wait().value(), 7);
}

TEST(operation, XC_17_what_was_done_before_is_visible_after_the_wait) {
  gate g;
  int before = 0;
  waiting_thread waits(g.pass());
  until([&] { return waiters_of(g.waiting) == 1; });
  before = 7;
  g.open();
  EXPECT_TRUE(waits.get());
  EXPECT_EQ(before, 7);
}

TEST(operation, XC_3_a_context_that_is_done_wins_over_what_is_ready) {
  auto ctx = with_cancel(context::background());
  ctx.cancel(errc::overloaded);
  mailbox box;
  box.give(7);
  const auto r = box.take(ctx).wait();
  EXPECT_EQ(r.error(), errc::canceled);
  EXPECT_EQ(r.error().cause(), make_error_code(errc::overloaded));
  EXPECT_EQ(box.kept(), 1u);  // untouched
}

TEST(operation, XC_2_what_was_handed_over_beats_a_later_cancel) {
  mailbox box;
  for (int n = 0; n < 1000; ++n) {
    auto ctx = with_cancel(context::background());
    waiting_thread waits(box.take(ctx));
    until([&] { return waiters_of(box.waiting) == 1; });
    box.give(n);
    ctx.cancel();
    EXPECT_EQ(waits.get().value(), n);
  }
}

TEST(operation, XC_4_a_cancel_that_wins_takes_nothing) {
  auto ctx = with_cancel(context::background());
  mailbox box;
  waiting_thread waits(box.take(ctx));
  until([&] { return waits_under(ctx) == 1; });
  ctx.cancel();
  box.give(7);
  EXPECT_EQ(waits.get().error(), errc::canceled);
  EXPECT_EQ(box.kept(), 1u);
  EXPECT_EQ(waiters_of(box.waiting), 0u);
}

TEST(operation, a_loser_may_be_run_again) {
  mailbox box;
  auto ctx = with_cancel(context::background());
  auto taking = box.take(ctx);
  std::thread canceller([&] {
    until([&] { return waiters_of(box.waiting) == 1; });
    ctx.cancel();
  });
  EXPECT_EQ(taking.wait().error(), errc::canceled);
  canceller.join();
  EXPECT_FALSE(taking.payload().has_value());
  ctx = with_cancel(context::background());
  box.give(7);
  EXPECT_EQ(taking.wait().value(), 7);
}

TEST(operation, XC_9_first_come_first_served) {
  mailbox box;
  std::vector<std::unique_ptr<waiting_thread<mailbox::taking>>> waits;
  for (std::size_t i = 0; i < 8; ++i) {
    waits.push_back(std::make_unique<waiting_thread<mailbox::taking>>(box.take()));
    until([&] { return waiters_of(box.waiting) == i + 1; });
  }
  for (int i = 0; i < 8; ++i) box.give(i);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(waits[static_cast<std::size_t>(i)]->get().value(), i);
}

TEST(operation, XC_8_several_queues_and_plain_waits_share_an_object) {
  mailbox a, b;
  waiting_thread first(either(nullptr, a.take(), b.take()));
  until([&] { return waiters_of(b.waiting) == 1; });
  waiting_thread second(b.take());
  until([&] { return waiters_of(b.waiting) == 2; });
  b.give(1);
  b.give(2);
  EXPECT_EQ(first.get().value(), 1);
  EXPECT_EQ(second.get().value(), 2);
  EXPECT_EQ(waiters_of(a.waiting), 0u);
}

TEST(operation, an_operation_made_of_others_ends_with_any_of_their_contexts) {
  mailbox a, b;
  auto own = with_cancel(context::background());
  auto of_b = with_cancel(context::background());
  {
    waiting_thread waits(either(&own, a.take(), b.take(of_b)));
    until([&] { return waiters_of(b.waiting) == 1; });
    of_b.cancel(errc::overloaded);
    EXPECT_EQ(waits.get().error().cause(), make_error_code(errc::overloaded));
  }
  of_b = with_cancel(context::background());
  waiting_thread waits(either(&own, a.take(), b.take(of_b)));
  until([&] { return waiters_of(b.waiting) == 1; });
  own.cancel(errc::stopped);
  EXPECT_EQ(waits.get().error().cause(), make_error_code(errc::stopped));
}

TEST(operation, XC_10_waiting_allocates_nothing) {
  auto ctx = with_cancel(context::background());
  gate g;
  std::thread opener([&] {
    until([&] { return waiters_of(g.waiting) == 1; });
    g.open();
  });
  auto pass = g.pass(ctx);
  const allocation_count count;
  EXPECT_TRUE(pass.wait());
  EXPECT_EQ(count.get(), 0u);
  opener.join();
}

class recorder final : public pinion::executor {
 public:
  bool post(pinion::work_item&) noexcept override { return false; }
  void begin_blocking() noexcept override {
    log += '(';
    lent.store(true);
  }
  void end_blocking() noexcept override { log += ')'; }
  pinion::time_source& time() noexcept override { return pinion::system_time(); }

  std::string log;
  std::atomic<bool> lent{false};
};

TEST(operation, XC_11_XC_15_a_wait_that_lasts_parks_and_lends_the_core) {
  recorder mine;
  pinion::executor_scope scope(mine);
  gate g;
  std::thread opener([&] {
    until([&] { return mine.lent.load(); });
    g.open();
  });
  EXPECT_TRUE(g.pass().wait());
  opener.join();
  EXPECT_EQ(mine.log, "()");
  EXPECT_TRUE(g.pass().wait());
  EXPECT_EQ(mine.log, "()");  // nothing to wait for, nothing lent
}

// A coroutine that waits once, and what came of it.
template <class Op>
detached await(Op operation, std::optional<result<typename Op::value_type>>& got) {
  got = co_await operation;
}

TEST(operation, awaited_it_completes_at_once_when_it_can) {
  later where;
  const pinion::executor_scope here(where);
  mailbox box;
  box.give(7);
  std::optional<result<int>> got;
  await(box.take(), got);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->value(), 7);
  EXPECT_EQ(where.run(), 0u);
}

TEST(operation, XC_6_awaited_it_suspends_and_goes_on_where_its_executor_says) {
  later where;
  mailbox box;
  std::optional<result<int>> got;
  {
    const pinion::executor_scope here(where);
    await(box.take(), got);
  }
  EXPECT_FALSE(got.has_value());
  box.give(7);
  EXPECT_FALSE(got.has_value());
  EXPECT_EQ(where.run(), 1u);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->value(), 7);
  EXPECT_EQ(waiters_of(box.waiting), 0u);
}

TEST(operation, XC_3_awaited_with_a_context_that_is_done_it_does_not_suspend) {
  later where;
  const pinion::executor_scope here(where);
  auto ctx = with_cancel(context::background());
  ctx.cancel();
  mailbox box;
  box.give(7);
  std::optional<result<int>> got;
  await(box.take(ctx), got);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->error(), errc::canceled);
  EXPECT_EQ(box.kept(), 1u);
}

TEST(operation, XC_4_awaited_it_is_resumed_by_a_cancel_and_has_taken_nothing) {
  later where;
  const pinion::executor_scope here(where);
  auto ctx = with_cancel(context::background());
  mailbox box;
  std::optional<result<int>> got;
  await(box.take(ctx), got);
  ctx.cancel();
  EXPECT_FALSE(got.has_value());
  box.give(7);
  EXPECT_EQ(where.run(), 1u);
  EXPECT_EQ(got->error(), errc::canceled);
  EXPECT_EQ(box.kept(), 1u);
  EXPECT_EQ(waiters_of(box.waiting), 0u);
}

TEST(operation, XC_2_awaited_what_was_handed_over_beats_a_later_cancel) {
  later where;
  const pinion::executor_scope here(where);
  auto ctx = with_cancel(context::background());
  mailbox a, b;
  std::optional<result<int>> got;
  await(either(&ctx, a.take(), b.take()), got);
  b.give(7);
  ctx.cancel();
  EXPECT_EQ(where.run(), 1u);
  EXPECT_EQ(got->value(), 7);
  EXPECT_EQ(waiters_of(a.waiting), 0u);
}

}  // namespace
