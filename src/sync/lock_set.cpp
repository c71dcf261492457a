// SPDX-License-Identifier: MIT
#include "pinion/sync/lock_set.hpp"

#include <algorithm>
#include <functional>

namespace pinion {

// Keeps the lowest `capacity` lists above `above_`, sorted, each once.
void lock_set::insert(wait_list& list) noexcept {
  constexpr std::less<wait_list*> below;
  if (above_ != nullptr && !below(above_, &list)) return;
  wait_list** const end = lists_ + count_;
  wait_list** const place = std::lower_bound(lists_, end, &list, below);
  if (place != end && *place == &list) return;
  if (count_ == capacity) {
    overflowed_ = true;
    if (place == end) return;
  } else {
    ++count_;
  }
  std::move_backward(place, lists_ + count_ - 1, lists_ + count_);
  *place = &list;
}

}  // namespace pinion
