// SPDX-License-Identifier: MIT
// Task node: one queued callable, and the pools that its memory comes from.
//
//      bytes 0 to 31: what workers need          from byte 32: the callable
//     [ act | name | next | size class, flags ] [ 32 bytes; more in larger nodes ]
//
// A callable of up to 32 bytes makes a node of one line. Larger ones take a node of 128 bytes or
// more, up to 1024 bytes; what is larger still comes from the heap. The frames of coroutines come
// from the same pools. Queues hold a node's address as a work word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "pinion/lockfree/node_pool.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/runtime/frame.hpp"
#include "pinion/runtime/job.hpp"
#include "pinion/sync/executor.hpp"

namespace pinion::detail {

/// What a queue holds: the address of a task node, or that of a work item plus one. 0 is none.
using work_word = std::uintptr_t;

struct task_node {
  enum class action : std::uint8_t { run, drop };

  /// started: the callable was called. give_back: the node's memory is free now.
  struct outcome {
    bool started;
    bool give_back;
  };

  /// Runs or drops the callable, and destroys it.
  outcome (*act)(task_node&, action) noexcept = nullptr;
  const char* name = nullptr;
  os::atomic<task_node*> next{nullptr};  // for lists of nodes
  std::uint8_t size_class = 0;
  bool counted = false;    // takes a place below the queue limit
  bool owned = false;      // it is an owned_node
  bool for_owner = false;  // the owner's, to remember something
};
static_assert(sizeof(task_node) == 32);

/// One that belongs with others: who asks can tell whether a thread runs one of those.
struct owned_node : task_node {
  explicit owned_node(void* by) noexcept : owner(by) { owned = true; }
  void* const owner;
};

class task_memory;

/// What a thread that makes tasks keeps for itself. One a seat, one an outside thread.
class lane {
 public:
  static constexpr std::uint8_t heap_class = block_classes::heap;

  static constexpr std::uint8_t class_of(std::size_t bytes) noexcept {
    return block_classes::of(bytes);
  }

  struct pools {
    static constexpr std::size_t bytes = block_classes::smallest;
    lockfree::node_pool of[block_classes::count] = {
        lockfree::node_pool{bytes}, lockfree::node_pool{2 * bytes}, lockfree::node_pool{4 * bytes},
        lockfree::node_pool{8 * bytes}, lockfree::node_pool{16 * bytes}};
  };

  explicit lane(pools& p)
      : caches_{lockfree::node_cache(p.of[0]), lockfree::node_cache(p.of[1]),
                lockfree::node_cache(p.of[2]), lockfree::node_cache(p.of[3]),
                lockfree::node_cache(p.of[4])} {}
  lane(const lane&) = delete;
  lane& operator=(const lane&) = delete;

  /// A node without its callable.
  /// @errors    throws std::bad_alloc
  template <class Node>
  void* take() {
    static_assert(alignof(Node) <= node_alignment, "callables are aligned to 64 bytes at most");
    constexpr std::uint8_t c = class_of(sizeof(Node));
    if constexpr (c == heap_class) {
      return ::operator new (sizeof(Node), std::align_val_t{node_alignment});
    } else {
      return caches_[c].take();
    }
  }

  /// A block of that class, which is not the heap's.
  /// @errors    throws std::bad_alloc
  void* take_block(std::uint8_t size_class) { return caches_[size_class].take(); }

  /// As take(), but null instead of going to the heap.
  template <class Node>
  void* try_take() noexcept {
    constexpr std::uint8_t c = class_of(sizeof(Node));
    static_assert(c != heap_class);
    return caches_[c].try_take();
  }

  /// As take_block(), where it takes a few instructions and cannot fail.
  bool has_at_hand(std::uint8_t size_class) const noexcept {
    return caches_[size_class].has_at_hand();
  }
  void* take_at_hand(std::uint8_t size_class) noexcept {
    return caches_[size_class].take_at_hand();
  }
  /// As give_pooled(); false when that takes more than a few instructions.
  bool give_at_hand(void* block, std::uint8_t size_class) noexcept {
    return caches_[size_class].give_at_hand(block);
  }

  void give_pooled(void* block, std::uint8_t size_class) noexcept {
    caches_[size_class].give(block);
  }

  void give(void* node, std::uint8_t size_class) noexcept {
    if (size_class == heap_class) {
      ::operator delete (node, std::align_val_t{node_alignment});
    } else {
      give_pooled(node, size_class);
    }
  }

  void reserve(std::size_t nodes) { caches_[0].reserve(nodes); }

  static constexpr std::size_t node_alignment = 64;

  // Counted by whoever holds the lane, read by stats and by the drain.
  os::atomic<std::uint64_t> accepted{0};
  os::atomic<std::uint64_t> ran{0};
  os::atomic<std::uint64_t> not_started{0};
  // Coroutines that nobody awaits, from their start to their end.
  os::atomic<std::uint64_t> live_begun{0};
  os::atomic<std::uint64_t> live_ended{0};
  // Blocks that may outlive the scheduler (nodes of results, frames): those made, less those given
  // back, by this lane.
  os::atomic<std::uint64_t> results{0};

  /// One writer: an increment without a read-modify-write.
  static void count(os::atomic<std::uint64_t>& counter, std::uint64_t n = 1) noexcept {
    // relaxed load: only this thread writes. release: whoever adds up the counters and sees this
    // one sees what was counted before it; pairs with the acquires in core::tally.
    counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }

 private:
  lockfree::node_cache caches_[block_classes::count];
};

/// Hands an exception that nobody waits for to the hook of the scheduler that runs this thread.
void report_unobserved(error, const char* name) noexcept;

/// The root context of the scheduler that runs this thread.
const context& current_root() noexcept;

/// A node with a callable that is run for its effect.
template <class F>
struct posted_node final : task_node {
  using callable = F;

  template <class G>
  explicit posted_node(G&& g) noexcept(std::is_nothrow_constructible_v<F, G>)
      : f(std::forward<G>(g)) {
    act = &posted_node::run_or_drop;
    size_class = lane::class_of(sizeof(posted_node));
  }

  static outcome run_or_drop(task_node& base, action what) noexcept {
    auto& self = static_cast<posted_node&>(base);
    if (what == action::run) call(self);
    self.f.~F();
    return {what == action::run, true};
  }

  static void call(posted_node& self) noexcept {
    try {
      settle(self, call_for_result(self.f, root_for()));
    } catch (...) {
      report_unobserved(error(std::current_exception()), self.name);
    }
  }

  static const context& root_for() noexcept {
    if constexpr (std::invocable<F&, const context&>) {
      return current_root();
    } else {
      return context::background();
    }
  }

  template <class T>
  static void settle(posted_node& self, const result<T>& r) noexcept {
    if (!r) report_unobserved(r.error(), self.name);
  }

  F f;
};

/// The same with a context, which may end before the start.
template <class F>
struct bound_node final : task_node {
  using callable = F;

  template <class G>
  bound_node(const context& c, G&& g) noexcept(std::is_nothrow_constructible_v<F, G>)
      : ctx(c), f(std::forward<G>(g)) {
    act = &bound_node::run_or_drop;
    size_class = lane::class_of(sizeof(bound_node));
  }

  static outcome run_or_drop(task_node& base, action what) noexcept {
    auto& self = static_cast<bound_node&>(base);
    const bool start = what == action::run && !self.ctx.is_done();
    if (start) {
      try {
        const auto r = call_for_result(self.f, self.ctx);
        if (!r) report_unobserved(r.error(), self.name);
      } catch (...) {
        report_unobserved(error(std::current_exception()), self.name);
      }
    }
    self.f.~F();
    self.ctx.~context();
    return {start, true};
  }

  context ctx;
  F f;
};

}  // namespace pinion::detail
