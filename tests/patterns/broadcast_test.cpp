// SPDX-License-Identifier: MIT
#include "pinion/patterns/broadcast.hpp"

#include <atomic>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/patterns.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

namespace pinion {
namespace {

using test::until;

const context& forever_on = context::background();

class broadcast_with : public testing::TestWithParam<std::size_t> {
 protected:
  scheduler sched{test::quiet_workers(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(workers, broadcast_with, testing::Values(1, 2, 8),
                         [](const auto& which) { return std::to_string(which.param); });

/// A channel that holds 0 to count - 1 and gets no more.
channel<int> filled(int count) {
  const channel<int> ch(static_cast<std::size_t>(count));
  sender<int> to(ch);
  for (int n = 0; n < count; ++n) EXPECT_TRUE(to.try_send(int(n)));
  return ch;
}

std::vector<int> rest_of(receiver<int>& from) {
  std::vector<int> all;
  for (const int n : from) all.push_back(n);
  return all;
}

TEST_P(broadcast_with, FO_8_each_output_gets_every_value_in_order) {
  for (const std::size_t outputs : {1u, 3u, 10u}) {
    auto feeds = broadcast(sched, forever_on, receiver<int>(filled(500)), outputs,
                           {.capacity = outputs % 2});
    ASSERT_EQ(feeds.size(), outputs);
    std::vector<std::thread> readers;
    for (auto& feed : feeds)
      readers.emplace_back([&] { EXPECT_EQ(rest_of(feed), test::numbers(500)); });
    for (auto& r : readers) r.join();
    EXPECT_EQ(feeds[0].recv().wait().error().cause(), make_error_code(errc::closed));
  }
}

// Three in the line of the one that is not read: two places, and one in hand.
TEST_P(broadcast_with, FO_8_a_slow_output_holds_the_others_back) {
  const auto in = filled(10);
  auto feeds = broadcast(sched, forever_on, receiver<int>(in), 2, {.capacity = 2});
  for (int n = 0; n < 3; ++n) EXPECT_EQ(feeds[1].recv().wait().value(), n);
  EXPECT_EQ(in.size_approx(), 7u);
  EXPECT_EQ(feeds[0].recv().wait().value(), 0);
  EXPECT_EQ(feeds[1].recv().wait().value(), 3);
  std::thread reader([&] { EXPECT_EQ(rest_of(feeds[0]).size(), 9u); });
  EXPECT_EQ(rest_of(feeds[1]).size(), 6u);
  reader.join();
}

// One after the other it would wait for the first one here, and the reader for the last.
TEST_P(broadcast_with, FO_8_outputs_are_waited_for_together) {
  auto feeds = broadcast(sched, forever_on, receiver<int>(filled(60)), 3, {.capacity = 0});
  for (int n = 0; n < 60; ++n) {
    for (std::size_t i = 0; i < 3; ++i) {
      auto& feed = feeds[(static_cast<std::size_t>(n) * 2 + i * 2) % 3];
      EXPECT_EQ(feed.recv().wait().value(), n);
    }
  }
}

TEST_P(broadcast_with, FO_8_a_slow_output_loses_values_where_that_is_the_policy) {
  std::atomic<int> undelivered{0};
  auto feeds =
      broadcast(sched, forever_on, receiver<int>(filled(100)), 2,
                {.capacity = 2, .policy = when_full::drop_oldest, .on_undelivered = [&](int&&) {
                   undelivered.fetch_add(1);
                 }});
  EXPECT_TRUE(sched.drain().wait());
  for (auto& feed : feeds) EXPECT_EQ(rest_of(feed), (std::vector<int>{98, 99}));
  EXPECT_EQ(undelivered.load(), 2 * 98);
}

TEST_P(broadcast_with, FO_8_one_that_leaves_does_not_stop_the_others) {
  for (const int read : {0, 1}) {  // it is waited for, or has room
    auto feeds = broadcast(sched, forever_on, receiver<int>(filled(20)), 3, {.capacity = 1});
    for (int n = 0; n < read; ++n) EXPECT_EQ(feeds[0].recv().wait().value(), n);
    for (int n = 0; n < 2; ++n) EXPECT_EQ(feeds[2].recv().wait().value(), n);
    feeds.erase(feeds.begin());
    std::thread reader([&] { EXPECT_EQ(rest_of(feeds[0]), test::numbers(20)); });
    EXPECT_EQ(rest_of(feeds[1]).size(), 18u);
    reader.join();
  }
}

TEST_P(broadcast_with, FO_8_when_all_have_left_the_input_is_let_go) {
  channel<int> in;
  std::thread producer([to = sender<int>(in)]() mutable {
    for (int n = 0; to.send(n).wait(); ++n) {
    }
  });
  {
    auto feeds = broadcast(sched, forever_on, receiver<int>(in), 2);
    for (int n = 0; n < 50; ++n) {
      EXPECT_EQ(feeds[0].recv().wait().value(), n);
      EXPECT_EQ(feeds[1].recv().wait().value(), n);
    }
  }
  producer.join();
  EXPECT_TRUE(broadcast(sched, forever_on, receiver<int>(in), 0).empty());
}

TEST_P(broadcast_with, CH_16_the_cause_of_the_input_is_that_of_the_outputs) {
  channel<int> in(1);
  auto feeds = broadcast(sched, forever_on, receiver<int>(in), 2);
  in.close(errc::overloaded);
  for (auto& feed : feeds)
    EXPECT_EQ(feed.recv().wait().error().cause(), make_error_code(errc::overloaded));
}

TEST_P(broadcast_with, XC_2_what_they_hold_is_received_after_a_cancel_and_the_rest_is_told) {
  std::vector<int> undelivered;
  auto ctx = with_cancel(forever_on);
  const auto in = filled(10);
  auto feeds =
      broadcast(sched, ctx, receiver<int>(in), 2,
                {.capacity = 2, .on_undelivered = [&](int&& n) { undelivered.push_back(n); }});
  for (int n = 0; n < 3; ++n) EXPECT_EQ(feeds[1].recv().wait().value(), n);
  ctx.cancel(errc::overloaded);
  EXPECT_TRUE(sched.drain().wait());
  EXPECT_EQ(rest_of(feeds[0]), (std::vector<int>{0, 1}));
  EXPECT_EQ(undelivered, std::vector<int>{2});  // was in hand for the first one
  for (auto& feed : feeds)
    EXPECT_EQ(feed.recv().wait().error().cause(), make_error_code(errc::overloaded));
}

/// The copy of the number 5 throws.
struct touchy {
  explicit touchy(int number) : n(number) {}
  touchy(const touchy& other) : n(other.n) {
    if (n == 5) throw std::runtime_error("five");
  }
  touchy(touchy&&) noexcept = default;
  touchy& operator=(touchy&&) noexcept = default;
  int n;
};

TEST_P(broadcast_with, XC_14_a_copy_that_throws_is_the_end_and_its_cause) {
  const channel<touchy> in(10);
  sender<touchy> to(in);
  for (int n = 0; n < 10; ++n) EXPECT_TRUE(to.try_send(touchy(n)));
  auto feeds = broadcast(sched, forever_on, receiver<touchy>(in), 2);
  for (auto& feed : feeds) {
    for (int n = 0; n < 5; ++n) EXPECT_EQ(feed.recv().wait()->n, n);
    const auto end = feed.recv().wait();
    EXPECT_EQ(end.error(), errc::closed);
    EXPECT_THROW(end.error().raise(), std::runtime_error);
  }
  EXPECT_TRUE(sched.drain().wait());
}

TEST(broadcast, a_scheduler_that_is_closed_takes_nothing) {
  scheduler sched(test::quiet_workers(1));
  sched.close();
  auto feeds = broadcast(sched, forever_on, receiver<int>(filled(1)), 2);
  for (auto& feed : feeds)
    EXPECT_EQ(feed.recv().wait().error().cause(), make_error_code(errc::stopped));
}

TEST(broadcast, XC_10_allocates_nothing_per_value) {
  scheduler sched(test::quiet_workers(2));
  const auto all_of_them = [&] {
    auto feeds = broadcast(sched, forever_on, receiver<int>(filled(5'000)), 2, {.capacity = 4});
    std::thread reader([&] {
      for (int n = 0; n < 5'000; ++n) EXPECT_EQ(feeds[0].recv().wait().value(), n);
    });
    for (int n = 0; n < 5'000; ++n) EXPECT_EQ(feeds[1].recv().wait().value(), n);
    reader.join();
  };
  EXPECT_LT(test::allocations_once_warm(all_of_them), 60u);
}

}  // namespace
}  // namespace pinion
