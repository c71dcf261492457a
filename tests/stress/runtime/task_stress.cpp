// SPDX-License-Identifier: MIT
// Trees of tasks that wait, move, yield, fail, race and are canceled, on two schedulers at once.
//
// Goal: every task ends once, at home, and every frame is destroyed, whatever is canceled when.
// Finds: a join that resumes its parent before the last child is counted (use after free under a
// sanitizer, a hang else), and a root that is not counted as live (a task after the drain).
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/support/schedulers.hpp"
#include "tests/support/stress.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/when_all.hpp"
#include "pinion/runtime/when_any.hpp"

namespace pinion {
namespace {

using test::mailbox;

struct world {
  scheduler& home;
  scheduler& away;
  mailbox& box;
  std::atomic<int> begun{0}, ended{0}, stray{0};
};

struct leaves {
  world& in;
  ~leaves() { in.ended.fetch_add(1); }
};

task<int> grow(world& in, const context& ctx, std::uint64_t seed, int depth) {
  in.begun.fetch_add(1);
  const leaves at_end{in};
  std::mt19937_64 random(seed);
  int sum = 1;
  switch (random() % 8) {
    case 0:
      if (co_await in.away.schedule() && !in.away.this_worker()) in.stray.fetch_add(1);
      break;
    case 1:
      co_await yield();
      break;
    case 2: {
      const auto taken = co_await in.box.take(ctx);
      sum += taken.value_or(0);
      break;
    }
    case 3:
      if (random() % 4 == 0) throw std::runtime_error("by chance");
      break;
    default:
      break;
  }
  if (depth != 0) {
    const bool was_home = in.home.this_worker().has_value();
    try {
      const auto kind = random() % 3;
      if (kind == 0) {
        const auto [a, b, c] = co_await when_all(grow(in, ctx, random(), depth - 1),
                                                 grow(in, ctx, random(), depth - 1),
                                                 grow(in, ctx, random(), depth - 1));
        sum += a + b + c;
      } else if (kind == 1) {
        std::array<int, 4> values{};
        const auto child = [&, seed = random()](std::size_t i) {
          if ((seed >> i) % 8 == 0) throw std::runtime_error("not made");
          return grow(in, ctx, seed + i, depth - 1);
        };
        co_await when_all(std::span(values), child);
        for (const int n : values) sum += n;
      } else {
        auto scope = with_cancel(ctx);
        const auto first = co_await when_any(scope, grow(in, scope, random(), depth - 1),
                                             grow(in, scope, random(), depth - 1));
        sum += first.value;
      }
    } catch (const std::runtime_error&) {
      sum += 1000;
    }
    if (was_home != in.home.this_worker().has_value()) in.stray.fetch_add(1);
  }
  co_return sum;
}

void ignore(const error&, std::string_view) noexcept {}

class task_stress : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(workers, task_stress, testing::Values(1, 2, 16));

TEST_P(task_stress, every_task_ends_once_and_at_home) {
  const std::uint64_t seed = test::seed();
  std::mt19937_64 random(seed);
  const std::size_t rounds = test::scaled(100);
  for (std::size_t round = 0; round < rounds; ++round) {
    scheduler_options o = test::with_workers(GetParam());
    o.on_unobserved_error = ignore;
    mailbox box;
    scheduler home(o), away(o);
    world in{home, away, box};
    auto ctx = with_cancel(home.root());
    std::vector<future<int>> roots;
    for (int i = 0; i < 8; ++i) roots.push_back(home.submit(ctx, grow(in, ctx, random(), 4)));
    std::thread feeder([&] {
      for (int i = 0; i < 50; ++i) box.give(1);
    });
    if (round % 2 == 0) std::this_thread::yield();
    ctx.cancel();
    for (auto& root : roots) (void)root.wait();
    feeder.join();
    ASSERT_TRUE(home.drain().wait()->blocking.empty());
    ASSERT_TRUE(away.drain().wait()->blocking.empty());
    EXPECT_EQ(in.begun.load(), in.ended.load());
    EXPECT_EQ(in.stray.load(), 0);
  }
}

task<> do_nothing() {
  co_return;
}
task<> take_one(mailbox& box) {
  auto taking = box.take();
  (void)co_await taking;
}
task<> give_one(mailbox& box) {
  box.give(1);
  co_return;
}

task<> join_and_join(std::size_t rounds) {
  for (std::size_t i = 0; i < rounds; ++i) {
    co_await when_all(do_nothing(), do_nothing(), do_nothing());
    mailbox box;
    co_await when_all(take_one(box), give_one(box));
  }
}

// Hangs if an invitation that is in no queue any more is kept as one that is: nobody then starts
// the second child while the first one waits for it.
TEST_P(task_stress, a_child_that_waits_for_another_does_not_keep_it_from_starting) {
  (void)test::seed();
  scheduler sched(test::with_workers(GetParam()));
  std::vector<future<>> roots;
  for (int i = 0; i < 3; ++i) roots.push_back(sched.submit(join_and_join(test::scaled(10'000))));
  for (auto& root : roots) EXPECT_TRUE(root.wait().has_value());
}

}  // namespace
}  // namespace pinion
