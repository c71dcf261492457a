// SPDX-License-Identifier: MIT
// Static objects that are made at compile time and never destroyed: they serve until the very
// end, while other static objects go.
#pragma once

#include <utility>

namespace pinion {

template <class T>
union lasting {
  template <class... Args>
  constexpr explicit lasting(Args&&... args) noexcept : it(std::forward<Args>(args)...) {}
  ~lasting() {}

  T it;
};

}  // namespace pinion
