// SPDX-License-Identifier: MIT
// Callbacks of a context run once, on their executor, or are taken back in time.
#include "pinion/sync/context_callback.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/contexts.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/executor.hpp"
#include "pinion/sync/time_source.hpp"

namespace {

using namespace std::chrono_literals;
using namespace pinion::test;
using pinion::callback_registration;
using pinion::context;
using pinion::errc;
using pinion::error;
using pinion::scoped_context;
using pinion::with_cancel;
using pinion::with_timeout;

static_assert(!std::is_copy_constructible_v<callback_registration>);
static_assert(std::is_nothrow_move_constructible_v<callback_registration>);

// Keeps what it is handed until it is told to run it, or to give it up.
class queue final : public pinion::executor {
 public:
  bool post(pinion::work_item& item) noexcept override {
    if (stopped) return false;
    items_.push_back(&item);
    return true;
  }
  void unobserved(const error& e, const char*) noexcept override { errors.push_back(e); }
  pinion::time_source& time() noexcept override { return pinion::system_time(); }

  std::size_t size() const { return items_.size(); }
  void run() {
    for (auto* item : std::exchange(items_, {})) item->run(*item);
  }
  void drop() {
    for (auto* item : std::exchange(items_, {})) item->drop(*item);
  }

  bool stopped = false;
  std::vector<error> errors;

 private:
  std::vector<pinion::work_item*> items_;
};

struct context_callback : testing::Test {
  queue ex;
  scoped_context ctx = with_cancel(background());
  int runs = 0;
  std::function<void()> count = [this] { ++runs; };
};

TEST_F(context_callback, CTX_30_runs_once_on_its_executor_after_the_end) {
  auto made = ctx.on_done(ex, [this] {
    EXPECT_TRUE(ctx.is_done());
    ++runs;
  });
  EXPECT_EQ(ex.size(), 0u);
  ctx.cancel();
  EXPECT_EQ(runs, 0);  // not by the canceller
  EXPECT_EQ(ex.size(), 1u);
  ex.run();
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(made.try_remove());
}

TEST_F(context_callback, CTX_30_of_what_is_done_is_posted_at_once_and_not_run) {
  ctx.cancel();
  auto made = ctx.on_done(ex, count);
  EXPECT_EQ(runs, 0);
  ex.run();
  EXPECT_EQ(runs, 1);
}

TEST_F(context_callback, CTX_30_of_what_never_ends_never_runs) {
  auto made = background().on_done(ex, count);
  EXPECT_TRUE(made.try_remove());
  auto dropped = background().on_done(ex, count);
}

TEST_F(context_callback, CTX_31_registrations_are_independent_and_run_in_order) {
  std::string seen;
  auto a = ctx.on_done(ex, [&] { seen += 'a'; });
  auto b = ctx.on_done(ex, [&] { seen += 'b'; });
  auto c = ctx.on_done(ex, [&] { seen += 'c'; });
  EXPECT_TRUE(b.try_remove());
  ctx.cancel();
  ex.run();
  EXPECT_EQ(seen, "ac");
}

TEST_F(context_callback, CTX_32_try_remove_says_whether_it_prevented_it) {
  auto held = std::make_shared<int>(1);
  auto made = ctx.on_done(ex, [this, held] { ++runs; });
  EXPECT_EQ(held.use_count(), 2);
  EXPECT_TRUE(made.try_remove());
  EXPECT_EQ(held.use_count(), 1);  // destroyed by then
  EXPECT_FALSE(made.try_remove());
  ctx.cancel();
  EXPECT_EQ(ex.size(), 0u);
}

TEST_F(context_callback, CTX_32_what_was_posted_and_has_not_begun_can_still_be_removed) {
  auto made = ctx.on_done(ex, count);
  ctx.cancel();
  EXPECT_TRUE(made.try_remove());
  ex.run();
  EXPECT_EQ(runs, 0);
}

TEST_F(context_callback, CTX_32_the_end_of_scope_removes_unless_detached) {
  { auto made = ctx.on_done(ex, count); }
  ctx.on_done(ex, count).detach();
  auto moved = ctx.on_done(ex, count);
  moved = ctx.on_done(ex, count);  // removes what it was
  ctx.cancel();
  ex.run();
  EXPECT_EQ(runs, 2);
}

// One executor for all: a thread of its own.
class worker final : public pinion::executor {
 public:
  ~worker() {
    if (thread_.joinable()) thread_.join();
  }
  bool post(pinion::work_item& item) noexcept override {
    thread_ = std::thread([&item] { item.run(item); });
    return true;
  }
  pinion::time_source& time() noexcept override { return pinion::system_time(); }

 private:
  std::thread thread_;
};

TEST_F(context_callback, CTX_33_cancel_does_not_wait_for_it) {
  gate g;
  worker thread;
  auto made = ctx.on_done(thread, [&] { EXPECT_TRUE(g.pass().wait()); });
  ctx.cancel();
  until([&] { return waiters_of(g.waiting) == 1; });
  EXPECT_FALSE(made.try_remove());
  g.open();
  EXPECT_TRUE(made.remove().wait());
}

TEST_F(context_callback, CTX_34_remove_waits_for_one_that_runs) {
  gate g;
  worker thread;
  int after = 0;
  auto made = ctx.on_done(thread, [&] {
    EXPECT_TRUE(g.pass().wait());
    after = 1;
  });
  ctx.cancel();
  until([&] { return waiters_of(g.waiting) == 1; });
  auto removal = made.remove();
  EXPECT_FALSE(removal.try_complete());
  g.open();
  EXPECT_TRUE(removal.wait());
  EXPECT_EQ(after, 1);
}

TEST_F(context_callback, CTX_34_remove_prevents_what_has_not_begun_and_is_quiet_inside) {
  auto made = ctx.on_done(ex, count);
  EXPECT_TRUE(made.remove().wait());
  std::optional<callback_registration> own;
  own.emplace(ctx.on_done(ex, [&] {
    EXPECT_TRUE(own->remove().wait());
    ++runs;
  }));
  ctx.cancel();
  EXPECT_EQ(ex.size(), 1u);
  ex.run();
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(own->remove().wait());
}

TEST_F(context_callback, CTX_35_it_may_destroy_register_cancel_and_drop_the_last_handle) {
  auto last = std::make_unique<scoped_context>(with_cancel(ctx));
  std::optional<callback_registration> own;
  own.emplace(last->on_done(ex, [&] {
    last->on_done(ex, count).detach();
    own.reset();
    last.reset();
    ++runs;
  }));
  ctx.cancel();
  ex.run();
  EXPECT_EQ(runs, 1);
  ex.run();  // what was registered after the end
  EXPECT_EQ(runs, 2);
}

// Two contexts whose callbacks cancel each other; run inside the cancel, to make it worse.
class in_place final : public pinion::executor {
 public:
  bool post(pinion::work_item& item) noexcept override { return item.run(item), true; }
  pinion::time_source& time() noexcept override { return pinion::system_time(); }
};

TEST_F(context_callback, CTX_12_contexts_whose_callbacks_cancel_each_other) {
  in_place here;
  auto other = with_cancel(background());
  auto a = ctx.on_done(here, [&] { EXPECT_TRUE(other.cancel()); });
  auto b = other.on_done(here, [&] { EXPECT_FALSE(ctx.cancel()); });
  EXPECT_TRUE(ctx.cancel());
  EXPECT_TRUE(other.is_done());
}

// A hook is what callbacks and stop tokens are made of inside.
struct noting_hook : pinion::detail::end_hook {
  explicit noting_hook(const context& of) : end_hook{settled}, ctx(of) {}
  static void settled(end_hook& hook, bool ended) noexcept {
    auto& self = static_cast<noting_hook&>(hook);
    auto& node = *pinion::detail::cancel_node::of(self.ctx.node());
    self.by = std::this_thread::get_id();
    self.done = ended && self.ctx.is_done();
    self.unlocked = node.waiting.try_lock();
    node.waiting.unlock();
  }
  context ctx;
  std::thread::id by;
  bool done = false, unlocked = false;
};

TEST_F(context_callback, CTX_36_hooks_run_on_the_canceller_after_the_mark_and_without_locks) {
  noting_hook hook(ctx);
  ASSERT_TRUE(pinion::detail::cancel_node::of(ctx.node())->join(hook));
  ctx.cancel();
  EXPECT_EQ(hook.by, std::this_thread::get_id());
  EXPECT_TRUE(hook.done && hook.unlocked);
}

TEST_F(context_callback, CTX_37_registering_costs_one_allocation_and_no_thread) {
  std::vector<callback_registration> all;
  all.reserve(1000);
  const allocation_count count_of;
  for (int i = 0; i < 1000; ++i) all.push_back(ctx.on_done(ex, [this] { ++runs; }));
  EXPECT_EQ(count_of.get(), 1000u);
  ctx.cancel();
  ex.run();
  EXPECT_EQ(runs, 1000);
}

TEST_F(context_callback, CTX_45_a_refused_post_destroys_it_and_tells_the_hook_once) {
  auto held = std::make_shared<int>(1);
  auto made = ctx.on_done(ex, [this, held] { ++runs; });
  ex.stopped = true;
  ctx.cancel();
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(held.use_count(), 1);
  ASSERT_EQ(ex.errors.size(), 1u);
  EXPECT_EQ(ex.errors[0], errc::not_started);
  EXPECT_FALSE(made.try_remove());
  EXPECT_TRUE(made.remove().wait());
}

TEST_F(context_callback, CTX_45_what_an_executor_gives_up_is_told_as_well) {
  auto held = std::make_shared<int>(1);
  auto made = ctx.on_done(ex, [this, held] { ++runs; });
  auto removed = ctx.on_done(ex, count);
  ctx.cancel();
  EXPECT_TRUE(removed.try_remove());
  ex.drop();
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(ex.errors.size(), 1u);
  EXPECT_TRUE(made.remove().wait());
}

TEST_F(context_callback, an_exception_goes_to_the_hook_of_the_executor) {
  auto made = ctx.on_done(ex, [] { throw std::runtime_error("wrong"); });
  ctx.cancel();
  ex.run();
  ASSERT_EQ(ex.errors.size(), 1u);
  EXPECT_EQ(ex.errors[0].what(), "wrong");
}

TEST_F(context_callback, it_keeps_its_context_until_it_has_run) {
  {
    auto child = with_cancel(ctx);
    child.release();
    child.on_done(ex, count).detach();
  }
  EXPECT_EQ(children_of(ctx), 1u);
  ctx.cancel();
  ex.run();
  EXPECT_EQ(runs, 1);
  auto other = with_cancel(background());
  {
    auto child = with_cancel(other);
    child.release();
    auto made = child.on_done(ex, count);
  }
  EXPECT_EQ(children_of(other), 0u);
}

// Finds: a registration that outlives the callback, and keeps the context and its values with it.
TEST_F(context_callback, it_lets_go_of_its_context_when_it_has_run) {
  auto value = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = value;
  struct key : pinion::context_key<std::shared_ptr<int>> {};
  auto below = std::make_unique<scoped_context>(
      with_cancel(pinion::with_value<key>(background(), std::move(value))));
  const auto made = below->on_done(ex, count);
  below->cancel();
  below.reset();
  EXPECT_FALSE(seen.expired());
  ex.run();
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(seen.expired());
}

TEST_F(context_callback, a_deadline_posts_it) {
  test_clock clock;
  auto late = with_timeout(context::root(clock), 1s);
  auto made = late.on_done(ex, count);
  clock.advance(1s);
  ex.run();
  EXPECT_EQ(runs, 1);
}

}  // namespace
