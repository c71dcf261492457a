// SPDX-License-Identifier: MIT
#include "pinion/patterns/singleflight.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/patterns.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

namespace pinion {
namespace {

using test::until;
using flights = singleflight<std::string, int>;
using answer = std::shared_ptr<const int>;

const context& forever_on = context::background();

class singleflight_with : public testing::TestWithParam<std::size_t> {
 protected:
  scheduler sched{test::quiet_workers(GetParam())};
  flights calls{sched};
  test::gate may_end;
  std::atomic<int> ran{0};

  auto call(int value) {
    return [this, value](const context& ctx) -> result<int> {
      ran.fetch_add(1);
      if (auto r = may_end.pass(ctx).wait(); !r) return r.error();
      return value;
    };
  }
};

INSTANTIATE_TEST_SUITE_P(workers, singleflight_with, testing::Values(1, 2, 8),
                         [](const auto& which) { return std::to_string(which.param); });

TEST_P(singleflight_with, SF_1_callers_of_one_key_share_one_call) {
  std::vector<future<answer>> all;
  for (int i = 0; i < 50; ++i) all.push_back(calls.get(forever_on, "key", call(i)));
  may_end.open();
  const answer first = all[0].wait().value();
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_EQ(all[i].wait().value(), first);
  EXPECT_EQ(*first, 0);
  EXPECT_EQ(ran.load(), 1);
}

TEST_P(singleflight_with, SF_2_other_keys_run_at_the_same_time) {
  auto one = calls.get(forever_on, "one", call(1));
  auto two = calls.get(forever_on, "two", call(2));
  until([&] { return test::waiters_of(may_end.waiting) == 2; });
  may_end.open();
  EXPECT_EQ(*one.wait().value(), 1);
  EXPECT_EQ(*two.wait().value(), 2);
}

TEST_P(singleflight_with, SF_3_nothing_is_cached) {
  may_end.open();
  EXPECT_EQ(*calls.get(forever_on, "key", call(1)).wait().value(), 1);
  EXPECT_EQ(*calls.get(forever_on, "key", call(2)).wait().value(), 2);
}

TEST_P(singleflight_with, SF_4_what_is_forgotten_does_not_remove_what_came_after) {
  auto old = calls.get(forever_on, "key", call(1));
  calls.forget("key");
  test::gate newer_may_end;
  auto newer = calls.get(forever_on, "key", [&](const context& ctx) -> result<int> {
    newer_may_end.pass(ctx).wait().value();
    return 2;
  });
  may_end.open();
  EXPECT_EQ(*old.wait().value(), 1);
  auto joined = calls.get(forever_on, "key", call(3));  // the newer one is still in flight
  newer_may_end.open();
  EXPECT_EQ(*newer.wait().value(), 2);
  EXPECT_EQ(*joined.wait().value(), 2);
}

TEST_P(singleflight_with, SF_5_an_exception_reaches_every_caller_as_the_same_object) {
  const auto throws = [this](const context& ctx) -> int {
    (void)may_end.pass(ctx).wait();
    throw std::runtime_error("torn");
  };
  auto one = calls.get(forever_on, "key", throws);
  auto two = calls.get(forever_on, "key", throws);
  may_end.open();
  const error first = one.wait().error();
  EXPECT_EQ(first.exception(), two.wait().error().exception());
  EXPECT_EQ(first.what(), "torn");
  EXPECT_EQ(*calls.get(forever_on, "key", call(1)).wait().value(), 1);  // not cached
}

TEST_P(singleflight_with, SF_6_a_caller_whose_context_ends_leaves_alone) {
  auto ctx = with_cancel(forever_on);
  auto stays = calls.get(forever_on, "key", call(1));
  auto leaves = calls.get(ctx, "key", call(2));
  ctx.cancel(errc::overloaded);
  const auto r = leaves.wait();
  EXPECT_EQ(r.error(), errc::canceled);
  EXPECT_EQ(r.error().cause(), make_error_code(errc::overloaded));
  may_end.open();
  EXPECT_EQ(*stays.wait().value(), 1);
}

struct name : context_key<std::string> {};

TEST_P(singleflight_with, SF_7_the_call_has_the_values_of_the_first_caller_and_no_deadline) {
  auto first = with_timeout(with_value<name>(forever_on, "first"), std::chrono::hours(1));
  test::gate go;
  auto one = calls.get(first, "key", [&](const context& ctx) -> result<int> {
    EXPECT_EQ(*ctx.value<name>(), "first");
    EXPECT_EQ(ctx.deadline(), forever);
    return go.pass(ctx).wait().transform([] { return 1; });
  });
  auto two = calls.get(forever_on, "key", call(2));
  first.cancel();
  EXPECT_EQ(one.wait().error(), errc::canceled);
  go.open();
  EXPECT_EQ(*two.wait().value(), 1);
}

TEST_P(singleflight_with, SF_7_SF_8_when_the_last_one_leaves_the_call_is_canceled) {
  auto ctx = with_cancel(forever_on);
  std::atomic<bool> was_canceled{false};
  auto one = calls.get(ctx, "key", [&](const context& c) -> result<int> {
    (void)may_end.pass(c).wait();
    was_canceled = c.is_done();
    return 1;
  });
  until([&] { return test::waiters_of(may_end.waiting) == 1; });
  ctx.cancel();
  EXPECT_EQ(one.wait().error(), errc::canceled);
  auto anew = calls.get(forever_on, "key", call(2));  // does not join what is dying
  until([&] { return was_canceled.load(); });
  may_end.open();
  EXPECT_EQ(*anew.wait().value(), 2);
}

TEST_P(singleflight_with, SF_9_a_call_that_asks_for_its_own_key_is_told) {
  may_end.open();
  auto outer = calls.get(forever_on, "key", [&](const context& ctx) -> result<int> {
    auto other = calls.get(ctx, "other", [&](const context& deeper) -> result<int> {
      EXPECT_EQ(calls.get(deeper, "key", call(1)).wait().error(), errc::would_deadlock);
      return 5;
    });
    return other.wait().transform([](const answer& a) { return *a; });
  });
  EXPECT_EQ(*outer.wait().value(), 5);
}

// Finds: a key that is compared after its call has gone, under AddressSanitizer.
TEST_P(singleflight_with, SF_9_what_a_call_leaves_behind_may_ask_for_its_key) {
  may_end.open();
  std::optional<context> left;
  (void)calls
      .get(forever_on, "key",
           [&](const context& ctx) {
             left = without_cancel(ctx);
             return 1;
           })
      .wait();
  EXPECT_EQ(*calls.get(*left, "key", call(2)).wait().value(), 2);
}

TEST_P(singleflight_with, XC_3_a_caller_that_is_canceled_starts_nothing) {
  auto ctx = with_cancel(forever_on);
  ctx.cancel();
  EXPECT_EQ(calls.get(ctx, "key", call(1)).wait().error(), errc::canceled);
  EXPECT_EQ(ran.load(), 0);
}

TEST(singleflight, a_scheduler_that_is_closed_runs_nothing) {
  scheduler sched(test::quiet_workers(1));
  flights calls(sched);
  sched.close();
  EXPECT_EQ(calls.get(forever_on, "key", [] { return 1; }).wait().error(), errc::not_started);
}

struct heavy_to_move {
  explicit heavy_to_move(int& left) : moves_left(&left) {}
  heavy_to_move(const heavy_to_move&) = delete;
  heavy_to_move(heavy_to_move&& other) : moves_left(other.moves_left) {
    if ((*moves_left)-- == 0) throw std::runtime_error("moved");
  }
  int operator()() const { return 1; }
  int* moves_left;
};

// Finds: a call that is in the table, and that nobody makes.
TEST(singleflight, XC_14_a_move_of_the_callable_that_throws_leaves_no_call) {
  scheduler sched(test::quiet_workers(1));
  flights calls(sched);
  for (int moves = 0;; ++moves) {
    int left = moves;
    heavy_to_move f(left);
    try {
      EXPECT_EQ(*calls.get(forever_on, "key", std::move(f)).wait().value(), 1);
      break;
    } catch (const std::runtime_error&) {
    }
    EXPECT_EQ(*calls.get(forever_on, "key", [] { return 2; }).wait().value(), 2) << moves;
  }
}

TEST(singleflight, SF_10_the_key_is_freed_with_the_call) {
  scheduler sched(test::quiet_workers(1));
  singleflight<std::shared_ptr<int>, int> calls(sched);
  const auto key = std::make_shared<int>(1);
  (void)calls.get(forever_on, key, [] { return 1; }).wait();
  (void)sched.drain().wait();
  EXPECT_EQ(key.use_count(), 1);
}

}  // namespace
}  // namespace pinion
