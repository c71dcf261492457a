// SPDX-License-Identifier: MIT
// What a model test of a whole scheduler says about the system it is to run on.
#pragma once

namespace pinion::model {

/// So many cores share a cache, and their workers an idle set. 0: all of them.
void set_cores_per_cache(unsigned) noexcept;

}  // namespace pinion::model
