// SPDX-License-Identifier: MIT
// Vector clocks: what a thread knows of the others' progress, and so what happens before what.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace pinion::model {

inline constexpr std::size_t max_threads = 8;  // of one execution, the body's own among them

using thread_index = std::size_t;
inline constexpr thread_index nobody = ~std::size_t{0};

struct vector_clock {
  std::array<std::uint32_t, max_threads> at{};

  void join(const vector_clock& other) noexcept {
    for (std::size_t i = 0; i < max_threads; ++i) at[i] = std::max(at[i], other.at[i]);
  }
  /// Has the moment `tick` of `thread` happened before whoever has this clock?
  bool has_seen(thread_index thread, std::uint32_t tick) const noexcept {
    return at[thread] >= tick;
  }
};

}  // namespace pinion::model
