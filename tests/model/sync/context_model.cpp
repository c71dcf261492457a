// SPDX-License-Identifier: MIT
// The context in all interleavings: an end reaches every child and every wait, whenever they join;
// one cause wins, and who sees the end sees it.
#include <memory>
#include <optional>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/sync/context.hpp"
#include "pinion/sync/timer.hpp"
#include "src/sync/context_node.hpp"

namespace {

using namespace pinion::model;
using namespace std::chrono_literals;
using pinion::context;
using pinion::errc;
using pinion::scoped_context;

// With the look at the parent's status in attach() before the lock, the child is missed.
void child_against_cancel() {
  scoped_context parent = with_cancel(context::background());
  cell<int> before = 0;
  std::optional<scoped_context> child;
  thread maker([&] {
    child.emplace(with_cancel(parent));
    if (!child->is_done()) return;
    require(before.read() == 1, "done before the cancel");
    require(child->cause() == errc::overloaded, "the cause");
  });
  before.write(1);
  require(parent.cancel(errc::overloaded), "the first");
  require(parent.is_done(), "done");
  maker.join();
  require(child->is_done() && child->cause() == errc::overloaded, "the child ends as the parent");
}

// Who asks and sees the end sees what came before it, and the cause.
void asking_against_cancel() {
  scoped_context ctx = with_cancel(context::background());
  cell<int> before = 0;
  thread asker([&] {
    if (!ctx.is_done()) return;
    require(before.read() == 1, "done before the cancel");
    require(ctx.cause() == errc::overloaded, "the cause");
  });
  before.write(1);
  require(ctx.cancel(errc::overloaded), "the first");
  asker.join();
}

// A child ends on its own account, and has one itself, while the parent ends: whoever returns with
// true, all below it are done. The walk goes into children that another has marked.
void two_cancels() {
  scoped_context parent = with_cancel(context::background());
  scoped_context child = with_cancel(parent);
  scoped_context grandchild = with_cancel(child);
  bool won = false;
  thread other([&] {
    won = child.cancel(errc::overloaded);
    if (won) require(grandchild.is_done(), "all below are done");
  });
  require(parent.cancel(errc::stopped), "the first");
  require(child.is_done() && grandchild.is_done(), "all below are done");
  other.join();
  require(child.cause() == (won ? errc::overloaded : errc::stopped), "the winner's cause");
  require(grandchild.cause() == child.cause().code(), "from parent to child");
}

// A wait that joins is claimed, or finds the end. Without the look at the status under the lock in
// join() it sleeps for ever.
void wait_against_cancel(bool below) {
  scoped_context ctx = with_cancel(context::background());
  cell<int> before = 0;
  thread canceller([&] {
    before.write(1);
    (void)ctx.cancel();
  });
  if (below) {
    const scoped_context child = with_cancel(ctx);
    require(child.done().wait().has_value(), "the end is what was waited for");
    require(child.is_done() && before.read() == 1, "done before the cancel");
  } else {
    require(ctx.done().wait().has_value(), "the end is what was waited for");
    require(before.read() == 1, "done before the cancel");
  }
  canceller.join();
}

/// Waits for nothing but the end of its context.
void wait_under(const context& ctx) {
  pinion::parker thread;
  pinion::waiter who(thread);
  pinion::context_link link(&ctx);
  if (link.enlist(who)) pinion::sleep_until_woken(who, thread);
  link.withdraw();
  require(who.winner() == &link && ctx.is_done(), "ended by the context");
}

// The queue is split while a wait joins it and the context ends: as join() looks at the shards
// first and at the status under the lock it took, nobody is left in either. With the shards set
// outside of the lock, a wait in them is missed.
void split_against_cancel() {
  scoped_context ctx = with_cancel(context::background());
  thread waits([&] { wait_under(ctx); });
  thread splits([&] { pinion::detail::cancel_node::of(ctx.node())->split_queue(); });
  (void)ctx.cancel();
  waits.join(), splits.join();
}

// A child goes while its parent ends, and the handles of both go on two threads.
void child_goes() {
  auto parent = std::make_unique<scoped_context>(with_cancel(context::background()));
  auto child = std::make_unique<scoped_context>(with_cancel(*parent));
  thread other([&] { child.reset(); });
  (void)parent->cancel();
  parent.reset();
  other.join();
}

// A child that nobody holds any more is let go by the walk, or goes itself: once.
void child_goes_unended() {
  scoped_context parent = with_cancel(context::background());
  auto child = std::make_unique<scoped_context>(with_cancel(parent));
  child->release();
  thread other([&] { child.reset(); });
  (void)parent.cancel();
  other.join();
}

struct watched : pinion::context_key<cell<int>> {};

// The last handle destroys the value, after all who have read it.
void handles_go() {
  auto one = std::make_unique<context>(with_value<watched>(context::background(), cell<int>(7)));
  auto two = std::make_unique<context>(*one);
  const auto read_and_go = [](std::unique_ptr<context>& ctx) {
    require(ctx->value<watched>()->read() == 7, "the value");
    ctx.reset();
  };
  thread other([&] { read_and_go(two); });
  read_and_go(one);
  other.join();
}

// --- Deadlines.

// The deadline and a cancel: one wins, and both agree which.
void deadline_against_cancel() {
  pinion::manual_clock clock;
  scoped_context ctx = with_timeout(clock.root(), 1s);
  thread time([&] { (void)clock.advance(2s); });
  const bool won = ctx.cancel();
  require(ctx.is_done(), "done");
  time.join();
  require(ctx.status() == (won ? errc::canceled : errc::deadline_exceeded), "one wins");
  require(ctx.cause() == ctx.status(), "and gives the cause");
}

// The time comes while the timer is armed: it fires, or the context is done from the start.
void deadline_against_making() {
  pinion::manual_clock clock;
  const context root = clock.root();
  const pinion::time_point when = clock.now() + 1s;
  thread time([&] { (void)clock.advance(2s); });
  {
    const scoped_context ctx = with_deadline(root, when);
    time.join();
    require(ctx.status() == errc::deadline_exceeded, "its time has come");
  }
}

// The parent ends while a child with a deadline is made, and its time comes.
void deadline_goes() {
  pinion::manual_clock clock;
  scoped_context parent = with_cancel(clock.root());
  thread time([&] { (void)clock.advance(2s); });
  thread canceller([&] { (void)parent.cancel(); });
  {
    const scoped_context ctx = with_timeout(parent, 1s);
    (void)ctx.status();
  }
  time.join(), canceller.join();
  require(clock.next_timer() == pinion::forever, "no timer is left");
}

// Nobody cancels it, and the last handle goes while the timer fires: it finds that and lets it be.
// With retain() in place of try_retain() in on_time(), the context goes twice.
void deadline_of_nobody() {
  pinion::manual_clock clock;
  auto ctx = std::make_unique<scoped_context>(with_timeout(clock.root(), 1s));
  ctx->release();
  thread time([&] { (void)clock.advance(2s); });
  ctx.reset();
  time.join();
  require(clock.next_timer() == pinion::forever, "no timer is left");
}

const options two_stops{.preemptions = 2};
const options some{.how = mode::priorities, .executions = 20'000, .changes = 4};
const options few{.how = mode::priorities, .executions = 1'000, .changes = 4};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {two_stops, child_against_cancel},
      {two_stops, child_goes_unended},
      {{}, asking_against_cancel},
      {{}, handles_go},
      {two_stops, [] { wait_against_cancel(false); }},
      {two_stops, deadline_against_making},
      {two_stops, deadline_of_nobody},
      {few, child_goes},
      {few, [] { wait_against_cancel(true); }},
      {few, two_cancels},
      {few, deadline_against_cancel},
      {few, split_against_cancel},
      {few, deadline_goes},
  };
  return all;
}

TEST(context_model, an_end_reaches_every_child) {
  EXPECT_TRUE(holds_always(two_stops, child_against_cancel));
  EXPECT_TRUE(holds_always(two_stops, two_cancels));
  EXPECT_TRUE(holds_always({}, asking_against_cancel));
}
TEST(context_model, an_end_reaches_every_wait) {
  EXPECT_TRUE(holds_always(two_stops, [] { wait_against_cancel(false); }));
  EXPECT_TRUE(holds_always(two_stops, [] { wait_against_cancel(true); }));
  EXPECT_TRUE(holds_always(two_stops, split_against_cancel));
}
TEST(context_model, a_child_may_go_meanwhile) {
  EXPECT_TRUE(holds_always(two_stops, child_goes));
  EXPECT_TRUE(holds_always(two_stops, child_goes_unended));
  EXPECT_TRUE(holds_always({}, handles_go));
}
TEST(context_model, a_deadline_and_a_cancel_agree) {
  EXPECT_TRUE(holds_always(two_stops, deadline_against_cancel));
  EXPECT_TRUE(holds_always(two_stops, deadline_against_making));
  EXPECT_TRUE(holds_always(two_stops, deadline_of_nobody));
  EXPECT_TRUE(holds(some, deadline_goes));
}

TEST(context_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(
      trials(), {"context.hpp", "context.cpp", "context_node.hpp", "context_node.cpp"}));
}

}  // namespace
