// SPDX-License-Identifier: MIT
#include "pinion/platform/memory.hpp"

#include <cstdint>

#include <sys/mman.h>

namespace pinion {

void advise_huge_pages(void* start, std::size_t bytes) noexcept {
  constexpr std::uintptr_t huge = std::uintptr_t{2} << 20;
  const auto from = (reinterpret_cast<std::uintptr_t>(start) + huge - 1) & ~(huge - 1);
  const auto to = (reinterpret_cast<std::uintptr_t>(start) + bytes) & ~(huge - 1);
  if (from < to) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
}

}  // namespace pinion
