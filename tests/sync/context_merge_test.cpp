// SPDX-License-Identifier: MIT
// A context with two parents ends with either, once, and leaves nothing with the other.
#include "src/sync/context_merge.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/contexts.hpp"
#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using namespace pinion::test;
using pinion::context;
using pinion::context_key;
using pinion::errc;
using pinion::error;
using pinion::forever;
using pinion::scoped_context;
using pinion::with_cancel;
using pinion::with_either;
using pinion::with_timeout;
using pinion::with_value;
using pinion::without_cancel;

struct context_merge : testing::Test {
  scoped_context a = with_cancel(background());
  scoped_context b = with_cancel(background());
};

TEST_F(context_merge, CTX_38_ends_with_whichever_ends_first_and_as_it_did) {
  {
    auto both = with_either(a, b);
    auto below = with_cancel(both);
    b.cancel(user_error("of b"));
    expect_end(both, errc::canceled, "of b");
    expect_end(below, errc::canceled, "of b");
    EXPECT_FALSE(a.is_done());
    a.cancel(user_error("of a"));
    expect_end(both, errc::canceled, "of b");
  }
  auto c = with_cancel(background());
  auto d = with_cancel(background());
  auto both = with_either(c, d);
  c.cancel(user_error("of c"));
  expect_end(both, errc::canceled, "of c");
}

TEST_F(context_merge, CTX_38_canceling_it_affects_neither) {
  auto both = with_either(a, b);
  EXPECT_TRUE(both.cancel());
  EXPECT_FALSE(a.is_done() || b.is_done());
}

TEST_F(context_merge, CTX_38_of_what_has_ended_has_ended_too) {
  b.cancel(user_error("of b"));
  expect_end(with_either(a, b), errc::canceled, "of b");
  expect_end(with_either(b, a), errc::canceled, "of b");
  EXPECT_EQ(children_of(a) + children_of(b), 0u);
}

TEST_F(context_merge, CTX_38_the_earlier_deadline_counts) {
  test_clock clock;
  const auto root = context::root(clock);
  const auto start = clock.now();
  auto sooner = with_timeout(root, 1s, user_error("sooner"));
  auto later = with_timeout(root, 2s, user_error("later"));
  auto both = with_either(later, sooner);
  EXPECT_EQ(both.deadline(), start + 1s);
  EXPECT_EQ(&both.time(), &clock);
  clock.advance(1s);
  expect_end(both, errc::deadline_exceeded, "sooner");
  EXPECT_FALSE(later.is_done());
}

TEST_F(context_merge, CTX_38_it_leaves_nothing_behind) {
  for (int i = 0; i < 100; ++i) {
    auto dropped = with_either(a, b);
    dropped.release();
    auto canceled = with_either(b, a);
    EXPECT_EQ(children_of(a) + children_of(b), 4u);
    canceled.cancel();
    EXPECT_EQ(children_of(a) + children_of(b), 2u);
  }
  EXPECT_EQ(children_of(a) + children_of(b), 0u);
  auto kept = with_either(a, b);
  b.cancel();
  EXPECT_EQ(children_of(a), 0u);
}

TEST_F(context_merge, CTX_38_what_ends_anyway_is_not_watched) {
  auto below = with_cancel(a);
  auto same = with_either(a, a);
  auto up = with_either(below, a);
  auto down = with_either(a, below);
  const auto plain = with_either(background(), with_value<first_key>(background(), 1));
  EXPECT_EQ(children_of(a), 2u);      // below and same
  EXPECT_EQ(children_of(below), 2u);  // up and down
  below.cancel();
  EXPECT_TRUE(up.is_done() && down.is_done());
  EXPECT_FALSE(same.is_done() || plain.is_done());
  a.cancel();
  EXPECT_TRUE(same.is_done());
}

TEST_F(context_merge, CTX_26_values_of_the_first_hide_those_of_the_second) {
  auto shared = with_value<second_key>(background(), 9);
  std::optional<context> both;
  {
    const auto first = with_value<first_key>(shared, 1);
    const auto second = with_value<name_key>(with_value<first_key>(shared, 2), "second");
    auto under_a = with_cancel(first);
    auto under_b = with_cancel(second);
    auto merged = with_either(under_a, under_b);
    merged.release();
    both = merged;
    auto reverse = with_either(second, first);  // neither ends
    EXPECT_EQ(*reverse.value<first_key>(), 2);
    EXPECT_EQ(*reverse.value<name_key>(), "second");
    auto suffix = with_either(first, shared);
    EXPECT_EQ(suffix.node().bindings, first.node().bindings);
  }
  EXPECT_EQ(*both->value<first_key>(), 1);
  EXPECT_EQ(*both->value<name_key>(), "second");
  EXPECT_EQ(*both->value<second_key>(), 9);
}

TEST_F(context_merge, CTX_14_ends_after_its_parent_and_takes_all_below_along) {
  auto both = with_either(a, b);
  auto twice = with_either(with_cancel(background()), both);
  std::vector<scoped_context> below;
  for (int i = 0; i < 100; ++i) below.push_back(with_cancel(i % 2 == 0 ? both : twice));
  b.cancel(user_error("of b"));
  EXPECT_TRUE(twice.is_done());
  for (auto& ctx : below) EXPECT_TRUE(ctx.is_done());
}

TEST_F(context_merge, CTX_13_a_long_chain_of_merges_ends_and_goes_in_constant_stack) {
  for (const bool first : {true, false}) {
    const auto top = std::make_unique<scoped_context>(with_cancel(background()));
    auto side = with_cancel(background());
    context last = *top;
    for (int i = 0; i < 100000; ++i) {
      auto next = first ? with_either(last, side) : with_either(side, last);
      next.release();
      last = next;
    }
    EXPECT_LE(pinion::detail::cancel_node::of(last.node())->merges, 1u);
    top->cancel();
    EXPECT_TRUE(last.is_done());
  }
}

}  // namespace
