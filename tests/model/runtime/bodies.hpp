// SPDX-License-Identifier: MIT
// What is done with a whole scheduler while the checker looks: each body hands in a few tasks in
// one way, sees to it that all of them ran (or were given up, where that is allowed), and ends the
// scheduler.
//
// A lost wake-up shows as "every thread waits". A task that is lost, or still runs when nothing
// may run any more, shows as a wrong count, a leak, or a data race on the cell that it writes.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/platform/parker.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/executor.hpp"

namespace pinion::model::scheduling {

inline scheduler_options with_workers(std::size_t count) {
  scheduler_options o;
  o.workers = count;
  o.spares = 1;
  o.idle = idle_policy::park();  // it looks at its cell some hundred times all the same
  return o;
}

/// A place that a task writes to, once, and that is read when it must have done so.
class tasks {
 public:
  explicit tasks(std::size_t count) : done_(count) {}

  /// The task with that number.
  auto run(std::size_t number) {
    return [this, number] {
      require(done_[number].read() == 0, "a task runs once");
      done_[number].write(1);
    };
  }

  std::uint64_t count() const {
    std::uint64_t all = 0;
    for (const auto& d : done_) all += static_cast<std::uint64_t>(d.read());
    return all;
  }
  void expect_all() const { require(count() == done_.size(), "every task has run"); }

 private:
  std::vector<cell<int>> done_;
};

/// The caller sleeps until the task has run, which nobody but a woken worker can do.
template <std::size_t Workers>
void submit_and_wait() {
  tasks all(2);
  scheduler s(with_workers(Workers));
  for (std::size_t i = 0; i < 2; ++i) require(s.submit(all.run(i)).wait().has_value(), "it ran");
  all.expect_all();
}

/// Several at once, then a drain: the last worker to find nothing has to say that it is quiet.
template <std::size_t Workers>
void post_and_drain() {
  tasks all(3);
  scheduler s(with_workers(Workers));
  for (std::size_t i = 0; i < 3; ++i) require(s.post(all.run(i)), "it is open");
  const auto report = s.drain().wait();
  require(report.has_value() && report->ran == 3 && report->not_started == 0, "all have run");
  all.expect_all();
}

/// What has not begun is given up; nothing is both.
template <std::size_t Workers>
void post_and_stop() {
  tasks all(2);
  scheduler s(with_workers(Workers));
  for (std::size_t i = 0; i < 2; ++i) require(s.post(all.run(i)), "it is open");
  const auto report = s.stop().wait();
  require(report.has_value() && report->ran + report->not_started == 2,
          "each has run or was given up");
  require(all.count() == report->ran, "what is counted as run has run");
}

/// A task hands in two more, for itself and whoever steals.
template <std::size_t Workers>
void spawn_inside() {
  tasks all(2);
  scheduler s(with_workers(Workers));
  s.post([&] {
    for (std::size_t i = 0; i < 2; ++i) require(s.post(all.run(i)), "tasks may add theirs");
  });
  const auto report = s.drain().wait();
  require(report.has_value() && report->ran == 3, "all have run");
  all.expect_all();
}

/// Two tasks of one worker that need each other: the other worker has to be there.
inline void two_that_meet() {
  struct meeting {
    parker first, second;
  };
  meeting m;
  scheduler_options o = with_workers(2);
  o.spares = 0;
  scheduler s(o);
  s.post([&] {
    s.post([&] {
      m.first.unpark();
      m.second.park();
    });
    m.first.park();
    m.second.unpark();
  });
  require(s.drain().wait().has_value(), "both have run");
}

/// Two from outside that need each other.
inline void two_from_outside_that_meet() {
  parker first, second;
  scheduler_options o = with_workers(2);
  o.spares = 0;
  scheduler s(o);
  s.post([&] {
    first.unpark();
    second.park();
  });
  s.post([&] {
    first.park();
    second.unpark();
  });
  require(s.drain().wait().has_value(), "both have run");
}

/// Two workers share a cache, and each of them waits in a task of its own for one that anybody may
/// run: the third, with a cache of its own, has to be there. It sleeps without a limit, and whoever
/// hands that task in may have seen one of the others search, and woken nobody.
inline void two_that_wait_for_another_cluster() {
  parker asleep, first, second, all;
  scheduler_options o = with_workers(3);
  o.spares = 0;
  scheduler s(o);
  (void)asleep.park_until(os::now() + std::chrono::milliseconds(10));
  s.post([] {});
  s.post([&] { first.unpark(), second.unpark(), all.unpark(); });
  s.post_to(0, [&] { first.park(); });
  s.post_to(1, [&] { second.park(); });
  all.park();  // a drain at once would wake everybody
  require(s.drain().wait().has_value(), "all have run");
}

/// For a neighbour, without a wake-up, from a job that began when nothing like that had come for
/// long: then one worker with a cache of its own was about to forget that it may.
inline void mail_while_another_cluster_forgets() {
  parker pause;
  scheduler s(with_workers(3));
  s.attach();
  (void)pause.park_until(os::now() + std::chrono::microseconds(1'500));
  s.post_to(0, [&] {
    parker done;
    (void)done.park_until(os::now() + std::chrono::milliseconds(4));
    s.post_to(1, [&] { done.unpark(); }, {.wake = false});
    done.park();
  });
  require(s.drain().wait().has_value(), "all have run");
}

/// To one worker and no other, from outside and from the other worker.
template <std::size_t Workers>
void post_to_each() {
  tasks all(Workers + 1);
  scheduler s(with_workers(Workers));
  for (std::size_t i = 0; i < Workers; ++i)
    s.post_to(i, [&, i] {
      require(s.this_worker() == i, "on the worker that was meant");
      all.run(i)();
      if (i == 0) s.post_to(Workers - 1, all.run(Workers));
    });
  const auto report = s.drain().wait();
  require(report.has_value() && report->ran == Workers + 1, "all have run");
  all.expect_all();
}

/// Without a wake-up: the sentinel finds it.
template <std::size_t Workers>
void post_without_wake() {
  tasks all(1);
  scheduler s(with_workers(Workers));
  parker done;
  s.post(
      [&] {
        all.run(0)();
        done.unpark();
      },
      {.wake = false});
  done.park();
  require(s.drain().wait().has_value(), "ended");
  all.expect_all();
}

/// Somebody hands in while somebody else ends it: what was accepted runs, what was refused does
/// not, and nobody is inside afterwards.
template <std::size_t Workers>
void post_against_drain() {
  tasks all(2);
  std::uint64_t accepted = 0;
  {
    scheduler_options o = with_workers(Workers);
    o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
    scheduler s(o);
    thread other([&] {
      for (std::size_t i = 0; i < 2; ++i) accepted += s.post(all.run(i)) ? 1 : 0;
    });
    const auto report = s.drain().wait();
    const std::uint64_t ran = report->ran;
    other.join();
    require(ran == accepted && all.count() == accepted, "what was accepted has run at the end");
  }
}

/// As before, but what has not begun is given up.
template <std::size_t Workers>
void post_against_stop() {
  tasks all(2);
  std::uint64_t accepted = 0;
  scheduler_options o = with_workers(Workers);
  o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
  scheduler s(o);
  thread other([&] {
    for (std::size_t i = 0; i < 2; ++i) accepted += s.post(all.run(i)) ? 1 : 0;
  });
  const auto report = s.stop().wait();
  other.join();
  require(report->ran + report->not_started == accepted, "each has run or was given up");
  require(all.count() == report->ran, "what is counted as run has run");
}

/// As before, by somebody who does not wait at all for who is inside, and then by somebody who
/// does.
template <std::size_t Workers>
void post_against_two_ends() {
  tasks all(2);
  std::uint64_t accepted = 0;
  scheduler_options o = with_workers(Workers);
  o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
  scheduler s(o);
  auto ended = with_cancel(context::background());
  ended.cancel();
  thread other([&] {
    for (std::size_t i = 0; i < 2; ++i) accepted += s.post(all.run(i)) ? 1 : 0;
  });
  require(s.stop(ended).wait().has_value(), "has begun");
  const auto report = s.drain().wait();
  other.join();
  require(report->ran + report->not_started == accepted, "each has run or was given up");
  require(all.count() == report->ran, "what is counted as run has run");
}

/// The task tells that it runs, and the scheduler is destroyed while who handed the task in may
/// not be out of there yet.
template <std::size_t Workers>
void end_behind_a_post() {
  parker runs;
  auto s = std::make_unique<scheduler>(with_workers(Workers));
  thread other([&runs, to = s.get()] { to->post([&runs] { runs.unpark(); }); });
  runs.park();
  s.reset();
  other.join();
}

/// Two threads from outside at the same time.
template <std::size_t Workers>
void two_that_post() {
  tasks all(2);
  scheduler s(with_workers(Workers));
  thread other([&] { s.post(all.run(1)); });
  s.post(all.run(0));
  other.join();
  require(s.drain().wait()->ran == 2, "all have run");
  all.expect_all();
}

/// A task that blocks lends its seat; a spare runs the one that it waits for, and both are done
/// at the end.
template <std::size_t Workers>
void task_that_blocks() {
  tasks all(1);
  scheduler s(with_workers(Workers));
  parker done;
  s.post([&] {
    s.post([&] {
      all.run(0)();
      done.unpark();
    });
    const blocking_scope asleep;
    done.park();
  });
  require(s.drain().wait()->ran == 2, "all have run");
  all.expect_all();
}

/// What the system refuses leaves nothing behind. Without memory the task may be given up.
template <std::size_t Workers, bool Posts>
void begin_or_not() {
  try {
    tasks all(1);
    scheduler s(with_workers(Workers));
    if (Posts) s.post(all.run(0));
  } catch (const std::bad_alloc&) {
  } catch (const std::system_error&) {
  }
}

/// The destructor alone: nothing is handed in, workers may be anywhere.
template <std::size_t Workers>
void begin_and_end() {
  scheduler s(with_workers(Workers));
}

}  // namespace pinion::model::scheduling
