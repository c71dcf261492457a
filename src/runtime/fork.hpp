// SPDX-License-Identifier: MIT
// Fork: the child has the memory of a scheduler and none of its threads.
#pragma once

#include "src/runtime/task_memory.hpp"

namespace pinion::detail {

/// From here on a fork closes the scheduler in the child, where everything it is asked to do
/// fails with errc::stopped instead of waiting for workers that do not exist.
/// @errors    throws std::bad_alloc
void register_for_fork(task_memory&);
void unregister_for_fork(task_memory&) noexcept;

}  // namespace pinion::detail
