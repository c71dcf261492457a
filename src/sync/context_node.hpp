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
//   5  Hooks stand in the list of a node that is not done. Whoever marks it takes them along, and
//      tells them when all below is done.
//
// Locks are per node and short. Two are held at one place only: a leaf is marked under the lock of
// its parent, and its own is merely tried. The protocol page on the context has the steps.
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

/// Told of the end of a context, once, by whoever marked it. From the mark on it is theirs.
struct end_hook {
  /// Without a lock; may be the end of the hook. `ended` false: the context goes, and did not end.
  void (*settle)(end_hook&, bool ended) noexcept;
  end_hook* previous = nullptr;
  end_hook* next = nullptr;
};

/// What a cancel collects on its way, and settles when everything below is done.
struct ending {
  wake_chain woken;
  linked_list<end_hook> hooks;

  /// In the order it was collected; first who waits, then the hooks. Nodes may be gone afterwards.
  void settle() noexcept;
};

struct cancel_node : context_node {
  enum class role : std::uint8_t {
    plain,
    merged,  // has two parents: the other one's end comes over a bridge
    bridge,  // stands among the children of the other one
  };

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

  /// Adds a hook; false: it has ended.
  bool join(end_hook&) noexcept;
  /// Takes a hook out again; false: somebody has ended this, and settles it.
  bool leave(end_hook&) noexcept;

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
  linked_list<end_hook> hooks;
  cancel_node* previous = nullptr;  // among the children of `up`, under its lock
  cancel_node* next = nullptr;
  end_hook* stopping =
      nullptr;  // the one of the hooks that stops a std::stop_token; under the lock
  const role is;
  const std::uint32_t merges;  // how many bridges at most lie one behind the other above this

 protected:
  cancel_node(context_node& from, time_point end, role, std::uint32_t merges) noexcept;

  /// Before it is destroyed: nobody finds it any more.
  void withdraw() noexcept {
    detach();
    stop_timer();
  }
  void detach() noexcept;
  bool try_retain() noexcept;

  bool has_ended() const noexcept {
    // relaxed: under a lock that whoever marks it takes afterwards or has released before.
    return status.load(std::memory_order_relaxed) != errc::ok;
  }

 private:
  enum class timer_state : std::uint8_t { none, armed, settled };
  struct own_timer : timer_node {
    cancel_node* owner = nullptr;
  };

  static void destroy_plain(context_node&) noexcept;
  static void on_time(timer_node&) noexcept;

  struct marked {
    bool first;  // nobody did before
    bool alone;  // nobody is below who may not be done
  };
  marked mark_done(errc how, const error* cause, ending&) noexcept;
  void mark_descendants(ending&) noexcept;
  void mark_beyond(ending&) noexcept;
  bool mark_leaf(const cancel_node& above, ending&) noexcept;
  cancel_node* hold_first_child(ending&) noexcept;
  void prefetch() const noexcept {
    for (std::size_t at = 0; at < sizeof(*this); at += line_transfer_size) {
      __builtin_prefetch(reinterpret_cast<const char*>(this) + at, 1);
    }
  }
  void unlink(cancel_node& child) noexcept;
  void leave_parent() noexcept;
  void stop_timer() noexcept;
  time_source& clock() const noexcept { return time != nullptr ? *time : system_time(); }

  os::atomic<bool> attached_{false};          // set to false last of all by whoever takes it out
  std::uint8_t met_ = 0;                      // how often a wait found the lock of `waiting` taken
  os::atomic<timer_state> timer_is_;          // out of `armed` by who disarms it
  os::atomic<wait_shards*> shards_{nullptr};  // set once, by need
  error why_;  // the cause; until done, what it is to be if the deadline passes
  own_timer timer_;
};

}  // namespace pinion::detail
