// SPDX-License-Identifier: MIT
// Queue limit: places for outside work that has not started, and the line of those who wait.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"

namespace pinion::detail {

/// Like a semaphore whose permits are taken in bulk without waiting, or one by one with.
class queue_limit {
 public:
  /// 0: no limit.
  explicit queue_limit(std::size_t limit) noexcept
      : limit_(limit), free_(static_cast<std::int64_t>(limit)) {}

  bool limited() const noexcept { return limit_ != 0; }

  /// Up to `wanted` places; 0 when there are none, or others wait.
  std::size_t try_take(std::size_t wanted) noexcept;

  /// One place, in order of arrival.
  /// @errors    of `ctx`; stopped, when end_waits() was called
  op<> take(const context* ctx) noexcept;

  /// Called for every counted task that starts or is given up.
  void give_back(std::size_t places) noexcept;

  /// Ends all waits, present and future, with errc::stopped.
  void end_waits() noexcept;

 private:
  static const op<>::verb take_verb;
  static constexpr std::uint64_t stopped_mark = 1;

  bool take_now(op<>&) noexcept;
  bool take_free_place() noexcept;
  void leave_line(op<>&) noexcept;
  void serve() noexcept;

  const std::size_t limit_;
  alignas(cache_line_size) os::atomic<std::int64_t> free_;
  os::atomic<bool> waiting_{false};
  bool ended_ = false;  // under the lock of the list
  wait_list line_;
};

}  // namespace pinion::detail
