// SPDX-License-Identifier: MIT
#include "pinion/sync/stop_token.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include <gtest/gtest.h>

namespace {

using pinion::stop_callback;
using pinion::stop_source;
using pinion::stop_token;

static_assert(sizeof(stop_token) == sizeof(void*));
static_assert(!std::is_copy_constructible_v<stop_callback<void (*)()>>);

TEST(stop_token, is_set_once_and_seen_by_all_copies) {
  stop_source source;
  const stop_token token = source.token();
  const stop_token copy = token;
  EXPECT_FALSE(token.stop_requested());
  EXPECT_TRUE(source.request_stop());
  EXPECT_FALSE(source.request_stop());
  EXPECT_TRUE(token.stop_requested());
  EXPECT_TRUE(copy.stop_requested());
  EXPECT_TRUE(stop_source(source).token().stop_requested());
}

TEST(stop_token, is_possible_while_a_source_is_left_or_once_it_was_requested) {
  EXPECT_FALSE(stop_token().stop_possible());
  EXPECT_FALSE(stop_token().stop_requested());
  stop_token token;
  {
    stop_source source;
    token = source.token();
    stop_source moved = std::move(source);
    EXPECT_FALSE(source.request_stop());
    stop_source copy = moved;
    moved = stop_source();
    EXPECT_TRUE(token.stop_possible());
  }
  EXPECT_FALSE(token.stop_possible());
  {
    stop_source source;
    token = source.token();
    source.request_stop();
  }
  EXPECT_TRUE(token.stop_possible());
  EXPECT_TRUE(token.stop_requested());
}

TEST(stop_token, callbacks_run_in_the_order_of_registration_on_the_requesting_thread) {
  stop_source source;
  std::vector<int> order;
  std::vector<std::thread::id> where;
  const auto note = [&](int n) {
    order.push_back(n);
    where.push_back(std::this_thread::get_id());
  };
  stop_callback first(source.token(), [&] { note(1); });
  auto removed =
      std::make_unique<stop_callback<std::function<void()>>>(source.token(), [&] { note(2); });
  stop_callback third(source.token(), [&] { note(3); });
  removed.reset();
  stop_callback fourth(source.token(), [&] { note(4); });
  std::thread requester([&] { source.request_stop(); });
  const auto requester_id = requester.get_id();
  requester.join();
  EXPECT_EQ(order, (std::vector<int>{1, 3, 4}));
  for (const auto id : where) EXPECT_EQ(id, requester_id);
}

TEST(stop_token, a_callback_after_the_request_runs_in_its_constructor) {
  stop_source source;
  source.request_stop();
  std::thread::id where;
  stop_callback late(source.token(), [&] { where = std::this_thread::get_id(); });
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST(stop_token, a_callback_without_a_source_never_runs) {
  int runs = 0;
  stop_callback nothing(stop_token(), [&] { ++runs; });
  std::optional<stop_source> source(std::in_place);
  stop_callback orphan(source->token(), [&] { ++runs; });
  source.reset();
  EXPECT_EQ(runs, 0);
}

TEST(stop_token, a_callback_may_destroy_itself_and_others_and_make_new_ones) {
  stop_source source;
  const stop_token token = source.token();
  std::optional<stop_callback<std::function<void()>>> first, second, third;
  std::optional<stop_callback<std::function<void()>>> made_inside;
  std::vector<int> order;
  first.emplace(token, [&] {
    order.push_back(1);
    second.reset();
    made_inside.emplace(token, [&] { order.push_back(10); });
  });
  second.emplace(token, [&] { order.push_back(2); });
  third.emplace(token, [&] {
    order.push_back(3);
    first.reset();  // has run already
    third.reset();  // runs
  });
  source.request_stop();
  EXPECT_EQ(order, (std::vector<int>{1, 10, 3}));
}

TEST(stop_token, a_callback_may_destroy_the_last_source) {
  auto source = std::make_unique<stop_source>();
  int runs = 0;
  std::optional<stop_callback<std::function<void()>>> registration;
  registration.emplace(source->token(), [&] {
    ++runs;
    source.reset();
    registration.reset();
  });
  source->request_stop();
  EXPECT_EQ(runs, 1);
}

TEST(stop_token, XC_5_no_lock_is_held_while_a_callback_runs) {
  stop_source source;
  const stop_token token = source.token();
  bool other_thread_got_through = false;
  stop_callback outer(token, [&] {
    std::thread([&] {
      stop_callback inner(token, [&] { other_thread_got_through = token.stop_requested(); });
      EXPECT_FALSE(source.request_stop());
    }).join();
  });
  source.request_stop();
  EXPECT_TRUE(other_thread_got_through);
}

// Goal: a registration is not destroyed while its callback runs on another thread.
// Method: the callback announces itself, then works for a while on what the destroying thread
// frees right after the destructor.
// Finds: a destructor that does not wait for the run.
TEST(stop_token, the_destructor_waits_for_a_run_on_another_thread) {
  for (int round = 0; round < 200; ++round) {
    stop_source source;
    std::atomic<bool> running{false};
    std::atomic<bool> finished{false};
    std::optional<stop_callback<std::function<void()>>> registration;
    registration.emplace(source.token(), [&] {
      running.store(true);
      for (int i = 0; i < 20; ++i) std::this_thread::yield();
      finished.store(true);
    });
    std::thread requester([&] { source.request_stop(); });
    while (!running.load()) std::this_thread::yield();
    registration.reset();
    EXPECT_TRUE(finished.load());
    requester.join();
  }
}

TEST(stop_token, XC_10_a_million_registrations_allocate_nothing) {
  stop_source source;
  const stop_token token = source.token();
  long runs = 0;
  const pinion::test::allocation_count count;
  for (int i = 0; i < 1'000'000; ++i) {
    const stop_token copy = token;
    stop_callback callback(copy, [&] { ++runs; });
    if (copy.stop_requested()) ++runs;
  }
  EXPECT_EQ(count.get(), 0u);
  EXPECT_EQ(runs, 0);
}

}  // namespace
