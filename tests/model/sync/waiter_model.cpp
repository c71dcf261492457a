// SPDX-License-Identifier: MIT
// The waiter in all interleavings: of those who claim it one wins and wakes it, once; a wake that
// comes before the commit leaves a mark; and nothing is touched after the wake.
#include <coroutine>
#include <memory>
#include <mutex>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/sync/operation.hpp"
#include "pinion/sync/time_source.hpp"
#include "pinion/sync/waiter.hpp"

namespace {

using namespace pinion::model;
using pinion::parker;
using pinion::sleep_until_woken;
using pinion::wait_link;
using pinion::wait_list;
using pinion::waiter;
using pinion::wake_chain;

/// A wait of a thread, with a link for each who may end it.
struct wait {
  parker thread;
  waiter who{thread};
  wait_link first{&who}, second{&who};

  void sleep() { sleep_until_woken(who, thread); }
};

// With a look and a store in place of the CAS in try_claim(), both win.
void claim_against_claim() {
  wait w;
  cell<int> outcome;
  int wins = 0;
  const auto end_it = [&](wait_link& by, int value) {
    if (!w.who.try_claim(by)) return;
    ++wins;
    outcome.write(value);
    w.who.wake();
  };
  thread a([&] { end_it(w.first, 1); });
  thread b([&] { end_it(w.second, 2); });
  w.sleep();
  require(wins == 1, "one wins");
  require(outcome.read() == (w.who.winner() == &w.first ? 1 : 2), "the outcome is the winner's");
  a.join(), b.join();
}

// Without the exchange in wake() (a look, and a store), the wake-up falls between.
void wake_against_commit() {
  auto w = std::make_unique<wait>();
  cell<int> outcome;
  thread waker([&, &who = w->who, &by = w->first] {
    require(who.try_claim(by), "nobody else is there");
    outcome.write(1);
    who.wake();
  });
  if (!w->who.woken()) w->sleep();
  require(outcome.read() == 1, "the outcome");
  w.reset();  // the waker touches nothing of it
  waker.join();
}

// Who sees that a claim was won sees what was known before it.
void winner_is_seen() {
  wait w;
  cell<int> known;
  thread waker([&] {
    known.write(1);
    require(w.who.try_claim(w.first), "nobody else is there");
    w.who.wake();
  });
  if (w.who.winner() != nullptr) require(known.read() == 1, "known by winning");
  w.sleep();
  waker.join();
}

// A peer, by the object's queue, against a cancel, by the context's: as an operation waits. The
// waiter goes as soon as it has left both; so a claim after the lock, not under it, is found.
void peer_against_cancel() {
  wait_list object, context;
  cell<int> value;
  bool sent = false;
  auto w = std::make_unique<wait>();
  object.push_back(w->first);
  context.push_back(w->second);
  thread peer([&] {
    wake_chain woken;
    const std::lock_guard lock(object);
    if (object.claim_first(woken) == nullptr) return;
    value.write(1);
    sent = true;
  });
  thread cancel([&] {
    wake_chain woken;
    const std::lock_guard lock(context);
    context.claim_all(woken);
  });
  w->sleep();
  for (const auto& [list, link] :
       {std::pair(&context, &w->second), std::pair(&object, &w->first)}) {
    const std::lock_guard lock(*list);
    list->remove(*link);
  }
  const bool received = w->who.winner() == &w->first;
  w.reset();
  if (received) require(value.read() == 1, "what the winner has handed over");
  peer.join(), cancel.join();
  require(sent == received, "handed over is received");
}

// Who is woken may destroy the object, and itself: so wake_all() comes after the unlock. Two wait;
// the last one out destroys the queue. That the chain goes on from what is gone, AddressSanitizer
// sees.
void destroyed_after_the_wait() {
  auto object = std::make_unique<wait_list>();
  pinion::os::atomic<int> inside{2};
  cell<int> ready;
  const auto leave = [&] {
    // acq_rel: who destroys it comes after who left.
    if (inside.fetch_sub(1, std::memory_order_acq_rel) == 1) object.reset();
  };
  auto one = std::make_unique<wait>(), two = std::make_unique<wait>();
  object->push_back(one->first);
  object->push_back(two->first);
  const auto run = [&](std::unique_ptr<wait>& w) {
    w->sleep();
    w.reset();
    require(ready.read() == 1, "ready");
    leave();
  };
  thread other([&] { run(two); });
  thread waker([&, list = object.get()] {
    wake_chain woken;
    const std::lock_guard lock(*list);
    ready.write(1);
    list->claim_all(woken);
  });
  run(one);
  other.join(), waker.join();
}

// --- A coroutine: it goes on where its executor is told to.

/// Keeps what was posted, for whoever runs it.
class posted final : public pinion::executor {
 public:
  bool post(pinion::work_item& item) noexcept override {
    require(item_ == nullptr, "resumed once");
    item_ = &item;
    return true;
  }
  pinion::time_source& time() noexcept override { return pinion::system_time(); }

  void run() {
    if (item_ != nullptr) item_->run(*item_);
  }

 private:
  pinion::work_item* item_ = nullptr;
};

struct detached {
  struct promise_type {
    detached get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

/// Suspends, unless it is woken before it has.
struct suspension {
  pinion::executor_ref resume_on;
  pinion::os::atomic<waiter*>& where;
  cell<int> before = 0;
  wait_link link = {};
  std::unique_ptr<waiter> who = nullptr;

  bool await_ready() noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> frame) {
    who = std::make_unique<waiter>(frame, resume_on);
    link.owner = who.get();
    where.store(who.get(), std::memory_order_release);  // release: publishes the waiter
    before.write(1);
    return who->commit();
  }
  void await_resume() noexcept { require(before.read() == 1, "what came before the commit"); }
};

detached suspend(posted& resume_on, pinion::os::atomic<waiter*>& where, cell<int>& outcome,
                 pinion::os::atomic<int>& ends) {
  co_await suspension{resume_on, where};
  require(outcome.read() == 1, "the outcome");
  ends.fetch_add(1, std::memory_order_relaxed);  // relaxed: looked at after a join
}

// With a relaxed commit(), or a wake() that does not acquire, who resumes does not see the frame.
void coroutine() {
  posted executor;
  pinion::os::atomic<waiter*> where{nullptr};
  pinion::os::atomic<int> ends{0};
  cell<int> outcome;
  thread waker([&] {
    // acquire: sees the waiter.
    waiter* const who = where.load(std::memory_order_acquire);
    if (who == nullptr) return;
    wait_link by{who};
    require(who->try_claim(by), "nobody else is there");
    outcome.write(1);
    who->wake();
    executor.run();
    where.store(nullptr, std::memory_order_relaxed);  // relaxed: looked at after the join
  });
  suspend(executor, where, outcome, ends);
  waker.join();
  if (waiter* const who = where.load(std::memory_order_relaxed)) {  // relaxed: after the join
    outcome.write(1);
    who->wake();
    executor.run();
  }
  require(ends.load(std::memory_order_relaxed) == 1, "it goes on once");  // relaxed: as above
}

/// Stands in one line and in no other: made as committed, under the lock. It suspends whatever
/// happens, and keeps nothing of itself.
struct lone_suspension {
  pinion::executor_ref resume_on;
  wait_list& line;
  wait_link link = {};
  std::unique_ptr<waiter> who = nullptr;

  bool await_ready() noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) {
    wait_list& only = line;
    const std::lock_guard lock(only);
    who = std::make_unique<waiter>(frame, resume_on, waiter::alone{});
    link.owner = who.get();
    only.push_back(link);
  }
  void await_resume() noexcept {
    require(who->winner() == &link, "claimed by its only link");
    who.reset();
  }
};

detached stand_alone(posted& resume_on, wait_list& line, cell<int>& outcome,
                     pinion::os::atomic<int>& ends) {
  co_await lone_suspension{resume_on, line};
  require(outcome.read() == 1, "the outcome");
  ends.fetch_add(1, std::memory_order_relaxed);  // relaxed: looked at after a join
}

// With the commit after the unlock the wake leaves a mark, and nobody resumes it. The waiter goes
// while who woke it returns: what that one touches then is found.
void alone() {
  posted executor;
  wait_list line;
  pinion::os::atomic<int> ends{0};
  cell<int> outcome;
  const auto end_it = [&] {
    wake_chain woken;
    {
      const std::lock_guard lock(line);
      if (line.claim_first(woken) == nullptr) return false;
      outcome.write(1);
    }
    woken.wake_all();
    executor.run();
    return true;
  };
  bool ended = false;
  thread waker([&] { ended = end_it(); });
  stand_alone(executor, line, outcome, ends);
  waker.join();
  if (!ended) require(end_it(), "it stands in line");
  require(ends.load(std::memory_order_relaxed) == 1, "it goes on once");  // relaxed: as above
}

const options two_stops{.preemptions = 2};
const options spinning{.preemptions = 2, .cpus = 2};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {{}, wake_against_commit},
      {{}, winner_is_seen},
      {{}, coroutine},
      {{}, alone},
      {two_stops, claim_against_claim},
      {two_stops, peer_against_cancel},
  };
  return all;
}

TEST(waiter_model, one_claim_wins) {
  EXPECT_TRUE(holds_always(two_stops, claim_against_claim));
  EXPECT_TRUE(holds_always({}, winner_is_seen));
}
TEST(waiter_model, a_wake_before_the_commit_leaves_a_mark) {
  EXPECT_TRUE(holds_always({}, wake_against_commit));
  EXPECT_TRUE(holds_always(spinning, wake_against_commit));
}
TEST(waiter_model, peer_against_cancel) {
  EXPECT_TRUE(holds_always(two_stops, peer_against_cancel));
}
TEST(waiter_model, all_may_go_after_the_wake) {
  EXPECT_TRUE(holds_always(two_stops, destroyed_after_the_wait));
}
TEST(waiter_model, a_coroutine_goes_on_elsewhere) {
  EXPECT_TRUE(holds_always({}, coroutine));
}
TEST(waiter_model, alone_it_is_committed_before_it_is_in_line) {
  EXPECT_TRUE(holds_always({}, alone));
}

TEST(waiter_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"waiter.hpp", "waiter.cpp"}));
}

}  // namespace
