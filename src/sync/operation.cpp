// SPDX-License-Identifier: MIT
#include "pinion/sync/operation.hpp"

#include <algorithm>
#include <functional>

#include "pinion/platform/cpu.hpp"

namespace pinion {
namespace {

/// A hand-over between two running threads takes well under a microsecond, a futex wake-up tens
/// of them. Longer costs CPU where nobody answers; shorter misses peers that are about to.
constexpr duration spin_before_parking = std::chrono::microseconds(4);

}  // namespace

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

void sleep_until_woken(waiter& who, parker& thread) noexcept {
  if (who.woken()) return;
  for (spin_budget budget(spin_before_parking); budget.spin();) {
    if (who.woken()) return;
  }
  if (!who.commit()) return;
  blocking_scope asleep;
  thread.park();
}

}  // namespace pinion
