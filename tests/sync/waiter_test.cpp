// SPDX-License-Identifier: MIT
// One waiter is claimed once and woken once, before or after it has gone to sleep.
#include "pinion/sync/waiter.hpp"

#include <coroutine>
#include <mutex>
#include <optional>
#include <thread>

#include "tests/support/coroutines.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/executor.hpp"

namespace {

using pinion::parker;
using pinion::wait_link;
using pinion::wait_list;
using pinion::waiter;
using pinion::wake_chain;
using pinion::test::detached;
using pinion::test::later;

struct thread_waiter {
  parker thread;
  waiter it{thread};
  wait_link link{&it};
};

TEST(waiter, XC_1_one_claim_wins_and_names_the_link) {
  thread_waiter w;
  wait_link other{&w.it};
  EXPECT_EQ(w.it.winner(), nullptr);
  EXPECT_TRUE(w.it.try_claim(w.link));
  EXPECT_FALSE(w.it.try_claim(other));
  EXPECT_FALSE(w.it.try_claim(w.link));
  EXPECT_EQ(w.it.winner(), &w.link);
}

TEST(waiter, a_wake_before_the_commit_leaves_a_mark) {
  thread_waiter w;
  EXPECT_FALSE(w.it.woken());
  w.it.wake();
  EXPECT_TRUE(w.it.woken());
  EXPECT_FALSE(w.it.commit());
}

TEST(waiter, XC_17_a_wake_after_the_commit_unparks) {
  thread_waiter w;
  int outcome = 0;
  ASSERT_TRUE(w.it.commit());
  std::thread peer([&] {
    outcome = 7;
    w.it.wake();
  });
  w.thread.park();
  EXPECT_EQ(outcome, 7);
  peer.join();
}

// Suspends until the waiter that lives in its frame is woken.
struct suspension {
  pinion::executor& where;
  waiter*& out;
  bool wake_first;
  std::optional<waiter> mine{};

  bool await_ready() { return false; }
  bool await_suspend(std::coroutine_handle<> h) {
    out = &mine.emplace(h, where);
    if (wake_first) mine->wake();
    return mine->commit();
  }
  void await_resume() {}
};

detached suspend(pinion::executor& where, waiter*& out, bool wake_first, bool& resumed) {
  suspension here{where, out, wake_first};
  co_await here;
  resumed = true;
}

TEST(waiter, XC_6_a_coroutine_is_posted_to_its_executor_and_never_resumed_by_the_waker) {
  later where;
  waiter* w = nullptr;
  bool resumed = false;
  suspend(where, w, false, resumed);
  w->wake();
  EXPECT_FALSE(resumed);
  EXPECT_EQ(where.run(), 1u);
  EXPECT_TRUE(resumed);
}

TEST(waiter, a_coroutine_woken_before_it_suspends_is_not_posted) {
  later where;
  waiter* w = nullptr;
  bool resumed = false;
  suspend(where, w, true, resumed);
  EXPECT_TRUE(resumed);
  EXPECT_EQ(where.run(), 0u);
}

TEST(waiter, XC_9_claims_go_in_order_of_arrival_and_skip_what_is_settled) {
  wait_list list;
  thread_waiter a, b, c;
  wait_link elsewhere{&b.it};
  wake_chain woken;
  std::lock_guard lock(list);
  EXPECT_EQ(list.claim_first(woken), nullptr);
  for (auto* w : {&a, &b, &c}) list.push_back(w->link);
  EXPECT_EQ(list.front(), &a.link);
  b.it.try_claim(elsewhere);

  EXPECT_EQ(list.claim_first(woken), &a.link);
  EXPECT_EQ(list.claim_first(woken), &c.link);
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(a.it.woken());
  woken.wake_all();
  EXPECT_TRUE(a.it.woken() && c.it.woken());
  EXPECT_FALSE(b.it.woken());
  EXPECT_TRUE(woken.empty());
}

TEST(waiter, leaving_the_queue_is_harmless_for_a_link_that_was_claimed) {
  wait_list list;
  thread_waiter a, b, c;
  std::lock_guard lock(list);
  for (auto* w : {&a, &b, &c}) list.push_back(w->link);
  list.remove(b.link);
  list.remove(b.link);
  EXPECT_TRUE(list.claim(a.link));
  list.remove(a.link);
  EXPECT_EQ(list.front(), &c.link);
  list.remove(c.link);
  EXPECT_TRUE(list.empty());
  list.push_back(b.link);  // a place can be taken again
  EXPECT_EQ(list.front(), &b.link);
  list.remove(b.link);
}

#if !defined(NDEBUG)
TEST(waiter, XC_19_destroying_an_object_with_waiters_is_caught_in_debug) {
  EXPECT_DEATH(
      {
        thread_waiter w;
        wait_list list;
        list.push_back(w.link);
      },
      "somebody waits");
}
#endif

}  // namespace
