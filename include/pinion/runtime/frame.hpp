// SPDX-License-Identifier: MIT
// Frames: where the memory of coroutines comes from, and how it finds its way back.
//
//     [ frame, as large as the compiler says | origin ]
//
// A thread of a scheduler, or one that has handed work to one, takes a frame from its pools: in
// steady state that is no allocation. The word behind the frame says which pools they were, since a
// frame may end in another thread, and even after its scheduler. Any other thread takes the heap. A
// coroutine whose parameters begin with std::allocator_arg and an allocator takes that one's
// memory:
//
//     task<int> count(std::allocator_arg_t, arena_allocator<> from, const page& p);
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace pinion::detail {

/// @errors    throws std::bad_alloc
/// @cost      no allocation in steady state for frames of up to 1016 bytes, in a thread with pools
void* take_frame(std::size_t bytes);
void give_frame(void* frame, std::size_t bytes) noexcept;

/// What the origin word says: 0 is the heap, an address with the lowest bit set is a function that
/// gives the frame back, any other is the memory of a scheduler.
using frame_origin = std::uintptr_t;
using frame_giver = void (*)(void* frame, std::size_t bytes) noexcept;
struct alignas(16) foreign_frame {
  frame_giver give;
};

inline std::size_t origin_offset(std::size_t bytes) noexcept {
  return (bytes + sizeof(frame_origin) - 1) / sizeof(frame_origin) * sizeof(frame_origin);
}
inline frame_origin& origin_of(void* frame, std::size_t bytes) noexcept {
  return *reinterpret_cast<frame_origin*>(static_cast<std::byte*>(frame) + origin_offset(bytes));
}

/// A frame in a user's memory; the allocator is kept behind the origin.
template <class Allocator>
struct allocated_frame {
  struct alignas(__STDCPP_DEFAULT_NEW_ALIGNMENT__) unit {
    std::byte bytes[__STDCPP_DEFAULT_NEW_ALIGNMENT__];
  };
  using allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<unit>;
  using traits = std::allocator_traits<allocator>;

  static std::size_t allocator_offset(std::size_t bytes) noexcept {
    const std::size_t end = origin_offset(bytes) + sizeof(frame_origin);
    return (end + alignof(allocator) - 1) / alignof(allocator) * alignof(allocator);
  }
  static std::size_t units(std::size_t bytes) noexcept {
    return (allocator_offset(bytes) + sizeof(allocator) + sizeof(unit) - 1) / sizeof(unit);
  }
  static allocator& kept(void* frame, std::size_t bytes) noexcept {
    return *reinterpret_cast<allocator*>(static_cast<std::byte*>(frame) + allocator_offset(bytes));
  }

  static void* take(std::size_t bytes, const Allocator& user) {
    static_assert(alignof(allocator) <= sizeof(unit), "the allocator is aligned to the heap's");
    allocator from(user);
    void* frame = std::to_address(traits::allocate(from, units(bytes)));
    origin_of(frame, bytes) = reinterpret_cast<frame_origin>(&how) | 1;
    std::construct_at(&kept(frame, bytes), std::move(from));
    return frame;
  }
  static void give(void* frame, std::size_t bytes) noexcept {
    allocator from(std::move(kept(frame, bytes)));
    std::destroy_at(&kept(frame, bytes));
    traits::deallocate(from, static_cast<unit*>(frame), units(bytes));
  }

  static constexpr foreign_frame how{&allocated_frame::give};
};

/// A base of promises: the coroutine's frame comes from here.
struct pooled_frame {
  static void* operator new(std::size_t bytes) { return take_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { give_frame(frame, bytes); }

  template <class Allocator, class... Args>
  static void* operator new(std::size_t bytes, std::allocator_arg_t, const Allocator& from,
                            const Args&...) {
    return allocated_frame<Allocator>::take(bytes, from);
  }
  // Of a member function, or of a callable: the object comes first.
  template <class Object, class Allocator, class... Args>
  static void* operator new(std::size_t bytes, const Object&, std::allocator_arg_t,
                            const Allocator& from, const Args&...) {
    return allocated_frame<Allocator>::take(bytes, from);
  }
};

}  // namespace pinion::detail
