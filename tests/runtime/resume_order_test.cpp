// SPDX-License-Identifier: MIT
// Where a worker puts what it resumes: beside its queue, where it comes first, but not for ever,
// and where nobody steals it, unless the worker does not come.
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "tests/support/schedulers.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/platform/cpu.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/task.hpp"
#include "pinion/sync/channel.hpp"
#include "pinion/sync/future.hpp"

namespace pinion {
namespace {

using test::mailbox;
using test::until;
using test::waiters_of;
using test::with_workers;

task<> count_when_given(mailbox& box, std::atomic<int>& given) {
  (void)co_await box.take();
  ++given;
}

void wait_for_what_a_computing_worker_keeps(idle_policy idle) {
  constexpr int count = 12;  // more than it keeps
  scheduler_options o = with_workers(2);
  o.idle = idle;
  scheduler sched(o);
  for (int round = 0; round < 10; ++round) {
    mailbox box;
    std::atomic<int> given{0};
    for (int i = 0; i < count; ++i) sched.post(count_when_given(box, given));
    until([&] { return waiters_of(box.waiting) == count; });
    auto computes = sched.submit([&] {
      for (int i = 0; i < count; ++i) box.give(i);
      until([&] { return given == count; });
    });
    EXPECT_TRUE(computes.wait());
  }
}

// Finds: a sentinel that does not look at what others keep; then the job waits for ever.
TEST(resume_order, what_a_worker_keeps_is_found_while_it_computes) {
  wait_for_what_a_computing_worker_keeps({});
  wait_for_what_a_computing_worker_keeps(idle_policy::park());
}

// Finds: a worker that spins, and looks at the queues alone.
TEST(resume_order, what_a_worker_keeps_is_found_by_one_that_spins) {
  wait_for_what_a_computing_worker_keeps(idle_policy::spin());
}

// The seat that it lends has what it keeps. Finds: a spare that looks at the queue alone.
TEST(resume_order, a_worker_that_blocks_does_not_hold_up_what_it_keeps) {
  scheduler sched(with_workers(1));
  for (int round = 0; round < 20; ++round) {
    mailbox box;
    std::atomic<int> given{0};
    sched.post(count_when_given(box, given));
    until([&] { return waiters_of(box.waiting) == 1; });
    auto blocks = sched.submit([&] {
      box.give(1);
      const blocking_scope asleep;
      until([&] { return given == 1; });
    });
    EXPECT_TRUE(blocks.wait());
  }
}

task<> hit(channel<int> out, channel<int> in, const std::atomic<bool>& over,
           std::atomic<int>& hits) {
  while (!over) {
    (void)co_await out.send(1);
    (void)co_await in.recv();
    ++hits;
  }
  (void)out.close();
}
task<> hit_back(channel<int> in, channel<int> out) {
  for (;;) {
    const auto got = co_await in.recv();
    if (!got) co_return;
    (void)co_await out.send(got.value());
  }
}

/// Two that resume each other on the only worker, until it is over.
struct rally {
  std::atomic<bool> over{false};
  std::atomic<int> hits{0};
  channel<int> there, back;
  scheduler sched{with_workers(1)};
  future<> one = sched.submit(hit_back(there, back));
  future<> other = sched.submit(hit(there, back, over, hits));

  void wait() {
    EXPECT_TRUE(other.wait());
    EXPECT_TRUE(one.wait());
  }
};

// Finds: a worker that takes what it keeps first, always.
TEST(resume_order, two_that_resume_each_other_leave_turns_to_the_queue) {
  rally r;
  auto from_inside = r.sched.submit([&] { r.sched.post([&] { r.over = true; }); });
  EXPECT_TRUE(from_inside.wait());
  r.wait();
}

// Each job notes how many hits there were, and posts the next one. A hit is two resumptions. Finds:
// a worker that goes on with what it keeps, and comes to its queue only when it is time to look at
// that of outside work.
TEST(resume_order, what_is_queued_has_every_fourth_turn) {
  constexpr std::size_t jobs = 200;
  std::vector<int> hits_at;
  hits_at.reserve(jobs);
  rally r;
  const std::function<void()> note = [&] {
    hits_at.push_back(r.hits);
    r.over = hits_at.size() == jobs;
    if (!r.over) r.sched.post([&] { note(); });
  };
  until([&] { return r.hits > 1000; });
  r.sched.post([&] { note(); });
  r.wait();
  for (std::size_t i = 1; i < jobs; ++i) EXPECT_LE(hits_at[i] - hits_at[i - 1], 3) << i;
}

// Finds: a worker that goes on with what it keeps, and never comes to the queue of outside work.
TEST(resume_order, two_that_resume_each_other_leave_turns_to_what_comes_from_outside) {
  rally r;
  until([&] { return r.hits > 1000; });
  r.sched.post([&] { r.over = true; });
  r.wait();
}

// So long that the worker would look at the queue of outside work after each of them.
void compute() {
  for (spin_budget budget(std::chrono::microseconds(400)); budget.spin();) {
  }
}

// Each job ends when another is there. Finds: a worker that looks at nothing else then.
TEST(resume_order, long_jobs_from_outside_leave_turns_to_what_is_kept) {
  scheduler sched(with_workers(1));
  std::atomic<bool> over{false}, enough{false};
  std::atomic<int> started{0}, posted{0}, hits{0};
  channel<int> there, back;
  auto one = sched.submit(hit_back(there, back));
  auto other = sched.submit(hit(there, back, over, hits));
  until([&] { return hits > 1000; });  // brisk: it keeps what it resumes
  std::thread outside([&] {
    while (!enough) {
      until([&] { return posted - started < 8 || enough; });
      sched.post([&] {
        const int before = posted;
        ++started;
        compute();
        until([&] { return posted != before || enough; });
      });
      ++posted;
    }
  });
  until([&] { return started > 100; });
  const int before = hits;
  until([&] { return hits > before + 2; });
  enough = over = true;
  outside.join();
  EXPECT_TRUE(other.wait());
  EXPECT_TRUE(one.wait());
  EXPECT_TRUE(sched.drain().wait());  // the last jobs look at what goes first
}

// The same for an inbox that is never empty.
TEST(resume_order, long_jobs_for_one_worker_leave_turns_to_its_queue) {
  scheduler sched(with_workers(1));
  std::atomic<bool> over{false};
  int turns = 0;
  std::function<void()> again = [&] {
    compute();
    if (++turns == 100) sched.post([&] { over = true; });  // to the own queue
    if (!over) sched.post_to(0, [&] { again(); });
  };
  sched.post_to(0, [&] { again(); });
  until([&] { return over.load(); });
  EXPECT_TRUE(sched.drain().wait());
}

task<> note(mailbox& box, std::vector<int>& order) {
  auto got = co_await box.take();
  order.push_back(got.value());
}

// Until what is kept and what is queued take turns, which is after three.
TEST(resume_order, what_was_resumed_first_goes_on_first) {
  scheduler sched(with_workers(1));
  mailbox box;
  std::vector<int> order;
  std::vector<future<>> all;
  for (int i = 0; i < 3; ++i) all.push_back(sched.submit(note(box, order)));
  until([&] { return waiters_of(box.waiting) == 3; });
  EXPECT_TRUE(sched
                  .submit([&] {
                    for (int i = 0; i < 3; ++i) box.give(i);
                  })
                  .wait());
  for (auto& each : all) EXPECT_TRUE(each.wait());
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

}  // namespace
}  // namespace pinion
