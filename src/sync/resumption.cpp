// SPDX-License-Identifier: MIT
#include "pinion/sync/resumption.hpp"

#include <cassert>
#include <utility>

namespace pinion::detail {
namespace {

struct step {
  next_step act = nullptr;
  void* with = nullptr;
};

[[gnu::tls_model("initial-exec")]] constinit thread_local step next;

}  // namespace

void run_coroutine(std::coroutine_handle<> coroutine) noexcept {
  while (coroutine) {
    coroutine.resume();
    if (next.act == nullptr) return;
    const step left = std::exchange(next, {});
    coroutine = left.act(left.with);
  }
}

// Never inlined: as this_executor().
[[gnu::noinline]] void after_suspension(next_step act, void* with) noexcept {
  assert(next.act == nullptr);
  next = {act, with};
}

}  // namespace pinion::detail
