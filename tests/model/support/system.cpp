// SPDX-License-Identifier: MIT
// What the system does for a whole scheduler: in place of the platform's own sources for threads,
// the machine and its plan, and forks.
#include "tests/model/support/system.hpp"

#include <system_error>

#include "tests/model/support/execution.hpp"

#include "pinion/platform/placement.hpp"
#include "pinion/platform/thread.hpp"
#include "pinion/platform/topology.hpp"
#include "src/runtime/fork.hpp"
#include "src/runtime/task_memory.hpp"

namespace pinion {

namespace {

constinit unsigned cores_per_cache = 0;

unsigned cache_of(std::size_t core) noexcept {
  return cores_per_cache == 0 ? 0 : static_cast<unsigned>(core) / cores_per_cache;
}

}  // namespace

namespace model {

void set_cores_per_cache(unsigned count) noexcept {
  cores_per_cache = count;
}

}  // namespace model

// --- Threads are the test's. What they are called and where they run makes no difference.

thread::thread(const thread_options&, std::unique_ptr<body> what) {
  auto* const e = model::execution::current();
  if (!e->may_start_thread())
    throw std::system_error(EAGAIN, std::generic_category(), "cannot start a thread");
  // Not zero: that would be the thread of the test itself.
  id_ = e->start_thread([raw = what.release()] { (void)thread::main(raw); });
  joinable_ = true;
}

void* thread::main(void* owned_body) noexcept {
  const std::unique_ptr<body> what(static_cast<body*>(owned_body));
  what->run();
  return nullptr;
}

void thread::join() noexcept {
  model::execution::current()->join(static_cast<model::thread_index>(id_));
  joinable_ = false;
}

std::error_code pin_this_thread(std::span<const unsigned>) noexcept {
  return {};
}

// --- The machine has as many cores as workers are wanted; they share caches as a test says.

topology topology::detect() {
  return {};
}

placement plan(const topology&, std::size_t workers, const pinning&) {
  placement all;
  for (std::size_t i = 0; i < workers; ++i) {
    worker_place one;
    one.core = static_cast<unsigned>(i);
    one.cache = cache_of(i);
    one.victims.resize(steal_distances);
    for (std::size_t other = 0; other < workers; ++other) {
      const auto distance =
          cache_of(other) == one.cache ? steal_distance::same_cache : steal_distance::same_node;
      if (other != i) one.victims[static_cast<std::size_t>(distance)].push_back(other);
    }
    all.workers.push_back(std::move(one));
  }
  return all;
}

// --- Nobody forks. The list of schedulers would outlive an execution that is dropped.

void detail::register_for_fork(task_memory&) {}
void detail::unregister_for_fork(task_memory&) noexcept {}

}  // namespace pinion
