// SPDX-License-Identifier: MIT
// The memory of a made child that has ended, for the next child that the same thread makes.
//
//     child ends ── keep ──> spare ── take ──> the next child
//                              └── give_back, where none is made, or one of another size
//
// It is kept from the end of a child to the step that follows it, join::after_end(), and no longer.
// Through the pools it would be the same memory, with five more stores a child, and stores are what
// limits a tree of small children.
#pragma once

#include <cstdint>

#include "pinion/runtime/frame.hpp"

namespace pinion::detail {

/// One a thread. The word is the address of a block of the thread's own pools, which leaves its low
/// bits to the size class plus one; 0: there is none.
class spare_frame {
 public:
  bool is_there() const noexcept { return word_ != 0; }
  bool is_of(std::uint8_t size_class) const noexcept {
    return word_ % block_classes::smallest == size_class + std::uintptr_t{1};
  }

  /// @pre       there is none
  void keep(frame_header* block, std::uint8_t size_class) noexcept {
    word_ = reinterpret_cast<std::uintptr_t>(block) + size_class + 1;
  }
  /// @pre       is_of(size_class)
  frame_header* take(std::uint8_t size_class) noexcept {
    auto* const block = reinterpret_cast<frame_header*>(word_ - size_class - 1);
    word_ = 0;
    return block;
  }
  /// To the pools.
  /// @pre       there is one
  void give_back() noexcept;

 private:
  std::uintptr_t word_ = 0;
};

/// Not for what may be inlined into a coroutine, which would keep its address.
[[gnu::tls_model("initial-exec")]] extern thread_local constinit spare_frame spare;

}  // namespace pinion::detail
