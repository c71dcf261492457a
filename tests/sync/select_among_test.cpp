// SPDX-License-Identifier: MIT
// The first of a number of like operations.
#include "pinion/sync/select_among.hpp"

#include <chrono>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/over_when_enlisted.hpp"
#include "tests/support/waiting.hpp"
#include "tests/support/waiting_thread.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "pinion/sync/future.hpp"
#include "pinion/sync/select.hpp"
#include "pinion/sync/timer.hpp"

namespace {

using namespace std::chrono_literals;
using pinion::context;
using pinion::errc;
using pinion::future;
using pinion::op;
using pinion::operation;
using pinion::select;
using pinion::select_among;
using pinion::with_cancel;
using pinion::test::allocation_count;
using pinion::test::gate;
using pinion::test::mailbox;
using pinion::test::over_when_enlisted;
using pinion::test::until;
using pinion::test::waiters_of;
using pinion::test::waiting_thread;

static_assert(operation<pinion::select_among_op<future<int>>>);

TEST(select_among, SEL_19_indices_are_stable_and_it_can_be_run_again) {
  std::vector<mailbox> boxes(20);
  std::vector<mailbox::taking> cases;
  for (mailbox& box : boxes) cases.push_back(box.take());
  auto any = select_among(std::span(cases));
  const allocation_count count;
  for (std::size_t i = 0; i < boxes.size(); ++i) boxes[i].give(static_cast<int>(i));
  const std::size_t by_boxes = count.get();
  std::vector<int> seen(boxes.size());
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const auto won = any.wait();
    EXPECT_EQ(won->value.value_or(-1), static_cast<int>(won->index));
    ++seen[won->index];
  }
  EXPECT_EQ(count.get(), by_boxes + 1);  // `seen`
  EXPECT_EQ(seen, std::vector<int>(boxes.size(), 1));
}

TEST(select_among, SEL_19_cases_are_switched_on_and_off) {
  std::vector<mailbox> boxes(3);
  std::vector<pinion::when_op<mailbox::taking>> cases;
  for (mailbox& box : boxes) cases.push_back(pinion::when(false, box.take()));
  for (mailbox& box : boxes) box.give(7);
  auto any = select_among(std::span(cases));
  EXPECT_EQ(any.wait().error(), errc::would_deadlock);
  for (const std::size_t i : {2u, 0u, 1u}) {
    cases[i].enable(true);
    EXPECT_EQ(any.wait()->index, i);
    cases[i].enable(false);
  }
}

// More cases than locks are kept at a time, so they are taken in several rounds.
TEST(select_among, SEL_21_any_number_of_objects_without_an_allocation) {
  std::vector<gate> gates(1000);
  std::vector<op<>> cases;
  for (gate& g : gates) cases.push_back(g.pass());
  auto ctx = with_cancel(context::background());
  std::thread opener([&] {
    until([&] { return waiters_of(gates[999].waiting) == 1; });
    gates[617].open();
  });
  const allocation_count count;
  EXPECT_EQ(select_among(ctx, std::span(cases)).wait()->index, 617u);
  EXPECT_EQ(count.get(), 0u);
  opener.join();
  for (gate& g : gates) EXPECT_EQ(waiters_of(g.waiting), 0u);
}

TEST(select_among, SEL_21_as_many_cases_as_anybody_has) {
  gate g;
  std::vector<op<>> cases;
  for (int i = 0; i < 65'535; ++i) cases.push_back(g.pass());
  auto any = select(select_among(std::span(cases)), over_when_enlisted());
  EXPECT_EQ(any.wait()->index(), 1u);
  EXPECT_EQ(waiters_of(g.waiting), 0u);
  g.open();
  EXPECT_LT(get<0>(*any.wait())->index, cases.size());
}

TEST(select_among, SEL_11_without_a_case_only_the_context_ends_it) {
  EXPECT_EQ(select_among(std::span<op<>>()).wait().error(), errc::would_deadlock);
  EXPECT_EQ(select_among(context::background(), std::span<op<>>()).wait().error(),
            errc::would_deadlock);
  auto late = with_timeout(context::background(), 1ms);
  EXPECT_EQ(select_among(late, std::span<op<>>()).wait().error(), errc::deadline_exceeded);
}

TEST(select_among, waits_for_futures_one_after_the_other) {
  std::vector<pinion::promise<int>> promises(5);
  std::vector<future<int>> answers;
  for (auto& p : promises) answers.push_back(p.get_future());
  std::vector<pinion::when_op<future<int>&>> open;
  for (auto& answer : answers) open.push_back(pinion::when(true, answer));
  auto any = select_among(std::span(open));
  for (const std::size_t i : {3u, 0u, 4u, 1u, 2u}) {
    promises[i].set(static_cast<int>(i));
    const auto won = any.wait();
    EXPECT_EQ(won->index, i);
    EXPECT_EQ(won->value.value_or(-1), static_cast<int>(i));
    open[i].enable(false);
  }
  EXPECT_EQ(any.wait().error(), errc::would_deadlock);
}

TEST(select_among, the_earliest_of_several_timeouts_wins) {
  pinion::manual_clock clock;
  const context root = clock.root();
  std::vector<pinion::sleep_op> sleeps;
  for (const auto d : {3s, 1s, 2s}) sleeps.push_back(sleep(root, d));
  waiting_thread waits(select_among(std::span(sleeps)));
  until([&] { return clock.next_timer() == clock.now() + 1s; });
  clock.advance(3s);
  EXPECT_EQ(waits.get()->index, 1u);
}

}  // namespace
