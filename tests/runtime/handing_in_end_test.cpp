// SPDX-License-Identifier: MIT
// The end of a scheduler while a thread is in the middle of a hand-in.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <iterator>
#include <latch>
#include <thread>

#include "tests/support/fork.hpp"
#include "tests/support/schedulers.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/task.hpp"

namespace pinion {
namespace {

using test::counting_errors;
using test::with_workers;

// What a thread hands in may make it hand in more: a range that posts while it is gone through.
struct posting_range {
  scheduler* to;
  std::latch* inner_is_through;
  std::latch* go_on;
  std::atomic<int>* ran;

  struct iterator {
    using value_type = std::function<void()>;
    using difference_type = std::ptrdiff_t;
    const posting_range* of;
    int at = 0;
    value_type operator*() const {
      if (at == 1) {
        of->to->post([ran = of->ran] { ran->fetch_add(1); });
        of->inner_is_through->count_down();
        of->go_on->wait();
      }
      return [ran = of->ran] { ran->fetch_add(1); };
    }
    iterator& operator++() { return ++at, *this; }
    void operator++(int) { ++at; }
    bool operator==(std::default_sentinel_t) const { return at == 3; }
  };
  iterator begin() const { return {this}; }
  std::default_sentinel_t end() const { return {}; }
};

// Goal: the end waits for a thread that is still handing in, whatever it handed in meanwhile.
// Finds: a flag in place of a count; then the drain is over before the range is.
TEST(handing_in_end, a_thread_that_hands_in_within_a_hand_in_is_waited_for) {
  std::atomic<int> ran{0};
  scheduler sched(with_workers(1));
  std::latch inner_is_through(1), go_on(1);
  std::size_t accepted = 0;
  std::thread outside([&] {
    accepted = sched.post_bulk(posting_range{&sched, &inner_is_through, &go_on, &ran});
  });
  inner_is_through.wait();
  std::atomic<bool> drained{false};
  shutdown_report report;
  std::thread ender([&] {
    report = sched.drain().wait().value();
    drained = true;
  });
  std::size_t others = 0;
  while (sched.post([] {})) ++others;  // until it is closed
  EXPECT_FALSE(drained.load());
  go_on.count_down();
  outside.join();
  ender.join();
  EXPECT_EQ(accepted, 3u);
  EXPECT_EQ(ran.load(), 4);
  EXPECT_EQ(report.ran, 4 + others);
}

/// A thread in the middle of a hand-in, which has given one away and gives two more in the end.
class stuck_hand_in {
 public:
  explicit stuck_hand_in(scheduler& on)
      : thread_([this, &on] {
          accepted_ = on.post_bulk(posting_range{&on, &in_, &go_on_, &ran_});
        }) {
    in_.wait();
  }
  ~stuck_hand_in() {
    if (thread_.joinable()) finish();
  }
  /// How many were accepted of its range.
  std::size_t finish() {
    go_on_.count_down();
    thread_.join();
    return accepted_;
  }
  int ran() const { return ran_.load(); }

 private:
  std::latch in_{1}, go_on_{1};
  std::atomic<int> ran_{0};
  std::size_t accepted_ = 0;
  std::thread thread_;
};

// Maybe a task that runs just then is named as well.
bool names_a_hand_in(const shutdown_report& r) {
  return std::any_of(r.blocking.begin(), r.blocking.end(),
                     [](const blocker& b) { return b.task == "1 threads that hand in"; });
}

// Finds: an end that closes first, and waits there for who is inside, whatever its context says.
TEST(handing_in_end, POOL_6_a_drain_whose_context_ends_does_not_wait_for_a_hand_in) {
  scheduler sched(counting_errors(1));
  stuck_hand_in other(sched);
  auto ctx = with_cancel(context::background());
  std::thread canceler([&] { ctx.cancel(); });
  for (int i = 0; i < 2; ++i) {  // while it waits maybe, and before it does
    const auto early = sched.drain(ctx).wait();
    ASSERT_TRUE(early);
    EXPECT_TRUE(names_a_hand_in(*early));
  }
  canceler.join();
  EXPECT_FALSE(sched.post([] {}));  // it is closed at least
  EXPECT_EQ(other.finish(), 3u);
  const auto done = sched.drain().wait();
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->blocking.empty());
  EXPECT_EQ(done->ran, 4u);
  EXPECT_EQ(other.ran(), 4);
}

// Finds: also a stop that cancels nothing before the last thread is out, which may wait for that.
TEST(handing_in_end,
     POOL_7_a_stop_whose_context_ends_has_canceled_and_does_not_wait_for_a_hand_in) {
  scheduler sched(with_workers(1));
  stuck_hand_in other(sched);
  auto ended = with_cancel(context::background());
  ended.cancel();
  sched.post([] {}, {.after = std::chrono::hours(1)});
  const auto early = sched.stop(ended).wait();
  ASSERT_TRUE(early);
  EXPECT_TRUE(names_a_hand_in(*early));
  EXPECT_TRUE(sched.root().is_done());
  EXPECT_EQ(other.finish(), 3u);
  const auto done = sched.stop().wait();
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->blocking.empty());
  EXPECT_EQ(done->ran + done->not_started, 5u);
  EXPECT_GE(done->not_started, 4u);  // all but the first of the thread, which may have run
}

TEST(handing_in_end, POOL_6_a_task_that_awaits_a_drain_does_not_wait_for_a_hand_in_either) {
  scheduler sched(with_workers(1)), other_sched(with_workers(1));
  stuck_hand_in other(sched);
  auto ended = with_cancel(context::background());
  ended.cancel();
  const auto early = other_sched
                         .submit([](scheduler& of, const context& ctx) -> task<bool> {
                           const auto report = co_await of.drain(ctx);
                           co_return names_a_hand_in(report.value());
                         }(sched, ended))
                         .wait();
  EXPECT_TRUE(early.value());
  EXPECT_EQ(other.finish(), 3u);
  EXPECT_TRUE(sched.drain().wait());  // what was handed in looks at what goes first
}

TEST(handing_in_end, waiting_for_the_end_within_a_hand_in_is_an_error) {
  scheduler sched(with_workers(1));
  struct draining {
    explicit draining(scheduler& s) : sched(&s) {}
    draining(const draining& other) : sched(other.sched) {
      EXPECT_EQ(sched->drain().wait().error(), errc::would_deadlock);
    }
    void operator()() const {}
    scheduler* sched;
  };
  const draining job(sched);
  EXPECT_TRUE(sched.post(job));
}

// Finds: a child that waits for a thread of its parent to come out of a hand-in.
TEST(handing_in_end, POOL_15_a_child_may_close_while_its_parent_hands_in) {
  std::atomic<int> ran{0};
  scheduler sched(with_workers(1));
  std::latch inside(1), go_on(1);
  std::thread outside([&] { sched.post_bulk(posting_range{&sched, &inside, &go_on, &ran}); });
  inside.wait();
  EXPECT_EQ(test::in_child_of_a_fork([&] { return sched.close() ? 1 : 0; }), 0);
  go_on.count_down();
  outside.join();
}

}  // namespace
}  // namespace pinion
