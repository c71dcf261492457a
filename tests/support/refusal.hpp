// SPDX-License-Identifier: MIT
// What somebody is told whose argument is refused.
#pragma once

#include <stdexcept>
#include <string>

namespace pinion::test {

/// The message of the std::invalid_argument that `f` throws, or "accepted".
template <class F>
std::string refusal_of(F&& f) {
  try {
    f();
    return "accepted";
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
}

}  // namespace pinion::test
