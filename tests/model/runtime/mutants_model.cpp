// SPDX-License-Identifier: MIT
// The whole scheduler with one memory order weakened, or one fence or wake-up left out: do the
// tests of the whole notice? Some bodies are here for that alone: each is as small as can be around
// one meeting of two threads.
#include <memory>
#include <vector>

#include "tests/model/runtime/bodies.hpp"
#include "tests/model/support/mutation.hpp"

namespace {

using namespace pinion::model;
using namespace pinion::model::scheduling;
using pinion::blocking_scope;
using pinion::parker;
using pinion::scheduler;
using pinion::scheduler_options;

/// A task that writes to its place when it is moved into the scheduler, which is nobody's but the
/// closer's when the scheduler is closed.
struct moved_in {
  cell<int>* place;
  explicit moved_in(cell<int>& to) : place(&to) {}
  moved_in(moved_in&& other) noexcept : place(other.place) { place->write(1); }
  void operator()() const {}
};

void close_against_post() {
  cell<int> place = 0;
  scheduler s(with_workers(1));
  thread other([&] { (void)s.post(moved_in(place)); });
  s.close();
  place.write(2);
  other.join();
}

/// Both lose their seats, and end at the same time: the one that is last says that it is quiet.
void two_tasks_that_block() {
  parker first, second;
  scheduler_options o = with_workers(1);
  o.spares = 2;
  scheduler s(o);
  for (parker* const until : {&first, &second})
    s.post([until] {
      const blocking_scope asleep;
      until->park();
    });
  s.post([&] { first.unpark(), second.unpark(); });
  require(s.drain().wait()->ran == 3, "all have run");
}

/// A result that is dropped while its scheduler goes, or after.
void result_of_what_is_gone() {
  parker handed_in;
  auto s = std::make_unique<scheduler>(with_workers(1));
  thread other([&handed_in, on = s.get()] {
    const auto result = on->submit([] {});
    handed_in.unpark();
  });
  handed_in.park();
  s.reset();
  other.join();
}

/// Where there is no room, whoever hands in runs it, and may not be out of there when all has
/// ended.
void run_by_the_caller() {
  tasks all(2);
  scheduler_options o = with_workers(1);
  o.queue_limit = 1;
  o.when_full = pinion::reject::caller_runs;
  std::uint64_t accepted = 0;
  {
    scheduler s(o);
    thread other([&] {
      for (std::size_t i = 0; i < 2; ++i) accepted += s.post(all.run(i)) ? 1 : 0;
    });
    const auto report = s.drain().wait();
    require(report->ran <= 2, "no more than there is");
    other.join();
  }
  require(all.count() == accepted, "what was accepted has run at the end");
}

/// Where there is no room, whoever hands in waits.
void room_for_one() {
  tasks all(3);
  scheduler_options o = with_workers(1);
  o.queue_limit = 1;
  scheduler s(o);
  for (std::size_t i = 0; i < 3; ++i) require(s.post(all.run(i)), "it is open");
  require(s.drain().wait()->ran == 3, "all have run");
  all.expect_all();
}

/// The second comes when the first has run.
void without_wake_and_again() {
  scheduler s(with_workers(1));
  for (int i = 0; i < 2; ++i) {
    parker done;
    s.post([&] { done.unpark(); }, {.wake = false});
    done.park();
  }
}

/// The second comes when nobody looks after such work any more, or is about to stop that.
void without_wake_after_a_while() {
  parker done;
  scheduler s(with_workers(1));
  s.post([] {}, {.wake = false});
  thread other([&] { s.post([&] { done.unpark(); }, {.wake = false}); });
  done.park();
  other.join();
}

std::vector<trial> some_of_each(std::uint64_t executions, const std::vector<body>& bodies) {
  std::vector<trial> trials = sampled(executions, bodies);
  for (trial& t : trials) {
    t.how.steps = 20'000;
    t.how.random_numbers = 2;
  }
  return trials;
}

// What needs one rare change is found by priorities.
trial by_priorities(std::uint64_t executions, const body& run) {
  return some_of_each(2 * executions, {run}).front();
}

// What is met so rarely that it is tried where it belongs alone.
trial only_for(const char* function, std::uint64_t executions, const body& run) {
  trial t = by_priorities(executions, run);
  t.only = function;
  return t;
}

TEST(scheduler_mutants, are_killed) {
  auto trials = some_of_each(100, {two_tasks_that_block, room_for_one, two_that_post<1>,
                                   spawn_inside<1>, run_by_the_caller, post_and_stop<1>});
  trials.push_back(by_priorities(100, close_against_post));
  trials.push_back(by_priorities(100, post_against_drain<1>));
  trials.push_back(by_priorities(300, result_of_what_is_gone));
  trials.push_back(by_priorities(100, without_wake_and_again));
  trials.back().how.may_fail.timeouts = 3;
  // The first hand-in of a thread against the end, and the last task.
  trials.push_back(only_for("look_for_the_end", 10'000, post_against_drain<1>));
  trials.push_back(only_for("attach", 2'000, post_against_drain<1>));
  for (const body& run : {body(close_against_post), body(post_against_drain<1>)})
    trials.push_back(only_for("join_all", 5'000, run));
  trials.push_back(only_for("operator()", 1'000, result_of_what_is_gone));
  for (const body& run : {body(without_wake_and_again), body(without_wake_after_a_while)})
    for (const char* function : {"note_unwoken", "forget_unwoken"}) {
      trials.push_back(only_for(function, 5'000, run));
      trials.back().how.may_fail.timeouts = 3;
    }
  EXPECT_TRUE(survivors_are_known(
      trials, {"handing_in.cpp", "lifecycle.cpp", "scheduler.cpp", "shutdown.cpp", "spares.cpp",
               "task_memory.cpp", "task_memory.hpp", "waking.cpp", "worker.cpp", "queue_limit.cpp",
               "task_node.hpp"}));
}

}  // namespace
