// SPDX-License-Identifier: MIT
// What a model test of a whole scheduler says about the system it is to run on.
#pragma once

namespace pinion::model {

/// Each core with a cache of its own: then each worker has an idle set of its own.
void set_two_caches(bool) noexcept;

}  // namespace pinion::model
