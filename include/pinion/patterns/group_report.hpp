// SPDX-License-Identifier: MIT
// What became of a number of jobs that belong together.
#pragma once

#include <cstdint>
#include <vector>

#include "pinion/sync/result.hpp"

namespace pinion {

/// What the first error of a group does to the others.
enum class on_error { cancel_siblings, keep_going };

/// Each job is in exactly one of these: jobs == succeeded + failed + canceled + not_started.
struct group_report {
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;    // with an error of their own
  std::uint64_t canceled = 0;  // started, then ended because their context did
  std::uint64_t not_started = 0;
  std::vector<error> errors;  // of those that failed: the first ones, in order of completion
};

}  // namespace pinion
