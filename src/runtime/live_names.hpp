// SPDX-License-Identifier: MIT
// Live names: how many coroutines of each name have begun and not ended, for reports. A suspended
// coroutine is nowhere but in the queue of what it waits for, so who waits for the end of a
// scheduler could not tell whose it is.
//
// A table that only grows: a name that has a place keeps it, and one that finds none is counted
// with those that have no name. Names are told apart by address: they are literals, mostly.
//
// Progress: all of it is wait-free. Tasks without a name do not come here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pinion/platform/os.hpp"

namespace pinion::detail {

class live_names {
 public:
  static constexpr std::size_t capacity = os::shrinkable(64, 2);

  void begin(const char* name) noexcept {
    // relaxed: for reports, which may be a moment late.
    if (place* p = place_of(name)) p->count.fetch_add(1, std::memory_order_relaxed);
  }
  void end(const char* name) noexcept {
    // relaxed: as in begin().
    if (place* p = place_of(name)) p->count.fetch_sub(1, std::memory_order_relaxed);
  }

  template <class F>
  void for_each(F f) const {
    for (const place& p : places_) {
      // relaxed, both: as in begin().
      const char* const name = p.name.load(std::memory_order_relaxed);
      const std::int64_t count = p.count.load(std::memory_order_relaxed);
      if (name != nullptr && count > 0) f(name, static_cast<std::uint64_t>(count));
    }
  }

 private:
  struct place {
    os::atomic<const char*> name{nullptr};
    os::atomic<std::int64_t> count{0};
  };

  place* place_of(const char* name) noexcept {
    const std::size_t first = reinterpret_cast<std::uintptr_t>(name) / sizeof(void*);
    for (std::size_t i = 0; i < capacity; ++i) {
      place& p = places_[(first + i) % capacity];
      // relaxed: the pointer is all there is to see.
      const char* seen = p.name.load(std::memory_order_relaxed);
      if (seen == nullptr) {
        // relaxed, both: as above.
        p.name.compare_exchange_strong(seen, name, std::memory_order_relaxed,
                                       std::memory_order_relaxed);
        if (seen == nullptr) return &p;
      }
      if (seen == name) return &p;
    }
    return nullptr;
  }

  std::array<place, capacity> places_;
};

}  // namespace pinion::detail
