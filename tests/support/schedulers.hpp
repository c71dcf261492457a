// SPDX-License-Identifier: MIT
// Schedulers for tests: so many workers, tied to nothing, and errors that are counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

#include "pinion/runtime/scheduler.hpp"

namespace pinion::test {

inline scheduler_options with_workers(std::size_t n) {
  scheduler_options o;
  o.workers = n;
  o.pin = pinning::none();
  return o;
}

inline std::atomic<int> errors_seen{0};
inline std::string last_error;  // written before the counter is raised
inline void count_errors(const error& e, std::string_view) noexcept {
  static std::mutex several_at_once;
  const std::lock_guard lock(several_at_once);
  last_error = e.what();
  errors_seen.fetch_add(1);
}

inline scheduler_options counting_errors(std::size_t n) {
  scheduler_options o = with_workers(n);
  o.on_unobserved_error = count_errors;
  errors_seen = 0;
  last_error.clear();
  return o;
}

}  // namespace pinion::test
