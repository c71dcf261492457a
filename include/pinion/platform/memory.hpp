// SPDX-License-Identifier: MIT
// Hints about memory to the operating system.
#pragma once

#include <cstddef>

namespace pinion {

/// Asks for huge pages where [start, start + bytes) covers any. A hint: it cannot fail.
/// @cost      one system call
void advise_huge_pages(void* start, std::size_t bytes) noexcept;

}  // namespace pinion
