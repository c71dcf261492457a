// SPDX-License-Identifier: MIT
// So many bytes a second, for all who read together.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "pinion/platform/clock.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/timer.hpp"

namespace treesum {

/// A token bucket that never fills: each reader is told when its turn is, and sleeps until then.
class pacer {
 public:
  static constexpr std::size_t block_max = 128 * 1024;

  /// 0: as fast as it goes.
  explicit pacer(std::uint64_t bytes_per_second) : rate_(bytes_per_second) {}

  /// How much to read at a time: an eighth of a second's worth.
  std::size_t block() const {
    if (rate_ == 0) return block_max;
    return static_cast<std::size_t>(std::clamp<std::uint64_t>(rate_ / 8, 1, block_max));
  }

  /// Returns when `bytes` more may have been read.
  pinion::result<> pay(const pinion::context& ctx, std::size_t bytes) {
    if (rate_ == 0) return {};
    return pinion::sleep_until(ctx, turn_of(bytes)).wait();
  }

 private:
  pinion::time_point turn_of(std::size_t bytes) {
    const auto price = std::chrono::duration_cast<pinion::duration>(
        std::chrono::duration<double>(static_cast<double>(bytes) / static_cast<double>(rate_)));
    const std::lock_guard lock(mutex_);
    next_ = pinion::add_saturating(std::max(next_, pinion::now()), price);
    return next_;
  }

  const std::uint64_t rate_;
  std::mutex mutex_;
  pinion::time_point next_{};
};

}  // namespace treesum
