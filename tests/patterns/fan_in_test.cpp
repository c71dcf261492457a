// SPDX-License-Identifier: MIT
#include "pinion/patterns/fan_in.hpp"

#include <atomic>
#include <cstddef>
#include <thread>
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

class fan_in_with : public testing::TestWithParam<std::size_t> {
 protected:
  ~fan_in_with() override { EXPECT_EQ(counted::alive.load(), 0); }
  scheduler sched{test::quiet_workers(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(workers, fan_in_with, testing::Values(1, 2, 8),
                         [](const auto& which) { return std::to_string(which.param); });

struct numbered {
  std::size_t input;
  int n;
};

/// A channel that holds `count` values and gets no more.
receiver<numbered> filled(std::size_t input, int count) {
  const channel<numbered> ch(static_cast<std::size_t>(count));
  receiver<numbered> from(ch);
  sender<numbered> to(ch);
  for (int n = 0; n < count; ++n) EXPECT_TRUE(to.try_send({input, n}));
  return from;
}

TEST_P(fan_in_with, FO_7_all_values_come_and_each_input_keeps_its_order) {
  for (const std::size_t inputs : {1u, 3u, 12u}) {
    std::vector<receiver<numbered>> ends;
    std::vector<std::thread> producers;
    for (std::size_t i = 0; i < inputs; ++i) {
      const channel<numbered> ch(i % 3);
      ends.emplace_back(ch);
      producers.emplace_back([i, to = sender<numbered>(ch)]() mutable {
        for (int n = 0; n < 300; ++n) EXPECT_TRUE(to.send({i, n}).wait());
      });
    }
    std::vector<int> seen(inputs);
    auto all = fan_in(sched, forever_on, std::move(ends), {.capacity = inputs % 2});
    for (const numbered& v : all) EXPECT_EQ(v.n, seen[v.input]++);
    EXPECT_EQ(seen, std::vector<int>(inputs, 300));
    for (auto& p : producers) p.join();
  }
}

// With bounds that one run in more than a million goes beyond.
TEST_P(fan_in_with, FO_7_no_input_starves) {
  for (const std::size_t inputs : {4u, 12u}) {
    const int share = static_cast<int>(6'000 / inputs);
    std::vector<receiver<numbered>> ends;
    for (std::size_t i = 0; i < inputs; ++i) ends.push_back(filled(i, 2 * share));
    auto all = fan_in(sched, forever_on, std::move(ends));
    std::vector<int> seen(inputs);
    for (int n = 0; n < 6'000; ++n) ++seen[all.recv().wait()->input];
    for (const int n : seen) EXPECT_NEAR(n, share, 220);
  }
}

TEST_P(fan_in_with, FO_6_ends_when_the_last_input_does) {
  std::vector<receiver<int>> none;
  const auto at_once = fan_in(sched, forever_on, std::move(none)).recv().wait();
  EXPECT_EQ(at_once.error(), errc::closed);
  EXPECT_EQ(at_once.error().cause(), make_error_code(errc::closed));

  channel<int> one(1), two(1);
  sender<int> to_one(one), to_two(two);
  auto all = fan_in(sched, forever_on, std::vector{receiver<int>(one), receiver<int>(two)});
  to_one.close();
  EXPECT_TRUE(to_two.send(7).wait());
  EXPECT_EQ(all.recv().wait().value(), 7);
  EXPECT_EQ(all.try_recv().error(), errc::not_ready);
  to_two.close();
  EXPECT_EQ(all.recv().wait().error().cause(), make_error_code(errc::closed));
}

TEST_P(fan_in_with, CH_16_the_first_cause_of_an_input_is_the_end_of_all) {
  channel<int> one(1), two(1), three(1);
  sender<int> to_one(one), to_two(two), to_three(three);
  auto all = fan_in(sched, forever_on,
                    std::vector{receiver<int>(one), receiver<int>(two), receiver<int>(three)});
  to_one.close();
  EXPECT_TRUE(to_three.send(3).wait());
  to_two.close(errc::overloaded);
  EXPECT_EQ(all.recv().wait().value(), 3);
  to_three.close();
  const auto end = all.recv().wait();
  EXPECT_EQ(end.error(), errc::closed);
  EXPECT_EQ(end.error().cause(), make_error_code(errc::overloaded));
}

TEST_P(fan_in_with, FO_5_a_reader_that_leaves_lets_go_of_the_inputs) {
  std::atomic<int> undelivered{0};
  channel<counted> in(2);
  std::atomic<int> sent{0};
  std::thread producer([&, to = sender<counted>(in)]() mutable {
    while (to.send(counted(sent.load())).wait()) sent.fetch_add(1);
  });
  {
    auto all =
        fan_in(sched, forever_on, std::vector{receiver<counted>(in)},
               {.capacity = 4, .on_undelivered = [&](counted&&) { undelivered.fetch_add(1); }});
    for (int n = 0; n < 10; ++n) EXPECT_EQ(all.recv().wait()->value(), n);
  }
  producer.join();
  EXPECT_TRUE(in.closed());
  EXPECT_TRUE(sched.drain().wait());
  EXPECT_GE(undelivered.load(), 1);  // the one in hand, and what the output held
  EXPECT_LE(10 + undelivered.load(), sent.load());
}

TEST_P(fan_in_with, XC_2_what_it_holds_is_received_after_a_cancel_and_the_rest_is_told) {
  std::vector<int> undelivered;
  channel<counted> in(4);
  sender<counted> to(in);
  for (int n = 0; n < 3; ++n) EXPECT_TRUE(to.try_send(counted(n)));
  auto ctx = with_cancel(forever_on);
  auto all = fan_in(
      sched, ctx, std::vector{receiver<counted>(in)},
      {.capacity = 1, .on_undelivered = [&](counted&& c) { undelivered.push_back(c.value()); }});
  until([&] { return in.size_approx() == 1; });  // one in the output, one in hand
  ctx.cancel(errc::overloaded);
  EXPECT_TRUE(sched.drain().wait());  // before there is room again
  EXPECT_EQ(all.recv().wait()->value(), 0);
  const auto end = all.recv().wait();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error(), errc::closed);
  EXPECT_EQ(end.error().cause(), make_error_code(errc::overloaded));
  EXPECT_EQ(undelivered, std::vector<int>{1});
  EXPECT_EQ(to.send(counted(3)).wait().error(), errc::closed);  // let go
}

TEST_P(fan_in_with, a_cancel_reaches_it_while_no_input_has_a_value) {
  channel<int> in;
  const sender<int> to(in);
  auto ctx = with_cancel(forever_on);
  auto all = fan_in(sched, ctx, std::vector{receiver<int>(in)});
  until([&] { return in.waiting_to_receive() == 1; });
  ctx.cancel();
  EXPECT_EQ(all.recv().wait().error().cause(), make_error_code(errc::canceled));
  EXPECT_TRUE(sched.drain().wait());
  EXPECT_TRUE(in.closed());
}

TEST_P(fan_in_with, a_scheduler_that_stops_ends_it) {
  channel<int> in;
  sender<int> to(in);
  auto all = fan_in(sched, forever_on, std::vector{receiver<int>(in)});
  (void)sched.stop().wait();
  const auto end = all.recv().wait();
  EXPECT_EQ(end.error(), errc::closed);
  EXPECT_NE(end.error().cause(), make_error_code(errc::closed));
  EXPECT_EQ(to.send(1).wait().error(), errc::closed);
}

TEST(fan_in, a_scheduler_that_is_closed_takes_nothing) {
  scheduler sched(test::quiet_workers(1));
  sched.close();
  channel<int> in(1);
  sender<int> to(in);
  auto all = fan_in(sched, forever_on, std::vector{receiver<int>(in)});
  EXPECT_EQ(all.recv().wait().error().cause(), make_error_code(errc::stopped));
  EXPECT_EQ(to.send(1).wait().error(), errc::closed);
}

// On one worker, though its input never runs out and its output never is full.
TEST(fan_in, others_have_their_turn) {
  scheduler sched(test::quiet_workers(1));
  const auto in = filled(0, 10'000);
  std::vector<receiver<numbered>> all;
  std::size_t left = 0;
  sched.post([&] {
    all.push_back(fan_in(sched, forever_on, std::vector{in},
                         {.capacity = 1, .policy = when_full::drop_oldest}));
    sched.post([&] { left = in.size_approx(); });
  });
  EXPECT_TRUE(sched.drain().wait());
  EXPECT_GT(left, 0u);
}

TEST(fan_in, XC_10_allocates_nothing_per_value) {
  scheduler sched(test::quiet_workers(2));
  const auto all_of_them = [&] {
    channel<int> one(8), two(8);
    std::vector<receiver<int>> ends{receiver<int>(one), receiver<int>(two)};
    std::thread producer([to = sender<int>(one), also = sender<int>(two)]() mutable {
      for (int n = 0; n < 10'000; ++n) (void)(n % 2 == 0 ? to : also).send(n).wait();
    });
    int count = 0;
    for (const int n : fan_in(sched, forever_on, std::move(ends))) count += n >= 0;
    EXPECT_EQ(count, 10'000);
    producer.join();
  };
  EXPECT_LT(test::allocations_once_warm(all_of_them), 60u);
}

}  // namespace
}  // namespace pinion
