// SPDX-License-Identifier: MIT
#include "pinion/sync/resumption.hpp"

#include <cassert>
#include <utility>

#include "src/sync/left_step.hpp"

namespace pinion::detail {

[[gnu::tls_model("initial-exec")]] thread_local constinit left_step left;

void run_coroutine(std::coroutine_handle<> coroutine) noexcept {
  while (coroutine) {
    coroutine.resume();
    if (left.act == nullptr) return;
    const next_step act = std::exchange(left.act, nullptr);
    coroutine = act(left.with);
  }
}

// Never inlined: as this_executor().
[[gnu::noinline]] void after_suspension(next_step act, void* with) noexcept {
  assert(left.act == nullptr);
  left.act = act;
  left.with = with;
}

}  // namespace pinion::detail
