// SPDX-License-Identifier: MIT
#include "pinion/runtime/frame.hpp"

#include "pinion/runtime/task_node.hpp"
#include "src/runtime/current.hpp"
#include "src/runtime/seat.hpp"
#include "src/runtime/task_memory.hpp"

namespace pinion::detail {
namespace {

std::size_t with_origin(std::size_t bytes) noexcept {
  return origin_offset(bytes) + sizeof(frame_origin);
}

void* mark(void* frame, std::size_t bytes, task_memory* from) noexcept {
  origin_of(frame, bytes) = reinterpret_cast<frame_origin>(from);
  return frame;
}

}  // namespace

// Never inlined, both: a coroutine that goes on in another thread must not keep the address of what
// belongs to this one.
[[gnu::noinline]] void* take_frame(std::size_t bytes) {
  const std::uint8_t size_class = lane::class_of(with_origin(bytes));
  if (size_class != lane::heap_class) {
    if (seat* mine = current.place) {
      void* frame = mine->take_block(size_class);
      lane::count(mine->results);
      return mark(frame, bytes, current.memory);
    }
    task_memory* from = nullptr;
    if (void* frame = task_memory::take_lasting(size_class, from)) return mark(frame, bytes, from);
  }
  return mark(::operator new(with_origin(bytes)), bytes, nullptr);
}

[[gnu::noinline]] void give_frame(void* frame, std::size_t bytes) noexcept {
  const frame_origin origin = origin_of(frame, bytes);
  if (origin == 0) {
    ::operator delete(frame);
  } else if ((origin & 1) != 0) {
    reinterpret_cast<const foreign_frame*>(origin - 1)->give(frame, bytes);
  } else {
    const std::uint8_t size_class = lane::class_of(with_origin(bytes));
    auto* from = reinterpret_cast<task_memory*>(origin);
    seat* mine = current.place;
    if (mine == nullptr || current.memory != from) return from->give_back(frame, size_class);
    mine->give_pooled(frame, size_class);
    lane::count(mine->results, ~std::uint64_t{0});
  }
}

}  // namespace pinion::detail
