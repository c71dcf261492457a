// SPDX-License-Identifier: MIT
#include "pinion/sync/operation.hpp"

#include "pinion/platform/cpu.hpp"

namespace pinion {
namespace {

/// A hand-over between two running threads takes well under a microsecond, a futex wake-up tens
/// of them. Longer costs CPU where nobody answers; shorter misses peers that are about to.
constexpr duration spin_before_parking = std::chrono::microseconds(4);

}  // namespace

void sleep_until_woken(waiter& who, parker& thread, bool has_spun) noexcept {
  if (who.woken()) return;
  for (spin_budget budget(has_spun ? duration::zero() : spin_before_parking); budget.spin();) {
    if (who.woken()) return;
  }
  if (!who.commit()) return;
  blocking_scope asleep;
  thread.park();
}

}  // namespace pinion
