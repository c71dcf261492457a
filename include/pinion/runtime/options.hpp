// SPDX-License-Identifier: MIT
// How a scheduler is set up, and how one piece of work is handed to it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

#include "pinion/platform/clock.hpp"
#include "pinion/platform/placement.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

class time_source;

/// What a worker without work does. In order of wake-up latency, and of CPU burned.
struct idle_policy {
  duration spin_for = std::chrono::microseconds(20);  // then it parks

  static constexpr idle_policy spin() { return {duration::max()}; }  // never parks
  static constexpr idle_policy adaptive(duration budget) { return {budget}; }
  static constexpr idle_policy park() { return {duration::zero()}; }
};

/// What happens to outside work when the queue is at its limit.
enum class reject { fail, block, caller_runs };

/// Each needs a privilege; what was refused is in scheduler::warnings(), never a crash.
struct realtime_options {
  int fifo_priority = 0;     // SCHED_FIFO, 1..99; 0: ordinary scheduling
  std::size_t prealloc = 0;  // task nodes of one line made at the start, for try_post
};

struct scheduler_options {
  std::string name = "pinion";  // threads are called name-w00, name-w01 ...
  std::size_t workers = 0;      // 0: min(affinity mask, cgroup quota); 256 at most
  pinning pin = pinning::core();
  idle_policy idle = {};
  std::size_t spares = 8;       // threads that may stand in for blocked workers
  std::size_t queue_limit = 0;  // outside work not yet started; 0: no limit
  reject when_full = reject::block;
  duration drain_for = std::chrono::seconds(5);  // the destructor drains that long, then stops
  bool block_signals = true;                     // asynchronous signals, in all threads made here
  std::size_t stack_size = 0;                    // bytes; 0: the system's default
  realtime_options realtime = {};
  time_source* time = nullptr;  // null: the machine's; a manual_clock in tests
  std::function<void(std::size_t worker)> on_worker_start = {};  // in each thread, before its work
  std::function<void(std::size_t worker)> on_worker_exit = {};
  error_hook on_unobserved_error = nullptr;  // null: print to stderr
};

struct post_options {
  duration after = duration::zero();  // start no earlier than that from now
  bool wake = true;                   // false: no system call; see scheduler::post
  const char* name = nullptr;         // for reports; must live on
};

}  // namespace pinion
