// SPDX-License-Identifier: MIT
// What happens to work from outside when as much waits as may.
#include "src/runtime/queue_limit.hpp"

#include <atomic>
#include <latch>
#include <stdexcept>
#include <thread>

#include "tests/support/schedulers.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"

namespace pinion {
namespace {

using test::counting_errors;
using test::errors_seen;
using test::with_workers;

/// The one worker of a scheduler is in a task, and stays there until it is released, which comes
/// before the end of this.
class occupied {
 public:
  explicit occupied(scheduler& sched)
      : task_(sched.submit([this] {
          entered_.count_down();
          leave_.wait();
        })) {
    entered_.wait();
  }
  ~occupied() { EXPECT_TRUE(task_.wait()); }
  void release() { leave_.count_down(); }

 private:
  std::latch entered_{1}, leave_{1};
  future<void> task_;
};

TEST(queue_limit, POOL_2_fail_refuses_above_the_limit_and_takes_again_below_it) {
  scheduler_options o = counting_errors(1);
  o.queue_limit = 2;
  o.when_full = reject::fail;
  scheduler sched(o);
  occupied worker(sched);
  EXPECT_TRUE(sched.post([] {}));
  EXPECT_TRUE(sched.post([] {}));
  EXPECT_FALSE(sched.post([] {}));
  EXPECT_EQ(errors_seen.load(), 1);
  EXPECT_EQ(sched.stats().refused, 1u);
  worker.release();
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(sched.stats().ran, 3u);
}

TEST(queue_limit, POOL_2_caller_runs_runs_in_the_caller_and_counts) {
  scheduler_options o = with_workers(1);
  o.queue_limit = 1;
  o.when_full = reject::caller_runs;
  scheduler sched(o);
  occupied worker(sched);
  sched.post([] {});
  std::thread::id where;
  sched.post([&] { where = std::this_thread::get_id(); });
  EXPECT_EQ(where, std::this_thread::get_id());
  worker.release();
  const auto report = sched.drain().wait();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->ran, 3u);
}

TEST(queue_limit, POOL_2_block_waits_for_room_or_for_the_context) {
  scheduler_options o = counting_errors(1);
  o.queue_limit = 1;
  scheduler sched(o);
  occupied worker(sched);
  sched.post([] {});
  auto ctx = with_cancel(context::background());
  std::thread canceler([&] { ctx.cancel(); });
  EXPECT_FALSE(sched.post(ctx, [] {}));
  canceler.join();
  EXPECT_EQ(errors_seen.load(), 1);
  std::atomic<bool> posted{false};
  std::thread blocked([&] {
    EXPECT_TRUE(sched.post([] {}));
    posted = true;
  });
  worker.release();
  blocked.join();
  EXPECT_TRUE(posted.load());
  ASSERT_TRUE(sched.drain().wait());
  EXPECT_EQ(sched.stats().ran, 3u);
}

TEST(queue_limit, XC_7_the_queue_limit_does_not_hold_up_what_an_executor_is_asked_to_run) {
  for (const reject policy : {reject::fail, reject::block, reject::caller_runs}) {
    scheduler_options o = with_workers(1);
    o.queue_limit = 1;
    o.when_full = policy;
    scheduler sched(o);
    occupied worker(sched);
    sched.post([] {});  // the limit is reached
    struct item : work_item {
      std::latch ran{1};
      std::thread::id where;
    } one;
    one.run = [](work_item& w) noexcept {
      static_cast<item&>(w).where = std::this_thread::get_id();
      static_cast<item&>(w).ran.count_down();
    };
    EXPECT_TRUE(executor_ref(sched)->post(one));
    worker.release();
    one.ran.wait();
    EXPECT_NE(one.where, std::this_thread::get_id());
  }
}

TEST(queue_limit, POOL_2_what_the_caller_runs_is_the_schedulers_all_the_same) {
  scheduler_options o = counting_errors(1);
  o.queue_limit = 1;
  o.when_full = reject::caller_runs;
  scheduler sched(o);
  occupied worker(sched);
  sched.post([] {});
  bool same_root = false;
  sched.post([&](const context& ctx) {
    same_root = ctx == sched.root();
    throw std::runtime_error("mine");
  });
  EXPECT_TRUE(same_root);
  EXPECT_EQ(errors_seen.load(), 1);
  worker.release();
  ASSERT_TRUE(sched.drain().wait());
}

// Goal: a worker that runs a job of another scheduler stays a worker of its own. Finds: one that
// does not lend its seat then; the job waits for ever. And one that is outside, and is refused.
TEST(queue_limit, POOL_2_a_worker_that_runs_a_job_of_another_scheduler_stays_a_worker) {
  scheduler_options o = with_workers(1);
  o.queue_limit = 1;
  o.when_full = reject::caller_runs;
  scheduler other(o);
  occupied worker(other);
  other.post([] {});
  scheduler sched(with_workers(1));
  int answer = 0;
  bool accepted = false;
  error drained = errc::ok;
  sched
      .submit([&] {
        other.post([&] {
          drained = sched.drain().wait().error();
          answer = sched.submit([] { return 7; }).wait().value();
          sched.close();
          accepted = sched.post([] {});
        });
      })
      .wait()
      .value();
  EXPECT_EQ(drained, errc::would_deadlock);
  EXPECT_EQ(answer, 7);
  EXPECT_TRUE(accepted);
  worker.release();
}

}  // namespace
}  // namespace pinion
