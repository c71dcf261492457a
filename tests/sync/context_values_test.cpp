// SPDX-License-Identifier: MIT
// Values of a context: the nearest binding wins, whatever was derived in between.
#include <memory>
#include <utility>
#include <vector>

#include "tests/support/contexts.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"

namespace {

using namespace std::chrono_literals;
using namespace pinion::test;
using pinion::context;
using pinion::context_key;
using pinion::errc;
using pinion::forever;
using pinion::scoped_context;
using pinion::with_cancel;
using pinion::with_timeout;
using pinion::with_value;
using pinion::without_cancel;

TEST(context, CTX_25_the_nearest_binding_of_a_key_type_wins) {
  const auto outer = with_value<name_key>(with_value<first_key>(background(), 1), "a");
  const auto inner = with_value<name_key>(outer, "");
  EXPECT_EQ(*inner.value<first_key>(), 1);
  EXPECT_EQ(inner.value<second_key>(), nullptr);  // same type of value, another key
  EXPECT_EQ(*outer.value<name_key>(), "a");
  EXPECT_EQ(*inner.value<name_key>(), "");
}

TEST(context, CTX_26_values_survive_deriving_and_live_as_long_as_the_last_handle) {
  auto shared = std::make_shared<int>(7);
  struct shared_key : context_key<std::shared_ptr<int>> {};
  {
    context last = background();
    {
      const auto bound = with_value<shared_key>(background(), shared);
      auto canceled = with_cancel(bound);
      auto late = with_timeout(canceled, 1h);
      last = without_cancel(late);
    }
    EXPECT_EQ(*last.value<shared_key>(), shared);
    EXPECT_EQ(shared.use_count(), 2);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(context, CTX_27_lookup_skips_contexts_without_bindings) {
  context ctx = with_value<first_key>(background(), 1);
  std::vector<scoped_context> chain;
  for (int i = 0; i < 10000; ++i) ctx = chain.emplace_back(with_cancel(ctx));
  EXPECT_EQ(*ctx.value<first_key>(), 1);
  EXPECT_EQ(ctx.node().bindings->outer, nullptr);
}

TEST(context, CTX_28_without_cancel_keeps_the_values_and_nothing_else) {
  test_clock clock;
  auto parent = with_timeout(with_value<first_key>(context::root(clock), 1), 1s);
  parent.cancel(user_error("enough"));
  const auto ctx = without_cancel(parent);
  EXPECT_EQ(ctx.status(), errc::ok);
  EXPECT_EQ(ctx.cause(), errc::ok);
  EXPECT_EQ(ctx.deadline(), forever);
  EXPECT_FALSE(ctx.can_end());
  EXPECT_EQ(*ctx.value<first_key>(), 1);
  EXPECT_EQ(&ctx.time(), &clock);
  EXPECT_EQ(without_cancel(with_cancel(background())), background());
}

}  // namespace
