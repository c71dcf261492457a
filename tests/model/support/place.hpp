// SPDX-License-Identifier: MIT
// A place in the source: where an operation of the code under test was written.
#pragma once

namespace pinion::model {

/// As a default argument, `place::here()` is the caller's place.
struct place {
  const char* file = "";
  const char* function = "";
  unsigned line = 0;

  static constexpr place here(const char* file = __builtin_FILE(),
                              const char* function = __builtin_FUNCTION(),
                              unsigned line = __builtin_LINE()) noexcept {
    return {file, function, line};
  }
};

}  // namespace pinion::model
