// SPDX-License-Identifier: MIT
#include "src/sync/context_merge.hpp"

#include <algorithm>
#include <cstddef>
#include <mutex>

namespace pinion {
namespace detail {

bridge_node::bridge_node(context_node& from, merged_node& to) noexcept
    : cancel_node(from, forever, role::bridge, 0), end_(&to) {
  destroy = destroy_bridge;
}

void bridge_node::destroy_bridge(context_node& node) noexcept {
  auto& self = static_cast<bridge_node&>(node);
  self.withdraw();
  delete &self;
}

cancel_node* bridge_node::hold_end() noexcept {
  std::lock_guard lock(waiting);
  return end_ != nullptr && end_->try_retain() ? end_ : nullptr;
}

void bridge_node::cut() noexcept {
  std::lock_guard lock(waiting);
  end_ = nullptr;
}

merged_node::merged_node(context_node& tree, time_point end, std::uint32_t behind) noexcept
    : cancel_node(tree, end, role::merged, behind) {
  destroy = destroy_merged;
}

void merged_node::add(context_node& other, bool bridged) {
  if (bridged) {
    also = bridge_ = new bridge_node(other, *this);
  } else {
    other.retain();
    also = &other;
  }
}

void merged_node::destroy_merged(context_node& node) noexcept {
  auto& self = static_cast<merged_node&>(node);
  self.withdraw();
  if (self.bridge_ != nullptr) self.bridge_->cut();
  delete &self;
}

// A mark that comes while the bridge is set up finds it in the list, or is found by it here.
void merged_node::attach_both() noexcept {
  attach();
  if (bridge_ == nullptr || has_ended()) return;
  bridge_->attach();
  // acquire: sees the cause; pairs with the release in mark_done and attach.
  const errc how = bridge_->status.load(std::memory_order_acquire);
  if (how != errc::ok) cancel(how, &bridge_->cause());
  // It may have ended before the bridge stood in the list, and then nobody takes it out.
  // relaxed: nothing is read that the end published, and leaving takes the lock.
  if (status.load(std::memory_order_relaxed) != errc::ok) leave_other();
}

void merged_node::bind(const context_binding* first, const context_binding* second) {
  std::size_t count = 0;
  const context_binding* b = first;
  for (; b != nullptr && b != second; b = b->outer) ++count;
  bindings = b == second ? first : second;
  if (b == second || count == 0) return;
  copied_ = std::make_unique<context_binding[]>(count);
  for (context_binding* to = copied_.get(); first != nullptr; first = first->outer, ++to) {
    *to = {first->key, first->value, first->outer != nullptr ? to + 1 : second};
  }
  bindings = copied_.get();
}

}  // namespace detail

using detail::cancel_node;
using detail::context_node;
using detail::merged_node;

namespace {

/// How far up it is looked whether one context ends with the other anyway. Beyond that they are
/// merged all the same, which is no different to see.
constexpr int near = 64;

bool ends_with(const cancel_node* node, const cancel_node* above) noexcept {
  for (int i = 0; i < near && node != nullptr; ++i, node = node->up) {
    if (node == above) return true;
  }
  return false;
}

/// A child of `tree` is all there is to merge: the other has no values and no clock to add.
bool is_all(const context_node& tree, const context_node& other, bool other_is_first) noexcept {
  if (other.bindings != nullptr && other.bindings != tree.bindings) return false;
  return other.time == nullptr || other.time == tree.time ||
         (!other_is_first && tree.time != nullptr);
}

}  // namespace

scoped_context with_either(const context& first, const context& second) {
  const cancel_node* const a = cancel_node::of(first.node());
  const cancel_node* const b = cancel_node::of(second.node());
  const std::uint32_t merges[] = {a != nullptr ? a->merges : 0, b != nullptr ? b->merges : 0};
  const bool of_first = b == nullptr || ends_with(a, b);
  const bool of_second = !of_first && (a == nullptr || ends_with(b, a));
  if (of_first && is_all(first.node(), second.node(), false)) return with_cancel(first);
  if (of_second && is_all(second.node(), first.node(), true)) return with_cancel(second);
  const bool bridged = !of_first && !of_second;
  // The way over a bridge is the more costly one, so it goes to where fewer lie behind.
  const bool first_is_tree = of_first || (bridged && merges[0] >= merges[1]);
  const context& tree = first_is_tree ? first : second;
  const context& other = first_is_tree ? second : first;
  const std::uint32_t crossed = bridged ? merges[first_is_tree ? 1 : 0] + 1 : 0;
  auto* const node = new merged_node(tree.node(), std::min(first.deadline(), second.deadline()),
                                     std::max(merges[first_is_tree ? 0 : 1], crossed));
  scoped_context made(*node);
  node->add(other.node(), bridged);
  node->time = first.node().time != nullptr ? first.node().time : second.node().time;
  node->bind(first.node().bindings, second.node().bindings);
  node->attach_both();
  return made;
}

}  // namespace pinion
