// SPDX-License-Identifier: MIT
// Data races on plain memory: two accesses, one of them a write, of which none happens before the
// other.
//
// What is known is kept by address, not in the object: so it also finds that an object is made
// where another thread may still use the one that was there before.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "tests/model/support/clock.hpp"

namespace pinion::model {

class races {
 public:
  void clear() { seen_.clear(); }
  /// What is allocated has no past.
  void forget(const void* start, std::size_t bytes);

  /// What this access races with, or null.
  const char* access(const void* address, bool writes, thread_index who, const vector_clock& now);

 private:
  struct past {
    vector_clock reads;
    thread_index writer = nobody;
    std::uint32_t written_at = 0;
  };
  std::unordered_map<const void*, past> seen_;
};

}  // namespace pinion::model
