// SPDX-License-Identifier: MIT
// Finds workers that sleep through work: the sign of a wake-up that was lost.
//
// A look asks whether work is pending and whether all threads of the scheduler are asleep in the
// kernel. If that was so at the look before, and no thread has run in between, they have slept all
// the time. Threads that only wait for a CPU are not asleep, so a busy machine is no alarm.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "pinion/platform/clock.hpp"
#include "pinion/runtime/options.hpp"

namespace pinion::stress {

/// The threads of one scheduler.
class sleepers {
 public:
  /// 0: nothing is pending; else what is, so that another piece of work gives another number.
  using pending_work = std::function<std::uint64_t()>;

  explicit sleepers(pending_work pending) : pending_(std::move(pending)) {}

  /// Before the scheduler is made. Takes both hooks of its threads.
  void attach(scheduler_options&);
  void look();
  duration longest() const;

 private:
  struct glance {
    bool all_asleep = false;
    std::uint64_t times_run = 0;
    bool operator==(const glance&) const = default;
  };
  glance look_at_threads() const;

  const pending_work pending_;
  mutable std::mutex lock_;
  std::vector<pid_t> threads_;
  // What the look before saw.
  std::uint64_t awaited_ = 0;
  glance seen_;
  time_point since_;
  duration longest_{0};
};

class sleeper_list {
 public:
  sleepers& add(sleepers::pending_work);
  void remove(sleepers&);
  void look();
  duration longest() const;

 private:
  mutable std::mutex lock_;
  std::list<sleepers> all_;
  duration longest_{0};  // of those that are gone
};

/// Looks at the threads of one scheduler while it lives: declare it before the scheduler.
class watch {
 public:
  watch(sleeper_list& in, sleepers::pending_work pending)
      : in_(in), threads_(in.add(std::move(pending))) {}
  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;
  ~watch() { in_.remove(threads_); }

  void attach(scheduler_options& o) { threads_.attach(o); }

 private:
  sleeper_list& in_;
  sleepers& threads_;
};

}  // namespace pinion::stress
