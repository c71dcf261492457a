// SPDX-License-Identifier: MIT
// Where one core's writes must not disturb another core's reads.
#pragma once

#include <cstddef>

namespace pinion {

/// Distance that keeps two fields from sharing a line. 128, not 64: x86 fetches lines in
/// pairs, and some AArch64 cores have 128-byte lines.
inline constexpr std::size_t cache_line_size = 128;

/// What one core moves at a time; the size of a task node.
inline constexpr std::size_t line_transfer_size = 64;

/// A T alone on its cache line.
template <class T>
struct alignas(cache_line_size) padded {
  T value;
};

}  // namespace pinion
