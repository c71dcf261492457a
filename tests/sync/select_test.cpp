// SPDX-License-Identifier: MIT
// The first of several operations, and only that one.
#include "pinion/sync/select.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/contexts.hpp"
#include "tests/support/handover.hpp"
#include "tests/support/over_when_enlisted.hpp"
#include "tests/support/waiting.hpp"
#include "tests/support/waiting_thread.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "pinion/sync/future.hpp"
#include "pinion/sync/timer.hpp"

namespace {

using namespace std::chrono_literals;
using pinion::context;
using pinion::errc;
using pinion::future;
using pinion::op;
using pinion::operation;
using pinion::result;
using pinion::select;
using pinion::select_biased;
using pinion::select_op;
using pinion::sleep;
using pinion::try_select;
using pinion::wait_list;
using pinion::when;
using pinion::with_cancel;
using pinion::test::allocation_count;
using pinion::test::gate;
using pinion::test::handover;
using pinion::test::mailbox;
using pinion::test::over_when_enlisted;
using pinion::test::until;
using pinion::test::waiters_of;
using pinion::test::waiting_thread;
using pinion::test::waits_under;

static_assert(operation<select_op<op<int>, future<int>&>>);
static_assert(operation<select_op<select_op<op<>>, pinion::when_op<future<int>&>>>);
static_assert(!pinion::select_case<const op<int>&> && !pinion::select_case<int>);

TEST(select, says_which_case_won_and_its_result) {
  mailbox box;
  gate g;
  box.give(7);
  auto won = select(box.take(), g.pass()).wait();
  ASSERT_TRUE(won);
  EXPECT_EQ(won->index(), 0u);
  EXPECT_EQ(get<0>(*won).value(), 7);
  g.open();
  won = select(box.take(), g.pass()).wait();
  EXPECT_EQ(won->index(), 1u);
  EXPECT_TRUE(get<1>(*won));
  EXPECT_EQ(won->match([](result<int>&) { return 1; }, [](result<>&) { return 2L; }), 2);
}

TEST(select, SEL_2_a_done_context_wins_and_no_case_is_tried) {
  auto ctx = with_cancel(context::background());
  mailbox box;
  box.give(7);
  ctx.cancel(errc::overloaded);
  const auto won = select(ctx, box.take(), box.take()).wait();
  EXPECT_EQ(won.error(), errc::canceled);
  EXPECT_EQ(won.error().cause(), make_error_code(errc::overloaded));
  EXPECT_EQ(box.kept(), 1u);
}

TEST(select, SEL_3_losers_have_no_effect_and_may_be_run_again) {
  handover<int> place;
  mailbox box;
  auto sending = place.send(5);
  auto taking = box.take();
  {
    waiting_thread waits(select(sending, taking));
    until([&] { return place.waiting() == 1; });
    box.give(7);
    EXPECT_EQ(waits.get()->index(), 1u);
  }
  EXPECT_EQ(place.waiting(), 0u);
  EXPECT_EQ(waiters_of(box.waiting), 0u);
  EXPECT_EQ(sending.payload(), 5);
  waiting_thread receives(place.recv());
  EXPECT_EQ(select(sending, box.take()).wait()->index(), 0u);
  EXPECT_EQ(receives.get().value(), 5);
}

TEST(select, SEL_3_SEL_21_many_selects_leave_nothing_on_an_idle_object) {
  handover<int> idle;
  mailbox empty;
  auto ctx = with_cancel(context::background());
  const allocation_count count;
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_EQ(
        select(ctx, idle.recv(), empty.take(), idle.send(1), over_when_enlisted()).wait()->index(),
        3u);
    ASSERT_EQ(try_select(idle.recv(), empty.take()).error(), errc::not_ready);
  }
  EXPECT_EQ(count.get(), 0u);
  EXPECT_EQ(idle.waiting() + waiters_of(empty.waiting) + waits_under(ctx), 0u);
}

TEST(select, XC_10_SEL_21_waiting_allocates_nothing) {
  auto ctx = with_cancel(context::background());
  std::array<gate, 20> gates;
  auto all = std::apply([&](auto&... g) { return select(ctx, g.pass()...); }, gates);
  std::thread opener([&] {
    until([&] { return waiters_of(gates[19].waiting) == 1; });
    gates[13].open();
  });
  const allocation_count count;
  EXPECT_EQ(all.wait()->index(), 13u);
  EXPECT_EQ(count.get(), 0u);
  opener.join();
  for (gate& g : gates) EXPECT_EQ(waiters_of(g.waiting), 0u);
}

// For `n` draws of which each wins with the probability `p`: further off is one run in a million.
bool is_far_off(int won, int n, double p) {
  return std::abs(won - n * p) > 4.89 * std::sqrt(n * p * (1 - p));
}

TEST(select, SEL_4_several_that_are_ready_win_equally_often) {
  gate a, b, never;
  a.open(), b.open();
  constexpr int n = 10'000;
  int first = 0, first_of_three = 0;
  for (int i = 0; i < n; ++i) {
    first += select(a.pass(), b.pass()).wait()->index() == 0;
    first_of_three += select(a.pass(), never.pass(), b.pass()).wait()->index() == 0;
  }
  EXPECT_FALSE(is_far_off(first, n, 0.5)) << first;
  EXPECT_FALSE(is_far_off(first_of_three, n, 0.5)) << first_of_three;
}

TEST(select, SEL_4_each_of_sixteen_wins_equally_often) {
  std::array<gate, 16> gates;
  for (gate& g : gates) g.open();
  constexpr int n = 32'000;
  std::array<int, 16> won{};
  for (int i = 0; i < n; ++i) {
    ++won[std::apply([](auto&... g) { return select(g.pass()...).wait()->index(); }, gates)];
  }
  double chi = 0;
  for (const int w : won) chi += (w - n / 16.0) * (w - n / 16.0) / (n / 16.0);
  EXPECT_LT(chi, 55.8);  // one run in a million is above it, with 15 degrees of freedom
}

TEST(select, SEL_5_two_cases_on_one_object_are_two_lots) {
  gate a, b;
  a.open(), b.open();
  constexpr int n = 10'000;
  int of_a = 0;
  for (int i = 0; i < n; ++i) {
    of_a += select(a.pass(), b.pass(), a.pass()).wait()->index() != 1;
  }
  EXPECT_FALSE(is_far_off(of_a, n, 2.0 / 3)) << of_a;
}

TEST(select, SEL_6_in_order_the_first_that_is_ready_wins) {
  gate a, b, c;
  b.open(), c.open();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(select_biased(a.pass(), b.pass(), c.pass()).wait()->index(), 1u);
  }
  a.open();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(select_biased(a.pass(), b.pass(), c.pass()).wait()->index(), 0u);
  }
}

TEST(select, SEL_7_not_ready_when_no_case_is) {
  mailbox a, b;
  EXPECT_EQ(try_select(a.take(), b.take()).error(), errc::not_ready);
  b.give(7);
  auto won = try_select(a.take(), b.take());
  EXPECT_EQ(get<1>(*won).value(), 7);
  EXPECT_EQ(try_select(a.take(), b.take()).error(), errc::not_ready);
}

TEST(select, SEL_8_a_timeout_of_zero_loses_against_all_that_is_ready) {
  gate g;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(select(sleep(0s), when(true, sleep(-1s)), g.pass()).wait()->index() / 2, 0u);
    EXPECT_TRUE(try_select(g.pass(), sleep(0s)));
  }
  g.open();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(select(sleep(0s), when(true, sleep(-1s)), g.pass()).wait()->index(), 2u);
    EXPECT_EQ(select_biased(sleep(0s), g.pass()).wait()->index(), 0u);
  }
}

// In half of the rounds the case drawn first is the one that is never ready.
TEST(select, SEL_8_a_timeout_of_zero_loses_whatever_is_drawn_first) {
  gate never, g;
  g.open();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(select(sleep(0s), never.pass(), sleep(-1s), g.pass()).wait()->index(), 3u);
    EXPECT_EQ(try_select(sleep(0s), never.pass(), sleep(-1s), g.pass())->index(), 3u);
  }
}

TEST(select, SEL_8_a_timeout_ends_it) {
  pinion::manual_clock clock;
  const context root = clock.root();
  gate g;
  waiting_thread waits(select(g.pass(), sleep(root, 5s)));
  until([&] { return waiters_of(g.waiting) == 1; });
  clock.advance(5s);
  EXPECT_EQ(waits.get()->index(), 1u);
}

TEST(select, SEL_9_what_is_closed_is_ready) {
  handover<int> open, closed;
  closed.close();
  auto won = select(open.recv(), closed.recv()).wait();
  EXPECT_EQ(get<1>(*won).error(), errc::closed);
  auto sending = closed.send(5);
  auto sent = select(open.send(6), sending).wait();
  EXPECT_EQ(get<1>(*sent).error(), errc::closed);
  EXPECT_EQ(sending.payload(), 5);
}

TEST(select, SEL_12_two_ends_of_one_select_do_not_meet) {
  handover<int> place;
  EXPECT_EQ(try_select(place.send(1), place.recv()).error(), errc::not_ready);
  waiting_thread waits(select(place.send(1), place.recv()));
  until([&] { return place.waiting() == 2; });
  waiting_thread other(select(place.send(2), place.recv()));
  auto& one = waits.get();
  auto& two = other.get();
  EXPECT_NE(one->index(), two->index());
  EXPECT_EQ(one->index() == 1 ? get<1>(*one).value() : get<1>(*two).value(),
            one->index() == 1 ? 2 : 1);
  EXPECT_EQ(place.waiting(), 0u);
}

TEST(select, SEL_14_it_has_a_place_in_every_line) {
  mailbox a, b;
  waiting_thread before(b.take());
  until([&] { return waiters_of(b.waiting) == 1; });
  waiting_thread waits(select(a.take(), b.take()));
  until([&] { return waiters_of(b.waiting) == 2; });
  waiting_thread after(b.take());
  until([&] { return waiters_of(b.waiting) == 3; });
  for (int n = 1; n <= 3; ++n) b.give(n);
  EXPECT_EQ(before.get().value(), 1);
  EXPECT_EQ(get<1>(*waits.get()).value(), 2);
  EXPECT_EQ(after.get().value(), 3);
  EXPECT_EQ(waiters_of(a.waiting), 0u);
}

TEST(select, SEL_17_a_handler_may_use_the_same_objects_and_throw) {
  mailbox box;
  box.give(1), box.give(2);
  auto won = select(box.take(), box.take()).wait();
  auto again = [&](result<int>& n) {
    return n.value() + *select(box.take()).wait()->match([](result<int>& m) { return m; });
  };
  EXPECT_EQ(won->match(again, again), 3);
  auto refuse = [](result<int>&) { throw std::runtime_error("no"); };
  EXPECT_THROW(won->match(refuse, refuse), std::runtime_error);
  EXPECT_EQ(waiters_of(box.waiting), 0u);
}

TEST(select, SEL_18_cases_are_of_any_kind) {
  pinion::manual_clock clock;
  const context root = clock.root();
  auto ctx = with_cancel(root);
  handover<std::unique_ptr<int>> place;
  pinion::promise<int> promised;
  auto answer = promised.get_future();
  mailbox box;
  auto once = [&](auto&& act) {
    waiting_thread waits(
        select(place.recv(), answer, sleep(root, 1s), ctx.done(), select(box.take(), box.take())));
    until([&] { return waiters_of(box.waiting) == 2; });
    act();
    return waits.get()->index();
  };
  EXPECT_EQ(once([&] { box.give(1); }), 4u);
  EXPECT_EQ(once([&] { EXPECT_TRUE(place.send(std::make_unique<int>(1)).wait()); }), 0u);
  EXPECT_EQ(once([&] { clock.advance(1s); }), 2u);
  EXPECT_EQ(once([&] { ctx.cancel(); }), 3u);
  ctx = with_cancel(root);
  EXPECT_EQ(once([&] { promised.set(7); }), 1u);
  EXPECT_EQ(answer.wait().error(), errc::not_ready);  // the select has taken it
}

TEST(select, a_future_that_has_not_won_is_kept) {
  pinion::promise<int> promised;
  auto answer = promised.get_future();
  gate g;
  g.open();
  EXPECT_EQ(select(answer, g.pass()).wait()->index(), 1u);
  promised.set(7);
  EXPECT_EQ(answer.wait().value(), 7);
}

TEST(select, SEL_22_a_case_that_has_won_beats_a_later_cancel) {
  mailbox box;
  gate g;
  for (int n = 0; n < 500; ++n) {
    auto ctx = with_cancel(context::background());
    waiting_thread waits(select(ctx, g.pass(), box.take()));
    until([&] { return waits_under(ctx) == 1; });
    box.give(n);
    ctx.cancel();
    auto& won = waits.get();
    ASSERT_TRUE(won);
    EXPECT_EQ(get<1>(*won).value(), n);
  }
}

TEST(select, equal_contexts_are_joined_once) {
  struct key : pinion::context_key<int> {};
  auto ctx = with_cancel(context::background());
  auto other = with_cancel(context::background());
  const context same = with_value<key>(ctx, 1);
  gate a, b;
  {
    waiting_thread waits(select(ctx, a.pass(ctx), b.pass(same), select(ctx, a.pass(other)),
                                when(true, b.pass(other))));
    until([&] { return waits_under(other) > 0; });
    EXPECT_EQ(waits_under(ctx), 1u);
    EXPECT_EQ(waits_under(other), 1u);
    ctx.cancel();
    EXPECT_EQ(waits.get().error(), errc::canceled);
  }
  EXPECT_EQ(waits_under(ctx) + waits_under(other), 0u);
}

TEST(select, a_case_whose_own_context_ends_has_won) {
  auto ctx = with_cancel(context::background());
  mailbox box;
  gate g;
  {
    waiting_thread waits(select(select(ctx, box.take()), g.pass()));
    until([&] { return waits_under(ctx) == 1; });
    ctx.cancel(errc::overloaded);
    EXPECT_EQ(get<0>(*waits.get()).error().cause(), make_error_code(errc::overloaded));
  }
  box.give(1);
  EXPECT_EQ(get<0>(*select(box.take(ctx), g.pass()).wait()).error(), errc::canceled);
  EXPECT_EQ(get<0>(*try_select(box.take(ctx))).error(), errc::canceled);
  EXPECT_EQ(box.kept(), 1u);  // untouched
}

// Cancels while the select looks at its cases.
class canceling : public pinion::operation_base<canceling, void> {
 public:
  explicit canceling(pinion::scoped_context& ctx) noexcept : ctx_(&ctx) {}

  void collect(pinion::lock_set&) noexcept {}
  bool try_complete() noexcept { return ctx_->cancel(), false; }
  void enlist(pinion::waiter&) noexcept {}
  void withdraw() noexcept {}
  bool owns(const pinion::wait_link&) const noexcept { return false; }
  result<> take() noexcept { return {}; }

 private:
  pinion::scoped_context* ctx_;
};

TEST(select, a_context_of_all_that_ends_meanwhile_ends_all) {
  mailbox box;
  box.give(1);
  auto ctx = with_cancel(context::background());
  EXPECT_EQ(select_biased(ctx, canceling(ctx), box.take(ctx)).wait().error(), errc::canceled);
  EXPECT_EQ(box.kept(), 1u);
  auto other = with_cancel(context::background());
  EXPECT_EQ(
      select_biased(ctx = with_cancel(context::background()), canceling(other), box.take(other))
          .wait()
          ->index(),
      1u);
  EXPECT_EQ(box.kept(), 1u);
}

TEST(select, the_inner_one_says_which_of_its_cases_won) {
  mailbox a, b;
  gate g;
  waiting_thread waits(select(g.pass(), select(a.take(), b.take())));
  until([&] { return waiters_of(b.waiting) == 1; });
  b.give(7);
  auto& inner = get<1>(*waits.get());
  EXPECT_EQ(inner->index(), 1u);
  EXPECT_EQ(get<1>(*inner).value(), 7);
}

}  // namespace
