// SPDX-License-Identifier: MIT
#include "pinion/runtime/frame.hpp"

#include <utility>

#include "pinion/runtime/join.hpp"
#include "pinion/runtime/task_node.hpp"
#include "src/runtime/current.hpp"
#include "src/runtime/seat.hpp"
#include "src/runtime/spare_frame.hpp"
#include "src/runtime/task_memory.hpp"
#include "src/sync/left_step.hpp"

namespace pinion::detail {
namespace {

void* frame_in(void* block, const task_memory* from) noexcept {
  return ::new (block) frame_header{reinterpret_cast<frame_origin>(from), nullptr} + 1;
}

// From wherever there is one. Apart, so that the usual way has nothing to save.
[[gnu::noinline, gnu::cold]] void* take_elsewhere(std::size_t bytes, std::uint8_t size_class) {
  if (size_class != block_classes::heap) {
    if (seat* mine = current.place) {
      void* const block = mine->take_block(size_class);
      lane::count(mine->results);
      return frame_in(block, current.memory);
    }
    task_memory* from = nullptr;
    if (void* block = task_memory::take_lasting(size_class, from)) return frame_in(block, from);
  }
  return frame_in(::operator new(sizeof(frame_header) + bytes), nullptr);
}

[[gnu::noinline, gnu::cold]] void give_elsewhere(void* frame, std::uint8_t size_class,
                                                 std::size_t bytes) noexcept {
  frame_header* const block = &frame_header::of(frame);
  const frame_origin origin = block->origin;
  if (origin == 0) {
    ::operator delete(block);
  } else if ((origin & 1) != 0) {
    const left_step after = std::exchange(left, {});  // the user's code may run a coroutine
    reinterpret_cast<const foreign_frame*>(origin - 1)->give(frame, bytes);
    left = after;
  } else {
    auto* const from = reinterpret_cast<task_memory*>(origin);
    seat* const mine = current.place;
    if (mine == nullptr || current.memory != from) return from->give_back(block, size_class);
    mine->give_pooled(block, size_class);
    lane::count(mine->results, ~std::uint64_t{0});
  }
}

}  // namespace

[[gnu::tls_model("initial-exec")]] thread_local constinit spare_frame spare;

void spare_frame::give_back() noexcept {
  const auto size_class = static_cast<std::uint8_t>(word_ % block_classes::smallest - 1);
  give_elsewhere(take(size_class) + 1, size_class, 0);
}

// Never inlined, both: a coroutine that goes on in another thread must not keep the address of what
// belongs to this one.
template <std::uint8_t SizeClass>
[[gnu::noinline]] void* frames<SizeClass>::take(std::size_t bytes) {
  if constexpr (SizeClass != block_classes::heap) {
    if (spare.is_of(SizeClass)) {
      frame_header* const block = spare.take(SizeClass);
      block->joined = nullptr;
      return block + 1;
    }
    seat* const mine = current.place;
    if (mine != nullptr && mine->has_at_hand(SizeClass)) {
      void* const block = mine->take_at_hand(SizeClass);
      lane::count(mine->results);
      return frame_in(block, current.memory);
    }
  }
  return take_elsewhere(bytes, SizeClass);
}

template <std::uint8_t SizeClass>
[[gnu::noinline]] void frames<SizeClass>::give(void* frame, std::size_t bytes) noexcept {
  frame_header* const block = &frame_header::of(frame);
  if (block->joined != nullptr) {
    left.act = &join::go_on;
    left.with = block->joined;
  }
  if constexpr (SizeClass != block_classes::heap) {
    seat* const mine = current.place;
    const bool is_own = block->origin == reinterpret_cast<frame_origin>(current.memory);
    if (mine != nullptr && is_own) {
      if (block->joined != nullptr && !spare.is_there()) return spare.keep(block, SizeClass);
      if (mine->give_at_hand(block, SizeClass)) {
        return lane::count(mine->results, ~std::uint64_t{0});
      }
    }
  }
  give_elsewhere(frame, SizeClass, bytes);
}

template struct frames<0>;
template struct frames<1>;
template struct frames<2>;
template struct frames<3>;
template struct frames<4>;
template struct frames<block_classes::heap>;

}  // namespace pinion::detail
