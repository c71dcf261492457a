// SPDX-License-Identifier: MIT
#include "pinion/patterns/channel_stage.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/patterns.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

namespace pinion {
namespace {

using test::counted;
using test::until;

const context& forever_on = context::background();

auto counted_up_to(int n) {
  return [n, next = 0]() mutable -> std::optional<counted> {
    if (next == n) return std::nullopt;
    return counted(next++);
  };
}
constexpr int endless = -1;

counted same(counted c) {
  return c;
}

class channel_stage_with : public testing::TestWithParam<std::size_t> {
 protected:
  ~channel_stage_with() override { EXPECT_EQ(counted::alive.load(), 0); }

  receiver<counted> numbers(int n) { return channel_source(sched, forever_on, counted_up_to(n)); }
  template <class F>
  receiver<counted> staged(receiver<counted> from, F f, std::size_t concurrency = 1) {
    return channel_stage(sched, forever_on, std::move(from), std::move(f),
                         {.concurrency = concurrency});
  }

  scheduler sched{test::quiet_workers(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(workers, channel_stage_with, testing::Values(1, 2, 8),
                         [](const auto& which) { return std::to_string(which.param); });

std::vector<int> values_of(receiver<counted>& from) {
  std::vector<int> all;
  for (const counted& c : from) all.push_back(c.value());
  return all;
}

TEST_P(channel_stage_with, PL_15_the_end_goes_downward_and_items_keep_their_order) {
  auto end = staged(staged(numbers(1000), same), same);
  EXPECT_EQ(values_of(end), test::numbers(1000));
  EXPECT_EQ(end.recv().wait().error().cause(), make_error_code(errc::closed));
  EXPECT_TRUE(sched.drain().wait());
}

TEST_P(channel_stage_with, PL_1_each_item_passes_each_stage_once) {
  std::atomic<int> calls{0};
  const auto count = [&](counted c) {
    calls.fetch_add(1);
    return c;
  };
  auto end = staged(staged(numbers(1000), count, 3), count, 0);
  auto all = values_of(end);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, test::numbers(1000));
  EXPECT_EQ(calls.load(), 2000);
  EXPECT_TRUE(sched.drain().wait());
}

// The first few of endlessly many, read behind each stage: nothing is left behind. A send that did
// not fail when nobody receives would keep the drain waiting.
TEST_P(channel_stage_with, PL_15_who_leaves_early_ends_all_before_it) {
  for (const std::size_t concurrency : {1u, 3u}) {
    for (int stages = 0; stages < 4; ++stages) {
      scheduler own(test::quiet_workers(GetParam()));
      auto end = channel_source(own, forever_on, counted_up_to(endless));
      for (int i = 0; i < stages; ++i) {
        end = channel_stage(own, forever_on, std::move(end), same, {.concurrency = concurrency});
      }
      for (int n = 0; n < 40; ++n) EXPECT_TRUE(end.recv().wait());
      { const auto gone = std::move(end); }
      EXPECT_TRUE(own.drain().wait());
      EXPECT_EQ(counted::alive.load(), 0);
    }
  }
}

TEST_P(channel_stage_with, PL_8_a_dropped_item_goes_no_further) {
  auto end = staged(numbers(100), [](counted c) -> std::optional<counted> {
    if (c.value() % 10 != 0) return std::nullopt;
    return c;
  });
  EXPECT_EQ(values_of(end), (std::vector<int>{0, 10, 20, 30, 40, 50, 60, 70, 80, 90}));
  EXPECT_TRUE(sched.drain().wait());
}

TEST_P(channel_stage_with, PL_9_the_first_error_is_the_end_and_its_cause) {
  for (const std::size_t concurrency : {1u, 3u}) {
    scheduler own(test::quiet_workers(GetParam()));
    auto source = channel_source(own, forever_on, counted_up_to(endless));
    auto fails = channel_stage(own, forever_on, std::move(source),
                               [](counted c) -> result<counted> {
                                 if (c.value() == 50) return errc::overloaded;
                                 return c;
                               },
                               {.concurrency = concurrency});
    auto end = channel_stage(own, forever_on, std::move(fails), same);
    const auto all = values_of(end);
    if (concurrency == 1) {
      EXPECT_EQ(all, test::numbers(50));
    }
    EXPECT_EQ(end.recv().wait().error(), errc::closed);
    EXPECT_EQ(end.recv().wait().error().cause(), make_error_code(errc::overloaded));
    EXPECT_TRUE(own.drain().wait());
  }
}

// One task waits for an input that does not come while another one fails.
TEST_P(channel_stage_with, PL_9_an_error_ends_those_that_wait_too) {
  channel<int> in;
  sender<int> to(in);
  auto end = channel_stage(sched, forever_on, receiver<int>(in),
                           [](int) -> result<int> { return errc::overloaded; }, {.concurrency = 3});
  EXPECT_TRUE(to.send(1).wait());
  EXPECT_EQ(end.recv().wait().error().cause(), make_error_code(errc::overloaded));
  EXPECT_TRUE(sched.drain().wait());
  EXPECT_EQ(to.send(2).wait().error(), errc::closed);
}

TEST_P(channel_stage_with, PL_9_an_exception_keeps_its_identity) {
  for (const bool in_source : {true, false}) {
    scheduler own(test::quiet_workers(GetParam()));
    const auto made = std::make_exception_ptr(std::runtime_error("torn"));
    const auto maybe = [&](bool here, int n) {
      if (here && n == 3) std::rethrow_exception(made);
    };
    auto source = channel_source(own, forever_on, [&, n = 0]() mutable {
      maybe(in_source, n);
      return n++;
    });
    auto end = channel_stage(own, forever_on, std::move(source), [&](int n) {
      maybe(!in_source, n);
      return n;
    });
    for (int n = 0; n < 3; ++n) EXPECT_EQ(end.recv().wait().value(), n);
    EXPECT_EQ(end.recv().wait().error().exception(), made);
    EXPECT_TRUE(own.drain().wait());
  }
}

TEST_P(channel_stage_with, PL_7_closed_ends_a_source_and_any_other_error_is_a_cause) {
  for (const errc how : {errc::closed, errc::overloaded}) {
    auto end = channel_source(sched, forever_on, [how, n = 0]() mutable -> result<int> {
      if (n == 3) return how;
      return n++;
    });
    for (int n = 0; n < 3; ++n) EXPECT_EQ(end.recv().wait().value(), n);
    EXPECT_EQ(end.recv().wait().error(), errc::closed);
    EXPECT_EQ(end.recv().wait().error().cause(), make_error_code(how));
  }
}

TEST_P(channel_stage_with, PL_10_a_cancel_ends_it_and_every_item_is_accounted_for) {
  std::atomic<int> made{0}, undelivered{0};
  channel_options<counted> out{.capacity = 4,
                               .on_undelivered = [&](counted&&) { undelivered.fetch_add(1); }};
  auto ctx = with_cancel(forever_on);
  auto first = channel_source(
      sched, ctx, [&] { return counted(made.fetch_add(1)); }, out);
  auto end = channel_stage(sched, ctx, std::move(first), same, {.concurrency = 2, .out = out});
  for (int n = 0; n < 20; ++n) EXPECT_TRUE(end.recv().wait());
  ctx.cancel(errc::overloaded);
  const int received = 20 + static_cast<int>(values_of(end).size());
  EXPECT_EQ(end.recv().wait().error().cause(), make_error_code(errc::overloaded));
  EXPECT_TRUE(sched.drain().wait());
  EXPECT_EQ(received + undelivered.load(), made.load());
}

TEST_P(channel_stage_with, PL_6_PL_14_as_many_calls_wait_at_once_as_are_allowed) {
  test::gate may_end;
  std::atomic<int> inside{0};
  auto end = staged(
      numbers(20),
      [&](const context& ctx, counted c) -> result<counted> {
        inside.fetch_add(1);
        return may_end.pass(ctx).wait().transform([&] { return std::move(c); });
      },
      4);
  until([&] { return inside.load() == 4; });
  EXPECT_TRUE(sched.submit([] { return true; }).wait().value());
  EXPECT_EQ(inside.load(), 4);
  may_end.open();
  EXPECT_EQ(values_of(end).size(), 20u);
  EXPECT_TRUE(sched.drain().wait());
}

TEST_P(channel_stage_with, a_scheduler_that_stops_ends_it) {
  auto end = staged(numbers(endless), same);
  EXPECT_TRUE(end.recv().wait());
  (void)sched.stop().wait();
  (void)values_of(end);
  EXPECT_NE(end.recv().wait().error().cause(), make_error_code(errc::closed));
}

TEST(channel_stage, a_scheduler_that_is_closed_takes_nothing) {
  scheduler sched(test::quiet_workers(1));
  sched.close();
  auto end = channel_stage(sched, forever_on, channel_source(sched, forever_on, [] { return 1; }),
                           [](int n) { return n; });
  EXPECT_EQ(end.recv().wait().error().cause(), make_error_code(errc::stopped));
}

TEST(channel_stage, XC_10_allocates_nothing_per_item) {
  scheduler sched(test::quiet_workers(2));
  const auto all_of_them = [&] {
    auto first = channel_source(sched, forever_on, [n = 0]() mutable -> std::optional<int> {
      if (n == 30'000) return std::nullopt;
      return n++;
    });
    auto end = channel_stage(sched, forever_on, std::move(first), [](int n) { return n; },
                             {.concurrency = 2});
    int count = 0;
    for (const int n : end) count += n >= 0;
    EXPECT_EQ(count, 30'000);
  };
  EXPECT_LT(test::allocations_once_warm(all_of_them), 60u);
}

}  // namespace
}  // namespace pinion
