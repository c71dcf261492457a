// SPDX-License-Identifier: MIT
// Context: cancellation, deadline, cause and request values, from parent to children.
//
//     void handle(const context& parent) {
//       auto ctx = with_timeout(parent, 2s);   // a context that is canceled at the end of scope
//       ... fetch(ctx) ...
//     }
//
// A context is a handle to a node; a node with a state of its own knows its children, and a
// cancellation walks down and tells each of them. So asking is one load of a word that is
// written once, however deep the tree:
//
//     background ── with_timeout ──┬── with_value(id) ── with_cancel
//     (never done)   status <- - - - - - - status?          status
//                                  └── with_cancel ...
//
// Operations keep a pointer to their context, so it must outlive the wait. A verb that takes a
// context therefore comes with a deleted twin, for the one that would end with the expression:
//
//     op<> acquire(const context&);
//     op<> acquire(scoped_context&&) = delete;
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/platform/std_stop_token.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

class callback_registration;
class scoped_context;
class time_source;

/// Names a value: struct trace_id : context_key<std::uint64_t> {};
template <class T>
struct context_key {
  using type = T;
};

namespace detail {

/// One binding of a value to a key; the key is an address, one per key type.
struct context_binding {
  const void* key;
  const void* value;
  const context_binding* outer;
};

template <class Key>
inline constexpr char context_key_address = 0;

/// What a handle points to: whose end is its end, its values, and what it was derived from.
/// All but `status` and `references` is constant once the node is handed out.
struct context_node {
  using destroyer = void (*)(context_node&) noexcept;
  static constexpr std::uint32_t immortal = 1U << 31;

  // Whoever asks reads these two; an allocation is aligned so that they share a line.
  context_node* state;                // the node that says whether this one is done; maybe itself
  os::atomic<errc> status{errc::ok};  // written once; of a `state` only
  bool can_end = false;

  time_point deadline = forever;
  const context_binding* bindings = nullptr;  // innermost first
  context_node* parent = nullptr;             // kept alive
  time_source* time = nullptr;                // null: the system's
  destroyer destroy = nullptr;

  context_node* also = nullptr;  // kept alive, too
  // Whoever copies a handle writes this: at least a line away from what all read.
  os::atomic<std::uint32_t> references{1};

  void retain() noexcept {
    // relaxed: an immortal node was born so; others are kept alive by the handle copied from.
    if ((references.load(std::memory_order_relaxed) & immortal) != 0) return;
    references.fetch_add(1, std::memory_order_relaxed);
  }
  void release() noexcept {
    // relaxed: as in retain.
    if ((references.load(std::memory_order_relaxed) & immortal) == 0) let_go(*this);
  }
  static void let_go(context_node&) noexcept;
};

static_assert(offsetof(context_node, references) >= line_transfer_size);

extern context_node background_node;  // immortal, never done

}  // namespace detail

/// Shared handle, one pointer, never null. Pass it first and by const reference.
///
/// Canceling a context cancels all its descendants, parent before child, siblings in order of
/// creation; it never affects the parent. The first cancellation wins, for good.
/// @threads   any for const functions; a copy is a handle of its own
class context {
 public:
  /// Never done. Its children's deadlines are kept by one thread of the process that starts with
  /// the first of them. Costs nothing to copy.
  static const context& background() noexcept;

  /// Never done; the deadlines below it are kept by `time`, which must outlive them.
  static context root(time_source& time);

  /// Canceled as soon as the token is stopped; never, if nobody can stop it.
  /// @cost      one allocation, and that of a std::stop_callback. @errors throws std::bad_alloc
  static context from(std::stop_token token);

  context(const context& other) noexcept : node_(other.node_) { node_->retain(); }
  context(context&& other) noexcept : node_(std::exchange(other.node_, &detail::background_node)) {}
  context(scoped_context&&) = delete;  // would be canceled at once: keep the scoped_context
  context& operator=(const context& other) noexcept { return *this = context(other); }
  context& operator=(context&& other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  context& operator=(scoped_context&&) = delete;
  ~context() { node_->release(); }

  /// @progress  wait-free: one load of a word that is written once
  /// @order     sees what was done before the cancel()
  bool is_done() const noexcept { return status() != errc::ok; }
  errc status() const noexcept {  // ok until done; then canceled or deadline_exceeded
    // acquire: sees the cause and what preceded the cancel; pairs with the release in mark_done.
    return node_->state->status.load(std::memory_order_acquire);
  }
  error cause() const noexcept;  // errc::ok until done; then why, own or inherited
  bool can_end() const noexcept { return node_->state->can_end; }  // false: never done
  time_point deadline() const noexcept {  // earliest of its own and its ancestors'; or forever
    return node_->state->deadline;
  }

  /// The clock and the timers of its deadlines, and of whatever waits under it.
  time_source& time() const noexcept;

  /// Completes, with success, when the context is done; cause() says why.
  op<> done() const&;
  op<> done() const&& = delete;  // must outlive the wait

  /// Posts f to `where`, once, after the context is done; never runs it in here. An exception
  /// goes to the error hook of `where`; so does not_started, if that takes no more work. The
  /// callback keeps the context alive until it has run or is removed.
  /// @cost      one allocation, and that of f; no thread. @errors throws std::bad_alloc
  /// @lifetime  `where` outlives the callback
  callback_registration on_done(executor_ref where, std::function<void()> f) const;

  /// Stopped no later than the cancel() that ended this context returns. What is registered there
  /// runs as the standard says: in that cancel(), or in the thread that keeps the deadline, which
  /// is one for all: a callback that blocks there holds up every other deadline.
  /// @cost      allocates on the first call; who never asks pays nothing
  /// @errors    throws std::bad_alloc
  /// @lifetime  never stopped when the last handle to the context goes before its end
  std::stop_token stop_token() const;

  /// The nearest binding of Key, or null.
  /// @cost      O(bindings), whatever the depth
  template <class Key>
  const typename Key::type* value() const noexcept {
    return static_cast<const typename Key::type*>(find(&detail::context_key_address<Key>));
  }

  friend bool operator==(const context&, const context&) noexcept = default;  // the same context

  // For those who make contexts: takes over one reference; lends it.
  constexpr explicit context(detail::context_node& made) noexcept : node_(&made) {}
  detail::context_node& node() const noexcept { return *node_; }

 private:
  friend class scoped_context;
  const void* find(const void* key) const noexcept;

  detail::context_node* node_;
};

/// A context and the right to cancel it; the end of its scope cancels too. Move-only.
/// Copied into a plain `context` it gives a handle that can be canceled from here only.
class [[nodiscard]] scoped_context : public context {
 public:
  scoped_context(scoped_context&& other) noexcept
      : context(static_cast<context&&>(other)), cancels_(std::exchange(other.cancels_, false)) {}
  scoped_context& operator=(scoped_context&&) noexcept;
  ~scoped_context() {
    if (cancels_) cancel();
  }

  /// True if this call did it. On return all descendants are done and their waits claimed;
  /// none of the code that waited has run in here. A call that loses to another may return
  /// before that one has reached all descendants.
  /// @threads   any
  /// @blocks    never; takes short locks
  /// @cost      O(descendants + their waiters), constant stack, no allocation
  bool cancel(error cause = errc::canceled) noexcept;

  void release() noexcept { cancels_ = false; }  // the end of scope no longer cancels

 private:
  friend scoped_context with_deadline(const context& parent, time_point when, error cause);
  friend scoped_context with_either(const context& first, const context& second);
  explicit scoped_context(detail::context_node& made) noexcept : context(made) {}

  bool cancels_ = true;
};

/// @cost      one allocation. @errors throws std::bad_alloc
scoped_context with_cancel(const context& parent);

/// Done at the latest when the time has come; at once if it has already, or if the parent is done.
/// `cause` is what cause() says then.
/// @cost      one allocation, and one timer unless the parent ends first anyway
/// @errors    throws std::bad_alloc; std::system_error when the clock has no thread and gets none
scoped_context with_timeout(const context& parent, duration timeout,
                            error cause = errc::deadline_exceeded);
scoped_context with_deadline(const context& parent, time_point when,
                             error cause = errc::deadline_exceeded);

/// Done when either is, as that one was. Values of the first hide those of the second; so does
/// its clock, by which the earlier of their deadlines is meant.
/// @cost      up to three allocations. @errors throws std::bad_alloc
scoped_context with_either(const context& first, const context& second);

/// Keeps the values and the clock, never done: for cleanup. Give it a timeout of its own.
context without_cancel(const context& parent);

namespace detail {

template <class T>
struct value_node final : context_node {
  value_node(context_node& from, const void* key, T&& v)
      : context_node{.state = from.state,
                     .bindings = &binding,
                     .parent = &from,
                     .time = from.time,
                     .destroy = destroy_node},
        value(std::move(v)),
        binding{key, &value, from.bindings} {
    from.retain();
  }

  static void destroy_node(context_node& self) noexcept { delete static_cast<value_node*>(&self); }

  const T value;
  const context_binding binding;
};

}  // namespace detail

/// A context that ends with its parent, and where Key means `value`.
/// @cost      one allocation. @errors throws std::bad_alloc
template <class Key>
context with_value(const context& parent, typename Key::type value) {
  return context(*new detail::value_node<typename Key::type>(
      parent.node(), &detail::context_key_address<Key>, std::move(value)));
}

}  // namespace pinion
