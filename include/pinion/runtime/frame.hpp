// SPDX-License-Identifier: MIT
// Frames: where the memory of coroutines comes from, and how it finds its way back.
//
//     [ origin, join | frame, as large as the compiler says ]
//
// A thread of a scheduler, or one that has handed work to one, takes a frame from its pools: in
// steady state that is no allocation. The word before the frame says which pools they were, since a
// frame may end in another thread, and even after its scheduler. Any other thread takes the heap. A
// coroutine whose parameters begin with std::allocator_arg and an allocator takes that one's
// memory:
//
//     task<int> count(std::allocator_arg_t, arena_allocator<> from, const page& p);
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace pinion::detail {

class join;

/// The sizes of pooled blocks: each class is twice the last. What is larger comes from the heap.
struct block_classes {
  static constexpr std::size_t count = 5;
  static constexpr std::size_t smallest = 64;
  static constexpr std::uint8_t heap = count;

  static constexpr std::uint8_t of(std::size_t bytes) noexcept {
    const auto c = static_cast<std::size_t>(std::bit_width((bytes - 1) / smallest));
    return static_cast<std::uint8_t>(c < count ? c : count);
  }
};

/// Where a frame is from: 0 is the heap, an address with the lowest bit set is a function that
/// gives the frame back, any other is the memory of a scheduler.
using frame_origin = std::uintptr_t;
struct alignas(16) foreign_frame {
  void (*give)(void* frame, std::size_t bytes) noexcept;
};

/// Lies before the frame.
struct alignas(__STDCPP_DEFAULT_NEW_ALIGNMENT__) frame_header {
  frame_origin origin;
  join* joined;  // null, or who is told when the frame is gone

  static frame_header& of(void* frame) noexcept { return *(static_cast<frame_header*>(frame) - 1); }
};

/// Frames of that class, which the compiler knows wherever it takes or gives one.
/// @errors    take() throws std::bad_alloc
/// @cost      no allocation in steady state for frames of up to 1008 bytes, in a thread with pools
template <std::uint8_t SizeClass>
struct frames {
  static void* take(std::size_t bytes);
  static void give(void* frame, std::size_t bytes) noexcept;
};
extern template struct frames<0>;
extern template struct frames<1>;
extern template struct frames<2>;
extern template struct frames<3>;
extern template struct frames<4>;
extern template struct frames<block_classes::heap>;

/// Calls f with what has take() and give() for frames of that size.
template <class F>
decltype(auto) with_frames_of(std::size_t bytes, F f) {
  switch (block_classes::of(bytes + sizeof(frame_header))) {
    case 0:
      return f(frames<0>());
    case 1:
      return f(frames<1>());
    case 2:
      return f(frames<2>());
    case 3:
      return f(frames<3>());
    case 4:
      return f(frames<4>());
    default:
      return f(frames<block_classes::heap>());
  }
}

/// A frame in a user's memory; the allocator is kept before the header.
template <class Allocator>
struct allocated_frame {
  struct alignas(__STDCPP_DEFAULT_NEW_ALIGNMENT__) unit {
    std::byte bytes[__STDCPP_DEFAULT_NEW_ALIGNMENT__];
  };
  using allocator = typename std::allocator_traits<Allocator>::template rebind_alloc<unit>;
  using traits = std::allocator_traits<allocator>;
  static_assert(alignof(allocator) <= sizeof(unit), "the allocator is aligned to the heap's");

  static constexpr std::size_t units_of(std::size_t bytes) noexcept {
    return (bytes + sizeof(unit) - 1) / sizeof(unit);
  }
  static constexpr std::size_t before =
      units_of(sizeof(allocator)) + units_of(sizeof(frame_header));

  static void* take(std::size_t bytes, const Allocator& user) {
    allocator from(user);
    unit* const first = std::to_address(traits::allocate(from, before + units_of(bytes)));
    ::new (first) allocator(std::move(from));
    void* const frame = first + before;
    ::new (&frame_header::of(frame))
        frame_header{reinterpret_cast<frame_origin>(&how) | 1, nullptr};
    return frame;
  }
  static void give(void* frame, std::size_t bytes) noexcept {
    unit* const first = static_cast<unit*>(frame) - before;
    auto& kept = *std::launder(reinterpret_cast<allocator*>(first));
    allocator from(std::move(kept));
    std::destroy_at(&kept);
    traits::deallocate(from, first, before + units_of(bytes));
  }

  static constexpr foreign_frame how{&allocated_frame::give};
};

/// A base of promises: the coroutine's frame comes from here.
struct pooled_frame {
  static void* operator new(std::size_t bytes) {
    return with_frames_of(bytes, [&](auto from) { return from.take(bytes); });
  }
  static void operator delete(void* frame, std::size_t bytes) noexcept {
    with_frames_of(bytes, [&](auto to) { to.give(frame, bytes); });
  }

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
