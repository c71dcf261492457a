// SPDX-License-Identifier: MIT
#include "tests/model/support/races.hpp"

#include <functional>

namespace pinion::model {

void races::forget(const void* start, std::size_t bytes) {
  const void* const end = static_cast<const char*>(start) + bytes;
  std::erase_if(seen_, [&](const auto& entry) {
    return !std::less<>{}(entry.first, start) && std::less<>{}(entry.first, end);
  });
}

const char* races::access(const void* address, bool writes, thread_index who,
                          const vector_clock& now) {
  past& p = seen_[address];
  if (p.writer != nobody && p.writer != who && !now.has_seen(p.writer, p.written_at))
    return writes ? "data race: two writes" : "data race: a read, and a write before it";
  if (!writes) {
    p.reads.at[who] = now.at[who];
    return nullptr;
  }
  for (thread_index t = 0; t < max_threads; ++t)
    if (t != who && !now.has_seen(t, p.reads.at[t]))
      return "data race: a write, and a read before it";
  p.writer = who;
  p.written_at = now.at[who];
  return nullptr;
}

}  // namespace pinion::model
