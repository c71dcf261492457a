// SPDX-License-Identifier: MIT
// Task memory: what of a scheduler must outlive it while threads and results still refer to it.
//
// It holds the node pools, the records of outside threads, and the word that says how far the
// scheduler's life has got. References: one large share is the scheduler's own; each attached
// thread has one. Results that are still held by futures are counted in the lanes of who makes
// and drops them, without sharing a line, and turned into references when the scheduler ends.
#pragma once

#include <cstdint>
#include <optional>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/runtime/task_node.hpp"
#include "src/lockfree/injector.hpp"
#include "src/runtime/live_names.hpp"

namespace pinion {

class scheduler_core;

namespace detail {

/// The lane of an outside thread, and its way into the queue of outside work.
class client : public lane {
 public:
  using lane::lane;

  /// The thread comes in. It may be in already: what it hands in can make it hand in more.
  void go_in() noexcept {
    // relaxed: only this thread writes.
    const std::uint32_t depth = inside.load(std::memory_order_relaxed);
    // seq_cst: against whoever ends the scheduler, who changes `life` and then looks here.
    inside.store(depth + 1, std::memory_order_seq_cst);
  }
  void go_out() noexcept {
    // relaxed: only this thread writes.
    const std::uint32_t depth = inside.load(std::memory_order_relaxed);
    // release: what was handed in is visible to who sees that the thread is out.
    inside.store(depth - 1, std::memory_order_release);
  }

  // How often its thread is inside. Written by it, read by whoever closes the scheduler.
  alignas(cache_line_size) os::atomic<std::uint32_t> inside{0};

  // The thread's own.
  std::optional<lockfree::injector::producer> producer;
  std::size_t last_target = 0;

  // Of the list of records.
  os::atomic<bool> taken{true};
  client* next = nullptr;
};

class task_memory {
 public:
  enum phase : std::uint32_t {
    closed = 1,    // refuses outside work
    draining = 2,  // somebody waits for the end
    stopping = 4,  // what has not started is given up
    exiting = 8,   // workers leave
    gone = 16,     // the scheduler is destroyed
    forked = 32,   // this is the child of a fork: no worker exists
  };

  task_memory() = default;
  task_memory(const task_memory&) = delete;
  task_memory& operator=(const task_memory&) = delete;

  /// The calling thread's record, made on first use.
  /// @errors    throws std::bad_alloc; null when the thread is ending
  client* attach(lockfree::injector&);
  /// The same, or null when the thread has none yet.
  client* attached() noexcept;

  /// The scheduler ends: nobody is inside any more. May delete this.
  void end() noexcept;
  /// Of a reference. May delete this.
  void release() noexcept;

  /// Gives back the memory of a result's node, from any thread, at any time.
  void give_back(void* node, std::uint8_t size_class) noexcept;

  /// A block that may outlive its scheduler, by a thread that sits on no seat: from the scheduler
  /// it handed work to last. Null when there is none, or none any more.
  /// @errors    throws std::bad_alloc
  static void* take_lasting(std::uint8_t size_class, task_memory*& from);

  template <class F>
  void for_each_client(F f) const {
    // seq_cst: whoever has changed `life` before sees the record of each thread that has not seen
    // the change; pairs with the CAS in attach().
    for (client* c = clients_.load(std::memory_order_seq_cst); c != nullptr; c = c->next) f(*c);
  }

  lane::pools pools;
  alignas(cache_line_size) os::atomic<std::uint32_t> life{0};  // phases; read by every post

  live_names named;  // of the coroutines that it runs

  /// The seats' counts of results, added when the scheduler ends.
  std::uint64_t results_of_seats = 0;

 private:
  ~task_memory();

  static constexpr std::int64_t own_share = std::int64_t{1} << 40;
  alignas(cache_line_size) os::atomic<std::int64_t> references_{own_share};
  os::atomic<client*> clients_{nullptr};
};

}  // namespace detail
}  // namespace pinion
