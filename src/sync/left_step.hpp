// SPDX-License-Identifier: MIT
// What a coroutine has left to the calling thread, to be done when it has suspended.
#pragma once

#include "pinion/sync/resumption.hpp"

namespace pinion::detail {

struct left_step {
  next_step act = nullptr;
  void* with = nullptr;
};

/// Not for what may be inlined into a coroutine, which would keep its address.
[[gnu::tls_model("initial-exec")]] extern thread_local constinit left_step left;

}  // namespace pinion::detail
