// SPDX-License-Identifier: MIT
// Work word: what the queues of a scheduler hold. Eight bytes that name a task node, or a work item
// of somebody else, which then has its lowest bit set.
#pragma once

#include <cstdint>

#include "pinion/runtime/task_node.hpp"
#include "pinion/sync/executor.hpp"

namespace pinion::detail {

inline constexpr work_word item_tag = 1;

inline work_word word_of(task_node& node) noexcept {
  return reinterpret_cast<work_word>(&node);
}
inline work_word word_of(work_item& item) noexcept {
  return reinterpret_cast<work_word>(&item) | item_tag;
}

inline bool is_item(work_word w) noexcept {
  return (w & item_tag) != 0;
}
inline task_node& node_of(work_word w) noexcept {
  return *reinterpret_cast<task_node*>(w);
}
inline work_item& item_of(work_word w) noexcept {
  return *reinterpret_cast<work_item*>(w & ~item_tag);
}
inline const void* address_of(work_word w) noexcept {
  return reinterpret_cast<const void*>(w);
}

/// Lists of work, by the link that each piece has.
inline void link(work_word w, work_word next) noexcept {
  if (is_item(w)) {
    item_of(w).next = reinterpret_cast<work_item*>(next);
  } else {
    // relaxed: published with the list.
    node_of(w).next.store(reinterpret_cast<task_node*>(next), std::memory_order_relaxed);
  }
}
inline work_word linked_to(work_word w) noexcept {
  if (is_item(w)) return reinterpret_cast<work_word>(item_of(w).next);
  // relaxed: the list is the calling thread's alone.
  return reinterpret_cast<work_word>(node_of(w).next.load(std::memory_order_relaxed));
}

}  // namespace pinion::detail
