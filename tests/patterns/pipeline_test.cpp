// SPDX-License-Identifier: MIT
#include "pinion/patterns/pipeline.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/patterns.hpp"
#include "tests/support/refusal.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"

namespace pinion {
namespace {

using test::gauge;
using test::until;

const context& forever_on = context::background();

/// The numbers below n, one after the other.
auto up_to(int n) {
  return [n, next = 0]() mutable -> std::optional<int> {
    if (next == n) return std::nullopt;
    return next++;
  };
}

class pipeline_with : public testing::TestWithParam<std::size_t> {
 protected:
  scheduler sched{test::quiet_workers(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(workers, pipeline_with, testing::Values(1, 2, 8),
                         [](const auto& which) { return std::to_string(which.param); });

constexpr mode all_modes[] = {mode::parallel, mode::serial_in_order, mode::serial_any_order};

// Goal: each stage sees each item once, after the stage before it, whatever the modes are.
TEST_P(pipeline_with, PL_1_each_item_visits_each_stage_once_in_order) {
  for (const mode first : all_modes) {
    for (const mode second : all_modes) {
      for (const std::size_t tokens : {1U, 3U, 64U}) {
        std::vector<std::atomic<int>> at(500);
        const auto step = [&](int from) {
          return [&at, from](int n) {
            EXPECT_EQ(at[static_cast<std::size_t>(n)].exchange(from + 1), from);
            return n;
          };
        };
        auto work = source(up_to(500)) | stage(first, step(0)) | stage(second, step(1)) |
                    sink(first, [&, last = step(2)](int n) { last(n); });
        const auto report =
            std::move(work).run(sched, forever_on, {.max_in_flight = tokens}).wait();
        ASSERT_TRUE(report);
        EXPECT_EQ(report->produced, 500u);
        EXPECT_EQ(report->delivered, 500u);
        for (auto& a : at) EXPECT_EQ(a.load(), 3);
      }
    }
  }
}

TEST_P(pipeline_with, PL_2_never_more_in_flight_than_tokens) {
  for (const std::size_t tokens : {1U, 2U, 5U}) {
    gauge in_flight;
    auto work = source([&, next = up_to(400)]() mutable {
                  in_flight.enter();
                  auto n = next();
                  if (!n) in_flight.leave();
                  return n;
                }) |
                stage(mode::parallel,
                      [](int n) {
                        std::this_thread::yield();
                        return n;
                      }) |
                sink(mode::parallel, [&](int) { in_flight.leave(); });
    ASSERT_TRUE(std::move(work).run(sched, forever_on, {.max_in_flight = tokens}).wait());
    EXPECT_LE(in_flight.most(), static_cast<int>(tokens));
  }
}

TEST_P(pipeline_with, PL_3_PL_5_serial_stages_have_one_item_at_a_time) {
  gauge in_source, in_stage, in_sink;
  const auto inside = [](gauge& g) {
    g.enter();
    std::this_thread::yield();
    g.leave();
  };
  int seen = 0;  // plain: the sanitizer sees two at once
  auto work = source([&, next = up_to(500)]() mutable {
                inside(in_source);
                return next();
              }) |
              stage(mode::parallel, [](int n) { return n; }) |
              stage(mode::serial_any_order,
                    [&](int n) {
                      inside(in_stage);
                      ++seen;
                      return n;
                    }) |
              sink(mode::serial_in_order, [&](int) { inside(in_sink); });
  ASSERT_TRUE(std::move(work).run(sched, forever_on).wait());
  EXPECT_EQ(seen, 500);
  EXPECT_EQ(in_source.most(), 1);
  EXPECT_EQ(in_stage.most(), 1);
  EXPECT_EQ(in_sink.most(), 1);
}

TEST_P(pipeline_with, PL_4_an_ordered_stage_keeps_the_order_of_the_source) {
  std::vector<int> seen;
  auto work = source(up_to(2000)) |
              stage(mode::parallel,
                    [](int n) {
                      for (int i = n % 7; i > 0; --i) std::this_thread::yield();
                      return n;
                    }) |
              stage(mode::serial_any_order, [](int n) { return n; }) |
              sink(mode::serial_in_order, [&](int n) { seen.push_back(n); });
  ASSERT_TRUE(std::move(work).run(sched, forever_on, {.max_in_flight = 16}).wait());
  ASSERT_EQ(seen.size(), 2000u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

// Goal: a parallel stage has as many items at once as there are tokens, however few workers.
// Method: each item waits for the others. A thread that waits lends its seat.
// Finds: a batch that nobody may rob; a runner that does not post another one.
TEST_P(pipeline_with, PL_6_as_many_at_once_as_there_are_tokens) {
  constexpr int at_once = 4;
  for (const bool warm : {false, true}) {
    std::barrier together(at_once);
    const int quick = warm ? 20'000 : 0;  // items that let batches grow before
    auto work = source(up_to(quick + 10 * at_once)) |
                stage(mode::parallel,
                      [&](int n) {
                        if (n >= quick) blocking([&] { together.arrive_and_wait(); });
                        return n;
                      }) |
                sink(mode::parallel, [](int) {});
    const auto report = std::move(work).run(sched, forever_on, {.max_in_flight = at_once}).wait();
    EXPECT_EQ(report.value().delivered, static_cast<std::uint64_t>(quick + 10 * at_once));
  }
}

TEST_P(pipeline_with, PL_7_the_end_of_the_source_is_no_item) {
  int calls = 0;
  auto none = source([&]() -> std::optional<int> {
                ++calls;
                return std::nullopt;
              }) |
              sink(mode::parallel, [](int) { ADD_FAILURE(); });
  const auto report = std::move(none).run(sched, forever_on).wait();
  EXPECT_EQ(report.value().produced, 0u);
  EXPECT_EQ(calls, 1);
  auto closed =
      source([]() -> result<int> { return errc::closed; }) | sink(mode::parallel, [](int) {});
  EXPECT_EQ(std::move(closed).run(sched, forever_on).wait().value().produced, 0u);
}

TEST_P(pipeline_with, PL_8_a_dropped_item_does_not_hold_up_the_order) {
  std::vector<int> seen;
  auto work = source(up_to(1000)) |
              stage(mode::parallel,
                    [](int n) -> std::optional<int> {
                      if (n % 3 == 0) return std::nullopt;
                      return n;
                    }) |
              stage(mode::serial_in_order,
                    [](int n) -> std::optional<int> {
                      if (n % 3 == 1) return std::nullopt;
                      return n;
                    }) |
              sink(mode::serial_in_order, [&](int n) { seen.push_back(n); });
  const auto report = std::move(work).run(sched, forever_on, {.max_in_flight = 5}).wait();
  EXPECT_EQ(report.value().dropped, 667u);
  EXPECT_EQ(report.value().delivered, 333u);
  ASSERT_EQ(seen.size(), 333u);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], static_cast<int>(3 * i + 2));
}

// The whole order may depend on one that is late: those behind it are dropped and wait for it.
TEST_P(pipeline_with, PL_8_PL_11_empty_places_wait_for_one_that_is_late) {
  test::gate late;
  std::atomic<int> dropped{0};
  auto work = source(up_to(40)) |
              stage(mode::parallel,
                    [&](const context& ctx, int n) -> std::optional<int> {
                      if (n == 0) {
                        late.pass(ctx).wait().value();
                        return n;
                      }
                      if (dropped.fetch_add(1) == 2) late.open();
                      return std::nullopt;
                    }) |
              stage(mode::serial_in_order, [](int n) { return n; }) |
              sink(mode::serial_in_order, [](int) {});
  const auto report = std::move(work).run(sched, forever_on, {.max_in_flight = 4}).wait();
  EXPECT_EQ(report.value().delivered, 1u);
  EXPECT_EQ(report.value().dropped, 39u);
}

TEST_P(pipeline_with, PL_12_one_token_makes_it_sequential) {
  std::string seen;
  auto work = source([&, next = up_to(5)]() mutable {
                seen += 'a';
                return next();
              }) |
              stage(mode::parallel,
                    [&](int n) {
                      seen += 'b';
                      return n;
                    }) |
              sink(mode::serial_any_order, [&](int) { seen += 'c'; });
  ASSERT_TRUE(std::move(work).run(sched, forever_on, {.max_in_flight = 1}).wait());
  EXPECT_EQ(seen, "abcabcabcabcabca");
}

TEST_P(pipeline_with, PL_13_nested_pipelines_do_not_deadlock) {
  const auto inner = [&](int n) {
    int sum = 0;
    auto work = source(up_to(n)) | stage(mode::parallel, [](int k) { return k; }) |
                sink(mode::serial_any_order, [&](int k) { sum += k; });
    std::move(work).run(sched, forever_on).wait().value();
    return sum;
  };
  int sum = 0;
  auto outer = source(up_to(30)) | stage(mode::parallel, inner) |
               sink(mode::serial_in_order, [&](int n) { sum += n; });
  ASSERT_TRUE(std::move(outer).run(sched, forever_on, {.max_in_flight = 20}).wait());
  EXPECT_EQ(sum, 4060);
}

// An item that waits in a stage waits alone: others overtake it, and may be what it waits for.
TEST_P(pipeline_with, PL_14_a_stage_may_wait_for_a_later_item) {
  for (const int quick : {0, 20'000}) {
    test::gate later;
    auto work = source(up_to(quick + 10)) |
                stage(mode::parallel,
                      [&](const context& ctx, int n) {
                        if (n == quick) later.pass(ctx).wait().value();
                        if (n == quick + 2) later.open();
                        return n;
                      }) |
                sink(mode::serial_in_order, [](int) {});
    const auto report = std::move(work).run(sched, forever_on, {.max_in_flight = 3}).wait();
    EXPECT_EQ(report.value().delivered, static_cast<std::uint64_t>(quick + 10));
  }
}

// What the source has given goes on while the source waits for more.
TEST_P(pipeline_with, PL_14_a_source_that_waits_holds_back_nothing_it_gave) {
  std::atomic<int> delivered{0};
  constexpr int quick = 20'000;
  auto work = source([&, next = up_to(quick + 20)]() mutable {
                auto n = next();
                if (n && *n >= quick) {
                  blocking([&] { until([&] { return delivered.load() >= *n; }); });
                }
                return n;
              }) |
              stage(mode::serial_in_order, [](int n) { return n; }) |
              sink(mode::serial_any_order, [&](int) { delivered.fetch_add(1); });
  const auto report = std::move(work).run(sched, forever_on, {.max_in_flight = 8}).wait();
  EXPECT_EQ(report.value().delivered, static_cast<std::uint64_t>(quick + 20));
}

// Nor does one that nobody told the scheduler of: its thread keeps its seat, and no other runner
// comes where the other workers have something else to do.
// Finds: a batch that only a second runner could rob, where there is none.
TEST_P(pipeline_with, PL_14_a_source_that_keeps_its_seat_holds_back_nothing_it_gave) {
  std::atomic<std::size_t> taken{0};
  std::atomic<bool> over{false};
  for (std::size_t i = 1; i < GetParam(); ++i) {
    sched.post([&] {
      taken.fetch_add(1);
      until([&] { return over.load(); });
    });
  }
  until([&] { return taken.load() == GetParam() - 1; });
  std::atomic<int> delivered{0};
  constexpr int quick = 20'000;
  auto work = source([&, next = up_to(quick + 20)]() mutable {
                auto n = next();
                if (n && *n >= quick) until([&] { return delivered.load() >= *n; });
                return n;
              }) |
              stage(mode::serial_in_order, [](int n) { return n; }) |
              sink(mode::serial_any_order, [&](int) { delivered.fetch_add(1); });
  const auto report = std::move(work).run(sched, forever_on, {.max_in_flight = 8}).wait();
  over.store(true);
  EXPECT_TRUE(sched.drain().wait());  // they refer to what is in scope
  EXPECT_EQ(report.value().delivered, static_cast<std::uint64_t>(quick + 20));
}

struct only_moved {
  explicit only_moved(int n) : value(std::make_unique<int>(n)) {}
  std::unique_ptr<int> value;
};
struct pinned {  // cannot even be moved
  explicit pinned(int n) : value(n) {}
  pinned(pinned&&) = delete;
  int value;
};

TEST_P(pipeline_with, PL_16_items_may_be_move_only_and_need_no_default) {
  int sum = 0;
  auto work = source([next = up_to(100)]() mutable -> std::optional<only_moved> {
                const auto n = next();
                if (!n) return std::nullopt;
                return only_moved(*n);
              }) |
              stage(mode::parallel, [](only_moved m) { return pinned(*m.value); }) |
              stage(mode::serial_in_order,
                    [](pinned&& p) { return std::string(1, static_cast<char>(p.value)); }) |
              sink(mode::serial_in_order, [&](const std::string& s) { sum += s[0]; });
  ASSERT_TRUE(std::move(work).run(sched, forever_on).wait());
  EXPECT_EQ(sum, 4950);
}

TEST_P(pipeline_with, PL_17_what_waits_at_a_serial_stage_needs_no_worker) {
  test::gate first_may_end;
  std::atomic<int> waiting{0};
  auto work = source(up_to(50)) |
              stage(mode::parallel,
                    [&](int n) {
                      waiting.fetch_add(1);
                      return n;
                    }) |
              sink(mode::serial_in_order, [&](const context& ctx, int n) {
                if (n == 0) first_may_end.pass(ctx).wait().value();
              });
  auto running = std::move(work).run(sched, forever_on, {.max_in_flight = 20});
  until([&] { return waiting.load() == 20; });
  EXPECT_TRUE(sched.submit([] { return true; }).wait().value());  // a worker is free
  first_may_end.open();
  EXPECT_EQ(running.wait().value().delivered, 50u);
}

TEST(pipeline, XC_10_allocates_nothing_per_item) {
  scheduler sched(test::quiet_workers(2));
  const auto run = [&] {
    auto work = source(up_to(100'000)) | stage(mode::parallel, [](int n) { return n; }) |
                stage(mode::serial_any_order, [](int n) { return n; }) |
                sink(mode::serial_in_order, [](int) {});
    ASSERT_TRUE(std::move(work).run(sched, forever_on, {.max_in_flight = 8}).wait());
  };
  EXPECT_LT(test::allocations_once_warm(run), 200u);
}

TEST(pipeline, options_out_of_range_are_named) {
  scheduler sched(test::quiet_workers(1));
  auto work = source(up_to(1)) | sink(mode::parallel, [](int) {});
  const auto too_many = [&] {
    (void)std::move(work).run(sched, forever_on, {.max_in_flight = std::size_t{1} << 31});
  };
  EXPECT_EQ(test::refusal_of(too_many),
            "pipeline_options::max_in_flight is 2147483648, must be 2^31 - 1 at most");
}

struct alignas(256) wide {
  int value;
};

TEST_P(pipeline_with, items_may_be_aligned_and_large) {
  auto work = source([next = up_to(100)]() mutable -> std::optional<wide> {
                const auto n = next();
                if (!n) return std::nullopt;
                return wide{*n};
              }) |
              stage(mode::parallel,
                    [](const wide& w) {
                      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&w) % 256, 0u);
                      return std::vector<int>(1000, w.value);
                    }) |
              sink(mode::parallel, [](std::vector<int> all) { EXPECT_EQ(all.size(), 1000u); });
  EXPECT_TRUE(std::move(work).run(sched, forever_on).wait());
}

TEST_P(pipeline_with, functions_may_have_results_of_optionals) {
  auto work =
      source([next = up_to(90)]() mutable -> result<std::optional<int>> { return next(); }) |
      stage(mode::parallel,
            [](int n) -> result<std::optional<int>> {
              if (n % 3 == 0) return std::optional<int>();
              if (n % 3 == 1) return error("no");
              return std::optional<int>(n);
            }) |
      sink(mode::parallel, [](int n) -> result<> {
        if (n % 2 == 0) return errc::overloaded;
        return {};
      });
  const auto r = std::move(work).run(sched, forever_on, {.policy = on_error::keep_going}).wait();
  EXPECT_EQ(r.value().dropped, 30u);
  EXPECT_EQ(r.value().failed, 45u);
  EXPECT_EQ(r.value().delivered, 15u);
}

}  // namespace
}  // namespace pinion
