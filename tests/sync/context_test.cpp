// SPDX-License-Identifier: MIT
// Contexts end as their tree says, once, for one reason, and leave nothing behind.
#include "pinion/sync/context.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/contexts.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "src/sync/context_node.hpp"

namespace {

using namespace std::chrono_literals;
using namespace pinion::test;
using pinion::context;
using pinion::errc;
using pinion::error;
using pinion::forever;
using pinion::scoped_context;
using pinion::with_cancel;
using pinion::with_deadline;
using pinion::with_timeout;
using pinion::with_value;
static_assert(sizeof(context) == sizeof(void*));
static_assert(!std::is_constructible_v<context, scoped_context>);  // would be canceled at once
static_assert(!std::is_assignable_v<context&, scoped_context>);
static_assert(std::is_constructible_v<context, const scoped_context&>);
static_assert(!std::is_copy_constructible_v<scoped_context>);
static_assert(std::is_nothrow_move_constructible_v<scoped_context>);

TEST(context, CTX_1_background_is_never_done_and_has_nothing) {
  EXPECT_FALSE(background().is_done());
  EXPECT_EQ(background().deadline(), forever);
  EXPECT_EQ(background().cause(), errc::ok);
  EXPECT_EQ(background().value<first_key>(), nullptr);
  EXPECT_FALSE(background().can_end());
  EXPECT_FALSE(with_value<first_key>(background(), 1).can_end());
  EXPECT_TRUE(with_cancel(background()).can_end());
}

TEST(context, CTX_1_waits_under_what_never_ends_are_not_registered) {
  gate g;
  const auto ctx = with_value<first_key>(background(), 1);
  std::thread opener([&] {
    until([&] { return waiters_of(g.waiting) == 1; });
    g.open();
  });
  EXPECT_TRUE(g.pass(ctx).wait());
  opener.join();
}

TEST(context, CTX_2_a_child_ends_by_itself_or_with_its_parent) {
  auto parent = with_cancel(background());
  auto first = with_cancel(parent);
  auto second = with_cancel(parent);
  EXPECT_FALSE(first.is_done());
  first.cancel();
  EXPECT_TRUE(first.is_done());
  EXPECT_FALSE(second.is_done());
  parent.cancel();
  EXPECT_TRUE(second.is_done());
}

TEST(context, CTX_3_only_the_first_cancel_returns_true) {
  auto ctx = with_cancel(background());
  EXPECT_TRUE(ctx.cancel());
  EXPECT_FALSE(ctx.cancel());
  auto parent = with_cancel(background());
  auto child = with_cancel(parent);
  parent.cancel();
  EXPECT_FALSE(child.cancel(errc::overloaded));
  EXPECT_EQ(child.cause(), errc::canceled);
}

TEST(context, CTX_4_cancel_returns_when_all_below_is_done_and_every_wait_claimed) {
  auto top = with_cancel(background());
  auto middle = with_value<first_key>(top, 1);
  auto below = with_cancel(middle);
  gate g;
  std::vector<std::thread> waits;
  for (int i = 0; i < 4; ++i) {
    waits.emplace_back([&] { EXPECT_EQ(g.pass(below).wait().error(), errc::canceled); });
  }
  waits.emplace_back([&] { EXPECT_TRUE(below.done().wait()); });
  auto& node = *pinion::detail::cancel_node::of(below.node());
  until([&] { return waiters_of(node.waiting) == 5; });
  EXPECT_TRUE(top.cancel());
  EXPECT_TRUE(middle.is_done() && below.is_done());
  EXPECT_EQ(waiters_of(node.waiting), 0u);
  for (auto& t : waits) t.join();
}

TEST(context, CTX_6_a_child_that_ends_leaves_its_parent) {
  auto parent = with_cancel(background());
  auto sibling = with_cancel(parent);
  for (int i = 0; i < 1000; ++i) {
    auto child = with_cancel(parent);
    EXPECT_EQ(children_of(parent), 2u);
    child.cancel();
    EXPECT_EQ(children_of(parent), 1u);
  }
  {
    auto unused = with_timeout(parent, 1h);
    auto kept = with_cancel(parent);
    kept.release();
  }
  EXPECT_EQ(children_of(parent), 1u);
  EXPECT_FALSE(parent.is_done());
  EXPECT_FALSE(sibling.is_done());
}

TEST(context, CTX_7_a_child_of_an_ended_parent_has_ended_too) {
  auto parent = with_cancel(background());
  parent.cancel(user_error("enough"));
  const auto child = with_cancel(parent);
  expect_end(child, errc::canceled, "enough");
  EXPECT_EQ(children_of(parent), 0u);
}

TEST(context, CTX_9_CTX_17_nothing_is_said_before_the_end) {
  const auto ctx = with_timeout(background(), 1h, user_error("late"));
  EXPECT_EQ(ctx.status(), errc::ok);
  EXPECT_EQ(ctx.cause(), errc::ok);
}

TEST(context, CTX_10_only_a_deadline_is_a_timeout) {
  EXPECT_TRUE(with_timeout(background(), 0s).cause().is_timeout());
  auto ctx = with_cancel(background());
  ctx.cancel();
  EXPECT_FALSE(ctx.cause().is_timeout());
  EXPECT_TRUE(ctx.cause().is_cancel());
}

// Learns the order in which contexts tell those who wait for their end.
class order {
 public:
  void watch(const context& ctx, const std::string& name) {
    watchers_.push_back(std::make_unique<watcher>(ctx, name, seen));
  }
  std::string seen;

 private:
  class watcher final : public pinion::executor {
   public:
    watcher(const context& ctx, std::string name, std::string& seen)
        : name_(std::move(name)), seen_(seen), done_(ctx.done()) {
      pinion::lock_set locks;
      locks.lock(done_);
      done_.enlist(waiter_);
      locks.unlock(done_);
      EXPECT_TRUE(waiter_.commit());
    }
    bool post(pinion::work_item&) noexcept override { return seen_ += name_, true; }
    pinion::time_source& time() noexcept override { return pinion::system_time(); }

   private:
    std::string name_;
    std::string& seen_;
    pinion::op<> done_;
    pinion::waiter waiter_{std::noop_coroutine(), *this};
  };
  std::vector<std::unique_ptr<watcher>> watchers_;
};

TEST(context, CTX_14_parents_end_before_children_and_siblings_in_order_of_creation) {
  auto top = with_cancel(background());
  auto a = with_cancel(top);
  auto b = with_cancel(top);
  auto a1 = with_cancel(a);
  auto c = with_cancel(top);
  auto b1 = with_cancel(b);
  auto a2 = with_cancel(a);
  auto a11 = with_cancel(a1);
  order o;
  o.watch(c, "c ");
  o.watch(b1, "b1 ");
  o.watch(b, "b ");
  o.watch(a11, "a11 ");
  o.watch(a2, "a2 ");
  o.watch(a1, "a1 ");
  o.watch(a, "a ");
  o.watch(top, "top ");
  top.cancel();
  EXPECT_EQ(o.seen, "top a a1 a11 a2 b b1 c ");
}

TEST(context, CTX_15_dropping_a_handle_in_the_middle_does_not_cut_the_tree) {
  auto top = with_cancel(background());
  auto child_of = [](const context& parent) {
    auto middle = with_cancel(parent);
    middle.release();
    return with_cancel(middle);
  };
  auto below = child_of(top);
  EXPECT_FALSE(below.is_done());
  top.cancel(user_error("enough"));
  expect_end(below, errc::canceled, "enough");
}

TEST(context, CTX_15_the_end_of_scope_cancels_unless_released) {
  context kept = background();
  {
    auto ctx = with_cancel(background());
    kept = ctx;
    EXPECT_EQ(kept, ctx);
    auto moved = std::move(ctx);
    EXPECT_FALSE(kept.is_done());
  }
  EXPECT_TRUE(kept.is_done());
  {
    auto ctx = with_cancel(background());
    kept = ctx;
    ctx.release();
  }
  EXPECT_FALSE(kept.is_done());
  auto ctx = with_cancel(background());
  kept = ctx;
  ctx = with_cancel(background());  // ends what it was
  EXPECT_TRUE(kept.is_done());
  EXPECT_FALSE(ctx.is_done());
}

TEST(context, CTX_16_the_first_cause_stays) {
  const error c1 = user_error("c1"), c2 = user_error("c2");
  {
    auto ctx = with_cancel(background());
    ctx.cancel(c1);
    ctx.cancel(c2);
    expect_end(ctx, errc::canceled, "c1");
    EXPECT_EQ(ctx.cause().exception(), c1.exception());
  }
  {
    auto ctx = with_cancel(background());
    ctx.cancel(errc::ok);  // no cause given
    expect_end(ctx, errc::canceled, "canceled");
  }
  {
    tree x;
    x.parent.cancel(c1);
    x.child.cancel(c2);
    expect_end(x.child, errc::canceled, "c1");
  }
  {
    tree x;
    x.child.cancel(c2);
    x.parent.cancel(c1);
    expect_end(x.child, errc::canceled, "c2");
    expect_end(x.parent, errc::canceled, "c1");
  }
  {
    tree x;
    x.child.cancel();
    x.parent.cancel(c1);
    expect_end(x.child, errc::canceled, "canceled");
  }
  {
    tree x;
    x.parent.cancel();
    x.child.cancel(c2);
    expect_end(x.child, errc::canceled, "canceled");
  }
}

TEST(context, CTX_43_one_allocation_each_and_none_to_copy_or_wait) {
  auto parent = with_cancel(background());
  test_clock clock;
  const auto root = context::root(clock);
  {
    const allocation_count count;
    auto child = with_cancel(parent);
    EXPECT_EQ(count.get(), 1u);
  }
  {
    auto when = clock.now() + 1s;
    const allocation_count count;
    auto child = with_deadline(root, when);
    EXPECT_LE(count.get(), 2u);  // one of them is the test clock's
  }
  {
    const allocation_count count;
    auto child = with_value<first_key>(parent, 1);
    EXPECT_EQ(count.get(), 1u);
  }
  const allocation_count count;
  const context copy = parent;
  const context free_copy = background();
  auto done = copy.done();
  parent.cancel();
  EXPECT_TRUE(done.wait());
  EXPECT_EQ(count.get(), 0u);
}

TEST(context, XC_17_what_was_done_before_the_cancel_is_visible_after_the_wait) {
  auto ctx = with_cancel(background());
  int before = 0;
  std::thread canceller([&] {
    before = 7;
    ctx.cancel(user_error("enough"));
  });
  EXPECT_TRUE(ctx.done().wait());
  EXPECT_EQ(before, 7);
  expect_end(ctx, errc::canceled, "enough");
  canceller.join();
}

// A thread that finds the lock taken often enough splits the queue; waits before and after it end.
TEST(context, a_crowded_context_spreads_its_waits) {
  auto ctx = with_cancel(background());
  auto& node = *pinion::detail::cancel_node::of(ctx.node());
  gate g;
  std::thread before([&] { EXPECT_EQ(g.pass(ctx).wait().error(), errc::canceled); });
  until([&] { return waiters_of(node.waiting) == 1; });

  std::atomic<bool> coming{false};
  std::thread crowd([&] {
    while (!node.is_split()) {
      pinion::parker thread;
      pinion::waiter who(thread);
      pinion::context_link link(&ctx);
      coming = true;
      EXPECT_TRUE(link.enlist(who));
      link.withdraw();
    }
  });
  while (!node.is_split()) {
    std::lock_guard lock(node.waiting);
    coming = false;
    for (int i = 0; i < 20 && !coming; ++i) std::this_thread::yield();
  }
  crowd.join();

  std::thread after([&] { EXPECT_EQ(g.pass(ctx).wait().error(), errc::canceled); });
  until([&] { return waiters_of(g.waiting) == 2; });
  EXPECT_EQ(waiters_of(node.waiting), 1u);  // the newcomer stands elsewhere
  ctx.cancel();
  before.join();
  after.join();
}

TEST(context, done_of_what_never_ends_waits_for_the_context_of_the_wait_only) {
  auto done = background().done();
  EXPECT_FALSE(done.try_complete());
}

}  // namespace
