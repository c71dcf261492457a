// SPDX-License-Identifier: MIT
// What a program may load and unload: a shared object that runs work on a scheduler of its own.
//
// It leaves the process's thread for timers asleep, with something to wake up for. Nothing here
// runs on that thread: what it keeps for its end would keep the library loaded.
#include <atomic>
#include <chrono>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/timer.hpp"

// How many jobs ran, of 100. Nothing runs any more when it returns.
extern "C" int pinion_plugin_run() {
  std::atomic<int> ran{0};
  pinion::scheduler_options options;
  options.workers = 2;
  options.pin = pinion::pinning::none();
  pinion::scheduler sched(options);
  for (int i = 0; i < 99; ++i) sched.post([&] { ran.fetch_add(1); });
  const auto ctx =
      pinion::with_timeout(pinion::context::background(), std::chrono::milliseconds(20));
  const auto slept = pinion::sleep(ctx, std::chrono::microseconds(100)).wait();
  if (slept || slept.error().is_timeout()) ran.fetch_add(1);  // a busy machine may be late
  if (!sched.drain().wait()) return -1;
  return ran.load();
}
