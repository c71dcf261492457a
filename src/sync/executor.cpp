// SPDX-License-Identifier: MIT
#include "pinion/sync/executor.hpp"

#include <cassert>

#include "pinion/sync/result.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion {
namespace {

// Threads that belong to no executor share this one. It has no state.
class nobody final : public executor {
 public:
  bool post(work_item&) noexcept override { return false; }
  time_source& time() noexcept override { return system_time(); }
};
constinit nobody the_nobody;

[[gnu::tls_model("initial-exec")]] constinit thread_local executor* current = nullptr;

}  // namespace

void executor::unobserved(const error& e, const char* where) noexcept {
  print_unobserved_error(e, where);
}

void executor::resume(work_item& item, resume_order) noexcept {
  [[maybe_unused]] const bool posted = post(item);
  assert(posted && "an executor refused to resume what is suspended on it");
}

// Never inlined: code that suspends may go on in another thread, and a compiler that sees the
// thread_local is free to keep its address across the suspension.
[[gnu::noinline]] executor_ref this_executor() noexcept {
  return current != nullptr ? *current : the_nobody;
}

executor_scope::executor_scope(executor_ref e) noexcept : previous_(current) {
  current = e.operator->();
}

executor_scope::~executor_scope() {
  current = previous_;
}

}  // namespace pinion
