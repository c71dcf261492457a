// SPDX-License-Identifier: MIT
// The handles: roots, derived contexts, and the context's part in a wait. How an end spreads is
// with the node.
#include "pinion/sync/context.hpp"

#include <algorithm>
#include <mutex>
#include <system_error>

#include "pinion/platform/clock.hpp"
#include "src/sync/context_node.hpp"
#include "src/sync/lasting.hpp"

namespace pinion {

using detail::cancel_node;
using detail::context_binding;
using detail::context_node;

static_assert(sizeof(context) == sizeof(void*));

namespace detail {

constinit context_node background_node{.state = &background_node,
                                       .references{context_node::immortal}};

namespace {

/// One handle less; true: it was the last.
bool drop(context_node& node) noexcept {
  // relaxed: as in retain.
  if ((node.references.load(std::memory_order_relaxed) & context_node::immortal) != 0) return false;
  // acq_rel: whoever destroys the node sees all that was done through its other handles.
  return node.references.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

}  // namespace

// A handle that goes may take its node along, and that one its parents: a loop, so that a chain
// of any length goes in constant stack. Those to destroy are chained by a word that nobody reads
// any more.
void context_node::let_go(context_node& first) noexcept {
  if (!drop(first)) return;
  first.state = nullptr;
  for (context_node* last = &first; last != nullptr;) {
    context_node* const above[] = {last->parent, last->also};
    context_node* const next = last->state;
    last->destroy(*last);
    last = next;
    for (context_node* const kept : above) {
      if (kept == nullptr || !drop(*kept)) continue;
      kept->state = last;
      last = kept;
    }
  }
}

}  // namespace detail

namespace {

context_node* new_plain_node(const context_binding* bindings, context_node* kept,
                             time_source* time) {
  return new context_node{.state = &detail::background_node,
                          .bindings = bindings,
                          .parent = kept,
                          .time = time,
                          .destroy = [](context_node& self) noexcept { delete &self; }};
}

}  // namespace

// Roots.

const context& context::background() noexcept {
  static constinit lasting<context> it{detail::background_node};
  return it.it;
}

context context::root(time_source& time) {
  return context(*new_plain_node(nullptr, nullptr, &time));
}

// Asking.

error context::cause() const noexcept {
  return is_done() ? cancel_node::of(*node_)->cause() : error(errc::ok);
}

time_source& context::time() const noexcept {
  return node_->time != nullptr ? *node_->time : system_time();
}

const void* context::find(const void* key) const noexcept {
  for (const context_binding* b = node_->bindings; b != nullptr; b = b->outer) {
    if (b->key == key) return b->value;
  }
  return nullptr;
}

// Deriving.

scoped_context with_cancel(const context& parent) {
  return with_deadline(parent, forever);
}

scoped_context with_timeout(const context& parent, duration timeout, error cause) {
  return with_deadline(parent, add_saturating(parent.time().now(), timeout), cause);
}

scoped_context with_deadline(const context& parent, time_point when, error cause) {
  if (cause == errc::ok) cause = errc::deadline_exceeded;
  const bool own = when < parent.deadline();  // else the parent's ends it, at the latest
  if (own && !parent.time().prepare()) {
    throw std::system_error(make_error_code(errc::unavailable), "no thread for a deadline");
  }
  auto* const node = new cancel_node(parent.node(), own ? when : parent.deadline(), own, cause);
  scoped_context made(*node);
  node->attach();
  if (own && !made.is_done()) node->start_timer();
  return made;
}

context without_cancel(const context& parent) {
  context_node& from = parent.node();
  if (from.bindings == nullptr && from.time == nullptr) return context::background();
  context made(*new_plain_node(from.bindings, &from, from.time));
  from.retain();  // for its values
  return made;
}

// Ending.

bool scoped_context::cancel(error cause) noexcept {
  if (cause == errc::ok) cause = errc::canceled;
  cancel_node* const node = cancel_node::of(*node_);
  return node != nullptr && node->cancel(errc::canceled, &cause);
}

scoped_context& scoped_context::operator=(scoped_context&& other) noexcept {
  if (this == &other) return *this;
  scoped_context gone(std::move(*this));
  context::operator=(static_cast<context&&>(other));
  cancels_ = std::exchange(other.cancels_, false);
  return *this;
}

// Waiting for the end.

namespace {

// Where those wait who wait for the end of what never ends.
constinit lasting<wait_list> for_ever;

wait_list& queue_of(op<>& o) noexcept {
  cancel_node* const node = cancel_node::of(*static_cast<context_node*>(o.object()));
  return node != nullptr ? node->waiting : for_ever.it;
}

constexpr op<>::verb wait_for_end{
    .list = queue_of,
    .try_complete =
        [](op<>& o) noexcept {
          // acquire: sees the cause; pairs with the release in mark_done.
          const auto& node = *static_cast<context_node*>(o.object());
          return node.status.load(std::memory_order_acquire) != errc::ok;
        },
    .enlist = [](op<>& o, waiter& who) noexcept { queue_of(o).push_back(o.link(who)); },
    .withdraw = [](op<>& o) noexcept { queue_of(o).remove(o.link()); },
    .take = [](op<>&) { return result<>(); }};

}  // namespace

op<> context::done() const& {
  return {wait_for_end, node_->state, nullptr};
}

// The context's part in a wait.

bool context_link::is_done() const noexcept {
  return bound_->is_done();
}

error context_link::reason() const noexcept {
  return bound_->cause().as(bound_->status());
}

bool context_link::join(waiter& who) noexcept {
  cancel_node* const node = cancel_node::of(bound_->node());
  if (node == nullptr) return true;
  wait_link::operator=({&who, nullptr, nullptr});
  list_ = node->join(*this);
  return list_ != nullptr || !who.try_claim(*this);
}

void context_link::leave() noexcept {
  std::lock_guard lock(*list_);
  list_->remove(*this);
  list_ = nullptr;
}

}  // namespace pinion
