// SPDX-License-Identifier: MIT
// Contexts and std::stop_token: the end of one is the end of the other.
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "tests/support/allocations.hpp"
#include "tests/support/contexts.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"

namespace {

using namespace std::chrono_literals;
using namespace pinion::test;
using pinion::context;
using pinion::errc;
using pinion::scoped_context;
using pinion::with_cancel;
using pinion::with_timeout;
using pinion::with_value;

TEST(context_stop, CTX_39_is_canceled_when_the_token_is_stopped) {
  std::stop_source source;
  const auto ctx = context::from(source.get_token());
  auto child = with_cancel(ctx);
  EXPECT_TRUE(ctx.can_end());
  EXPECT_FALSE(ctx.is_done());
  source.request_stop();
  expect_end(ctx, errc::canceled, "canceled");
  EXPECT_TRUE(child.is_done());
  EXPECT_TRUE(context::from(source.get_token()).is_done());  // stopped already
}

TEST(context_stop, CTX_39_of_what_nobody_can_stop_never_ends) {
  EXPECT_EQ(context::from(std::stop_token()), background());
  std::optional<std::stop_source> gone(std::in_place);
  const auto token = gone->get_token();
  gone.reset();
  EXPECT_FALSE(context::from(token).can_end());
}

TEST(context_stop, CTX_39_the_last_handle_may_go_before_during_and_after_the_stop) {
  std::stop_source source;
  { const auto unused = context::from(source.get_token()); }
  auto ctx = std::make_unique<context>(context::from(source.get_token()));
  auto in_stop = std::make_unique<context>(context::from(source.get_token()));
  const auto token = in_stop->stop_token();
  const std::stop_callback drop(token, [&] { in_stop.reset(); });
  source.request_stop();
  EXPECT_EQ(in_stop, nullptr);
  EXPECT_TRUE(ctx->is_done());
}

TEST(context_stop, CTX_40_is_stopped_when_cancel_returns) {
  auto top = with_cancel(background());
  auto below = with_cancel(with_value<first_key>(top, 1));
  const auto token = below.stop_token();
  EXPECT_EQ(token, below.stop_token());
  EXPECT_TRUE(token.stop_possible());
  EXPECT_FALSE(token.stop_requested());
  std::thread::id by;
  const std::stop_callback note(token, [&] {
    EXPECT_TRUE(below.is_done());
    by = std::this_thread::get_id();
  });
  top.cancel();
  EXPECT_TRUE(token.stop_requested());
  EXPECT_EQ(by, std::this_thread::get_id());
  EXPECT_TRUE(below.stop_token().stop_requested());  // asked for after the end
}

TEST(context_stop, CTX_40_a_deadline_stops_it) {
  test_clock clock;
  auto ctx = with_timeout(context::root(clock), 1s);
  const auto token = ctx.stop_token();
  clock.advance(1s);
  EXPECT_TRUE(token.stop_requested());
}

TEST(context_stop, CTX_40_costs_nothing_to_who_never_asks) {
  const allocation_count count;
  {
    auto ctx = with_cancel(background());
    ctx.cancel();
  }
  EXPECT_EQ(count.get(), 1u);
}

TEST(context_stop, CTX_40_of_what_never_ends_never_stops) {
  EXPECT_FALSE(background().stop_token().stop_possible());
  std::stop_token token;
  {
    auto ctx = with_cancel(background());
    token = ctx.stop_token();
    ctx.release();
  }
  EXPECT_FALSE(token.stop_possible());  // nobody is left who could
}

}  // namespace
