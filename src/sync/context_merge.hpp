// SPDX-License-Identifier: MIT
// A context with two parents. It is a child of one of them; in the list of the other stands a
// bridge, a node of its own that leads on to it:
//
//      first ──┬── merged ──...         the end of `first` comes as to any child,
//      second ─┴── bridge ─ ─ > merged   that of `second` over the bridge
//
// So the rule for children holds for both: an empty list says that everything below is done.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "pinion/sync/context.hpp"
#include "src/sync/context_node.hpp"

namespace pinion::detail {

struct merged_node;

struct bridge_node final : cancel_node {
  bridge_node(context_node& from, merged_node& to) noexcept;

  /// What it leads to, with a reference; null: that goes, or is gone.
  cancel_node* hold_end() noexcept;
  /// It leads nowhere any more.
  void cut() noexcept;
  void leave() noexcept { detach(); }

 private:
  static void destroy_bridge(context_node&) noexcept;

  merged_node* end_;  // under the lock of `waiting`
};

struct merged_node final : cancel_node {
  /// A child of `tree`, so far.
  merged_node(context_node& tree, time_point end, std::uint32_t behind) noexcept;

  /// Has another parent, which is kept for its values at least.
  /// @errors    throws std::bad_alloc
  void add(context_node& other, bool bridged);

  /// Joins both parents, or ends as one of them did.
  void attach_both() noexcept;
  void leave_other() noexcept {
    if (bridge_ != nullptr) bridge_->leave();
  }
  /// Values of the first hide those of the second. @errors throws std::bad_alloc
  void bind(const context_binding* first, const context_binding* second);

  using cancel_node::try_retain;

 private:
  static void destroy_merged(context_node&) noexcept;

  bridge_node* bridge_ = nullptr;              // null: the other cannot end, or not on its own
  std::unique_ptr<context_binding[]> copied_;  // those of the first, in front of the second's
};

}  // namespace pinion::detail
