// SPDX-License-Identifier: MIT
// The node of a context that can end on its own account, and how an end spreads.
//
// Invariants
//   1  `status` is written once, under the node's lock, after `why`; whoever sees it sees why_.
//   2  A node that is not done is in its parent's list of children, or has no parent that can
//      end. Whoever joins a list looks at the owner's status under the same lock: a node that is
//      marked done meets the newcomer, or the newcomer meets the mark.
//   3  The list of a parent that is done loses a child only when all below that child are done,
//      or nobody holds it any more. So an empty list says that all descendants are done, whoever
//      of several cancellers marked them.
//   4  A child keeps its parent alive; a parent does not keep its children.
//
// Locks are per node, short, and never held two at a time. See docs/protocols/context.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/time_source.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion::detail {

/// More queues for the waits under one context, for one that many threads wait under.
struct wait_shards {
  static constexpr unsigned bits = 3;

  wait_list& of(const wait_link& link) noexcept {
    // Frames differ in the bits above the line; the multiplication spreads them over the top.
    const auto line = reinterpret_cast<std::uintptr_t>(&link) / line_transfer_size;
    return lists[(line * 0x9E3779B97F4A7C15U) >> (64 - bits)].value;
  }

  padded<wait_list> lists[std::size_t{1} << bits];
};

struct cancel_node final : context_node {
  /// `timed`: start_timer() follows.
  cancel_node(context_node& from, time_point end, bool timed, error late) noexcept;
  cancel_node(const cancel_node&) = delete;
  cancel_node& operator=(const cancel_node&) = delete;
  ~cancel_node();

  /// The node whose end is the end of `node`; null: it never ends.
  static cancel_node* of(const context_node& node) noexcept {
    return node.state->can_end ? static_cast<cancel_node*>(node.state) : nullptr;
  }

  /// Joins the parent, or ends as it did.
  void attach() noexcept;
  /// Ends by itself at its deadline, at once if that has passed.
  void start_timer() noexcept;

  /// Ends this context and all below it. False: it had ended before.
  /// `cause` null: what was given for the deadline.
  bool cancel(errc how, const error* cause) noexcept;

  /// Queues a wait that ends with this context. Where; null: it has ended.
  wait_list* join(wait_link&) noexcept;

  /// From here on waits spread over several queues. Without memory for them they go on in one.
  void split_queue() noexcept;
  bool is_split() const noexcept {
    // relaxed: for those who look from outside.
    return shards_.load(std::memory_order_relaxed) != nullptr;
  }

  /// @pre  done
  const error& cause() const noexcept { return why_; }

  cancel_node* const up;  // the nearest ancestor that can end; null: there is none
  wait_list waiting;      // its lock guards all of this node's lists but the shards_
  linked_list<cancel_node> children;
  cancel_node* previous = nullptr;  // among the children of `up`, under its lock
  cancel_node* next = nullptr;

 private:
  enum class timer_state : std::uint8_t { none, armed, settled };
  struct own_timer : timer_node {
    cancel_node* owner = nullptr;
  };

  static void destroy_node(context_node&) noexcept;
  static void on_time(timer_node&) noexcept;

  bool has_ended() const noexcept {
    // relaxed: under a lock that whoever marks it takes afterwards or has released before.
    return status.load(std::memory_order_relaxed) != errc::ok;
  }
  struct marked {
    bool first;  // nobody did before
    bool alone;  // nobody is below who may not be done
  };
  marked mark_done(errc how, const error* cause, wake_chain& woken) noexcept;
  void mark_descendants(wake_chain& woken) noexcept;
  cancel_node* hold_first_child() noexcept;
  void unlink(cancel_node& child) noexcept;
  void detach() noexcept;
  void stop_timer() noexcept;
  bool try_retain() noexcept;
  time_source& clock() const noexcept { return time != nullptr ? *time : system_time(); }

  os::atomic<bool> attached_{false};          // set to false last of all by whoever takes it out
  std::uint8_t met_ = 0;                      // how often a wait found the lock of `waiting` taken
  os::atomic<timer_state> timer_is_;          // out of `armed` by who disarms it
  os::atomic<wait_shards*> shards_{nullptr};  // set once, by need
  error why_;  // the cause; until done, what it is to be if the deadline passes
  own_timer timer_;
};

}  // namespace pinion::detail
