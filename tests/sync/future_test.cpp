// SPDX-License-Identifier: MIT
#include "pinion/sync/future.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "tests/support/allocations.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"

namespace {

using pinion::errc;
using pinion::error;
using pinion::future;
using pinion::promise;
using pinion::result;
using pinion::detail::future_actions;
using pinion::detail::future_state;
using pinion::detail::future_state_base;

static_assert(!std::is_copy_constructible_v<future<int>>);
static_assert(std::is_nothrow_move_constructible_v<future<std::string>>);
static_assert(pinion::operation<future<>> && pinion::operation<future<std::unique_ptr<int>>>);

// A state in memory of one's own, as a scheduler makes it, that counts what becomes of it.
template <class T>
struct pooled : future_state<T> {
  pooled() noexcept : future_state<T>(actions) {}
  explicit pooled(const future_actions& other) noexcept : future_state<T>(other) {}

  static void dispose(future_state_base& base) noexcept {
    ++static_cast<pooled&>(static_cast<future_state<T>&>(base)).disposed;
  }
  static void report(future_state_base& base, const error& e) noexcept {
    auto& self = static_cast<pooled&>(static_cast<future_state<T>&>(base));
    ++self.reported;
    self.last = e;
  }
  static constexpr future_actions actions{.dispose = dispose, .report = report};

  int disposed = 0;
  int reported = 0;
  error last = errc::ok;
};

TEST(future, XC_2_completes_once_with_a_value) {
  promise<int> p;
  future<int> f = p.get_future();
  EXPECT_FALSE(f.ready());
  EXPECT_TRUE(p.set(42));
  EXPECT_FALSE(p.set(43));
  EXPECT_TRUE(f.ready());
  EXPECT_EQ(f.wait().value(), 42);
  EXPECT_EQ(f.wait().error(), errc::not_ready);  // it was taken
  EXPECT_TRUE(f.ready());
}

TEST(future, nothing_and_things_that_only_move_are_values_too) {
  promise<> done;
  auto f = done.get_future();
  done.set({});
  EXPECT_TRUE(f.wait());

  promise<std::unique_ptr<int>> owner;
  auto g = owner.get_future();
  owner.set(std::make_unique<int>(7));
  EXPECT_EQ(*g.wait().value(), 7);
}

TEST(future, XC_17_waits_for_another_thread_and_sees_what_it_did) {
  for (int round = 0; round < 200; ++round) {
    promise<int> p;
    future<int> f = p.get_future();
    int written = 0;
    std::thread producer([&] {
      for (int i = 0; i < round; ++i) std::this_thread::yield();
      written = round;
      p.set(round);
    });
    const result<int> r = f.wait();
    EXPECT_EQ(r.value(), round);
    EXPECT_EQ(written, round);
    producer.join();
  }
}

TEST(future, a_promise_dropped_unset_completes_with_not_started) {
  future<int> f = promise<int>().get_future();
  EXPECT_TRUE(f.ready());
  EXPECT_EQ(f.wait().error(), errc::not_started);

  promise<int> p;
  future<int> g = p.get_future();
  p = promise<int>();
  EXPECT_EQ(g.wait().error(), errc::not_started);
}

TEST(future, a_promise_that_was_asked_does_not_pass_that_on_to_what_takes_its_place) {
  testing::internal::CaptureStderr();
  {
    promise<int> p;
    auto f = p.get_future();
    p.set(1);
    EXPECT_EQ(f.wait().value(), 1);
    p = promise<int>();  // nobody asks for its future
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(future, a_promise_nobody_asked_misses_nothing) {
  testing::internal::CaptureStderr();
  { promise<int> unused; }
  {
    promise<int> moved;
    promise<int> to = std::move(moved);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(future, one_that_was_refused_is_ready) {
  future<int> f{error(errc::stopped)};
  EXPECT_TRUE(f.ready());
  EXPECT_FALSE(f.cancel());
  EXPECT_EQ(f.wait().error(), errc::stopped);
}

TEST(future, moves_and_assignments_keep_the_state) {
  promise<int> p, q;
  future<int> f = p.get_future();
  future<int> g = std::move(f);
  EXPECT_TRUE(f.ready());
  EXPECT_EQ(f.wait().error(), errc::not_ready);
  q.set(2);
  future<int>& itself = g;
  g = std::move(itself);
  p.set(1);
  EXPECT_EQ(g.wait().value(), 1);
  g = q.get_future();
  EXPECT_EQ(g.wait().value(), 2);
}

TEST(future, RE_3_an_error_nobody_fetched_is_reported_once) {
  pooled<int> dropped_after, dropped_before, fetched, fine, detached;
  {
    future<int> f(dropped_after);
    dropped_after.complete(errc::overloaded);
  }
  EXPECT_EQ(dropped_after.reported, 1);
  EXPECT_EQ(dropped_after.last, errc::overloaded);
  { future<int> f(dropped_before); }
  dropped_before.complete(errc::overloaded);
  EXPECT_EQ(dropped_before.reported, 1);
  {
    future<int> f(fetched);
    fetched.complete(errc::overloaded);
    EXPECT_EQ(f.wait().error(), errc::overloaded);
  }
  EXPECT_EQ(fetched.reported, 0);
  {
    future<int> f(fine);
    fine.complete(1);
  }
  EXPECT_EQ(fine.reported, 0);
  {
    future<int> f(detached);
    f.detach();
    EXPECT_EQ(f.wait().error(), errc::not_ready);
    detached.complete(errc::overloaded);
    EXPECT_EQ(detached.reported, 1);
  }
  for (pooled<int>* s : {&dropped_after, &dropped_before, &fetched, &fine, &detached}) {
    EXPECT_EQ(s->disposed, 1);
  }
}

TEST(future, RE_3_without_a_hook_the_error_is_printed) {
  testing::internal::CaptureStderr();
  {
    promise<int> p;
    auto f = p.get_future();
    p.set(error("out of paper"));
  }
  EXPECT_NE(testing::internal::GetCapturedStderr().find("out of paper"), std::string::npos);
}

TEST(future, RE_6_the_very_exception_arrives) {
  promise<int> p;
  auto f = p.get_future();
  const auto thrown = std::make_exception_ptr(std::runtime_error("boom"));
  std::thread([&] { p.set(error(thrown)); }).join();
  EXPECT_EQ(f.wait().error().exception(), thrown);
}

TEST(future, XC_14_a_move_that_throws_becomes_the_result) {
  struct fragile {
    explicit fragile(bool b) : breaks(b) {}
    fragile(fragile&& other) : breaks(other.breaks) {
      if (std::exchange(other.breaks, false)) throw std::runtime_error("broken in transit");
    }
    fragile& operator=(fragile&&) = default;
    bool breaks;
  };
  pooled<fragile> state;
  future<fragile> f(state);
  result<fragile> r(true);
  state.complete(std::move(r));
  const result<fragile> got = f.wait();
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().what(), "broken in transit");
}

TEST(future, XC_3_a_done_context_comes_first) {
  promise<int> p;
  future<int> f = p.get_future();
  p.set(1);
  auto ctx = pinion::with_cancel(pinion::context::background());
  ctx.cancel();
  EXPECT_EQ(f.with(ctx).wait().error(), errc::canceled);
  EXPECT_EQ(f.with(pinion::context::background()).wait().value(), 1);
}

TEST(future, with_bounds_the_waiting_and_not_the_work) {
  promise<int> p;
  future<int> f = p.get_future();
  auto ctx = pinion::with_cancel(pinion::context::background());
  std::thread canceler([&] { ctx.cancel(); });
  EXPECT_EQ(f.with(ctx).wait().error(), errc::canceled);
  canceler.join();
  EXPECT_FALSE(f.ready());
  std::thread producer([&] { p.set(5); });
  EXPECT_EQ(f.with(pinion::context::background()).wait().value(), 5);
  producer.join();
}

// A state whose work runs when somebody waits for it, unless it was canceled.
struct lazy : pooled<int> {
  lazy() noexcept : pooled<int>(actions) {}
  static lazy& of(future_state_base& base) noexcept {
    return static_cast<lazy&>(static_cast<future_state<int>&>(base));
  }
  bool take_it(result<int> r) noexcept {
    if (std::exchange(started, true)) return false;
    complete(std::move(r));
    return true;
  }
  static bool try_run(future_state_base& b) noexcept { return of(b).take_it(42); }
  static bool cancel(future_state_base& b) noexcept { return of(b).take_it(errc::not_started); }
  static constexpr future_actions actions{.dispose = &pooled<int>::dispose,
                                          .report = &pooled<int>::report,
                                          .try_run = try_run,
                                          .cancel = cancel};
  bool started = false;
};

TEST(future, who_waits_may_run_the_work_itself) {
  lazy state;
  future<int> f(state);
  EXPECT_EQ(f.wait().value(), 42);
  EXPECT_EQ(state.disposed, 1);

  lazy running;
  running.started = true;
  future<int> g(running);
  std::thread worker([&] { running.complete(1); });
  EXPECT_EQ(g.wait().value(), 1);
  worker.join();
}

TEST(future, who_waits_for_a_limited_time_leaves_the_work_to_others) {
  lazy state;
  future<int> f(state);
  auto ctx = pinion::with_cancel(pinion::context::background());
  std::thread canceler([&] { ctx.cancel(); });
  EXPECT_EQ(f.with(ctx).wait().error(), errc::canceled);
  canceler.join();
  EXPECT_FALSE(state.started);
}

TEST(future, cancel_says_whether_the_work_will_never_start) {
  lazy state;
  future<int> f(state);
  EXPECT_TRUE(f.cancel());
  EXPECT_FALSE(f.cancel());
  EXPECT_EQ(f.wait().error(), errc::not_started);

  lazy running;
  running.started = true;
  future<int> g(running);
  EXPECT_FALSE(g.cancel());
  running.complete(1);
  EXPECT_EQ(g.wait().value(), 1);

  promise<int> p;
  EXPECT_FALSE(p.get_future().cancel());  // nobody can stop it
}

// Goal: the promise may go as soon as the result is there, although set() still runs.
TEST(future, XC_19_the_promise_may_be_destroyed_by_who_waited) {
  for (int round = 0; round < 500; ++round) {
    std::optional<promise<int>> p(std::in_place);
    future<int> f = p->get_future();
    std::thread producer([set = &*p] { set->set(1); });
    EXPECT_EQ(f.wait().value(), 1);
    p.reset();
    producer.join();
  }
}

TEST(future, XC_10_a_pooled_state_needs_no_heap) {
  const pinion::test::allocation_count count;
  for (int i = 0; i < 1000; ++i) {
    pooled<int> state;
    future<int> f(state);
    state.complete(i);
    (void)f.wait();
  }
  EXPECT_EQ(count.get(), 0u);
}

}  // namespace
