// SPDX-License-Identifier: MIT
// A select that a coroutine awaits.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/support/coroutines.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/channel.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/select.hpp"
#include "pinion/sync/timer.hpp"

namespace {

using namespace std::chrono_literals;
using pinion::channel;
using pinion::context;
using pinion::errc;
using pinion::result;
using pinion::select;
using pinion::select_biased;
using pinion::sleep;
using pinion::when;
using pinion::with_cancel;
using pinion::test::detached;
using pinion::test::gate;
using pinion::test::later;
using pinion::test::waiters_of;

template <class Op>
using outcome = std::optional<result<typename std::remove_cvref_t<Op>::value_type>>;

// A coroutine that waits once, and what came of it.
template <class Op>
detached await(Op operation, outcome<Op>& got) {
  got = co_await std::move(operation);
}

TEST(select_coroutine, SEL_20_what_is_ready_is_taken_without_suspending) {
  later where;
  const pinion::executor_scope here(where);
  channel<int> numbers(1);
  channel<std::string> words(1);
  ASSERT_TRUE(words.try_send("seven"));
  auto any = select(numbers.recv(), words.recv());
  outcome<decltype(any)> got;
  await(std::move(any), got);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(get<1>(**got).value(), "seven");
  EXPECT_EQ(where.run(), 0u);
}

TEST(select_coroutine, SEL_20_it_goes_on_where_its_executor_says_and_leaves_nothing) {
  later where, elsewhere;
  channel<int> numbers;
  channel<std::unique_ptr<int>> pointers;
  auto ctx = with_cancel(context::background());
  auto any = select(ctx, numbers.recv(), pointers.recv(), numbers.send(1));
  outcome<decltype(any)> got;
  {
    const pinion::executor_scope here(where);
    await(std::move(any), got);
  }
  EXPECT_EQ(numbers.waiting_to_receive() + numbers.waiting_to_send(), 2u);
  {
    const pinion::executor_scope there(elsewhere);
    ASSERT_TRUE(pointers.try_send(std::make_unique<int>(7)));
  }
  ctx.cancel();  // too late: what was handed over is received
  EXPECT_FALSE(got.has_value());
  EXPECT_EQ(elsewhere.run(), 0u);
  EXPECT_EQ(where.run(), 1u);
  ASSERT_TRUE(got.has_value() && got->has_value());
  EXPECT_EQ(*get<1>(**got).value(), 7);
  EXPECT_EQ(numbers.waiting_to_receive() + numbers.waiting_to_send(), 0u);
  EXPECT_EQ(pointers.waiting_to_receive(), 0u);
}

TEST(select_coroutine, SEL_20_a_cancel_resumes_it_and_it_has_left_every_line) {
  later where;
  const pinion::executor_scope here(where);
  channel<int> one, two;
  auto ctx = with_cancel(context::background());
  auto any = select(ctx, one.recv(), two.send(7));
  outcome<decltype(any)> got;
  await(std::move(any), got);
  EXPECT_EQ(one.waiting_to_receive() + two.waiting_to_send(), 2u);
  ctx.cancel();
  EXPECT_EQ(two.try_recv().error(), errc::not_ready);  // nothing is sent
  EXPECT_EQ(where.run(), 1u);
  EXPECT_EQ(got->error(), errc::canceled);
  EXPECT_EQ(one.waiting_to_receive() + two.waiting_to_send(), 0u);
}

TEST(select_coroutine, SEL_2_with_a_context_that_is_done_no_case_is_tried) {
  later where;
  const pinion::executor_scope here(where);
  channel<int> numbers(1);
  ASSERT_TRUE(numbers.try_send(7));
  auto ctx = with_cancel(context::background());
  ctx.cancel();
  auto any = select(ctx, numbers.recv());
  outcome<decltype(any)> got;
  await(std::move(any), got);
  EXPECT_EQ(got->error(), errc::canceled);
  EXPECT_EQ(numbers.try_recv().value(), 7);
}

TEST(select_coroutine, SEL_15_two_that_wait_meet_once) {
  later where;
  const pinion::executor_scope here(where);
  channel<int> x, y;
  auto sends = select(x.send(1), y.send(2));
  auto receives = select(y.recv(), x.recv());
  outcome<decltype(sends)> sent;
  outcome<decltype(receives)> received;
  await(std::move(sends), sent);
  EXPECT_FALSE(sent.has_value());
  await(std::move(receives), received);
  ASSERT_TRUE(received.has_value());  // it has found the other one
  EXPECT_EQ(where.run(), 1u);
  ASSERT_TRUE(sent.has_value());
  EXPECT_EQ((*sent)->index(), 1 - (*received)->index());
  EXPECT_EQ((*received)->match([](result<int>& n) { return n.value(); },
                               [](result<int>& n) { return n.value(); }),
            static_cast<int>((*sent)->index()) + 1);
  EXPECT_EQ(x.waiting_to_send() + y.waiting_to_send(), 0u);
}

// Each round has a new chance to let a timeout win: in half of them the case drawn first is the one
// that is never ready.
detached poll(gate& g, int rounds, int& timed_out, int& passed) {
  gate never;
  for (int i = 0; i < rounds; ++i) {
    auto won = co_await select(sleep(0s), g.pass(), when(true, sleep(-1s)), never.pass());
    ++(won->index() == 1 ? passed : timed_out);
  }
}

TEST(select_coroutine, SEL_8_a_timeout_of_zero_loses_against_all_that_is_ready) {
  later where;
  const pinion::executor_scope here(where);
  gate g;
  int timed_out = 0, passed = 0;
  poll(g, 50, timed_out, passed);
  EXPECT_EQ(timed_out, 50);  // and it has never waited
  g.open();
  poll(g, 50, timed_out, passed);
  EXPECT_EQ(timed_out, 50);
  EXPECT_EQ(passed, 50);
}

TEST(select_coroutine, SEL_8_a_timeout_ends_it) {
  pinion::manual_clock clock;
  const context root = clock.root();
  later where;
  const pinion::executor_scope here(where);
  channel<int> numbers;
  auto any = select(numbers.recv(), sleep(root, 5s));
  outcome<decltype(any)> got;
  await(std::move(any), got);
  clock.advance(5s - 1ns);
  EXPECT_EQ(where.run(), 0u);
  clock.advance(1ns);
  EXPECT_EQ(where.run(), 1u);
  EXPECT_EQ((*got)->index(), 1u);
  EXPECT_EQ(numbers.waiting_to_receive(), 0u);
}

}  // namespace
