// SPDX-License-Identifier: MIT
// Node pool: blocks of one size that one thread takes and another gives back, without the heap.
//
//      thread's cache                    depot (shared)                thread's cache
//   [ magazine | magazine ]   <- full - ( stack of full )  <- full -  [ magazine | magazine ]
//        take a block          - empty -> ( stack of empty ) - empty ->      give a block
//
// A magazine is an array of up to 31 block addresses, four lines long. Threads exchange whole
// magazines, so a block that is freed far from where it was made costs a 31st of a shared
// read-modify-write, and its own line is not touched by being free: who takes it next writes it
// without having had to read it. When no full magazine is left the cache carves new blocks from
// a slab of its own. Slabs double in size and are kept until the pool ends, so whatever a late
// reader may still look at stays mapped.
//
// Invariant: a magazine is in one cache or on one stack. A cache holds two, never null.
//
// Algorithm: magazines and depot after Bonwick and Adams, USENIX 2001. The stacks link magazines
// by index and count their pops in the same word, so a recycled magazine is never mistaken for
// the one that was there before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/cpu.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::lockfree {

/// @threads   a node_cache belongs to one thread at a time; caches of one pool run in parallel
/// @progress  take and give are wait-free within two magazines, lock-free at their ends, and
///            take allocates when every block is in use
/// @lifetime  all blocks must be back in a cache or forgotten before the pool is destroyed
class node_pool {
 public:
  static constexpr std::uint32_t magazine_capacity = os::shrinkable(31U, 2U);

  /// `block_size` is a multiple of 64; blocks are aligned to 64.
  explicit node_pool(std::size_t block_size) noexcept : block_size_(block_size) {}
  node_pool(const node_pool&) = delete;
  node_pool& operator=(const node_pool&) = delete;
  ~node_pool();

  std::size_t block_size() const noexcept { return block_size_; }

  /// Bytes taken from the heap so far; never shrinks.
  std::size_t reserved_bytes() const noexcept;

  /// A block back from a thread without a cache.
  /// @threads   any
  /// @cost      two or three shared read-modify-writes
  void give(void* block) noexcept;

 private:
  friend class node_cache;

  struct alignas(64) magazine {
    std::uint32_t count = 0;
    std::uint32_t index = 0;
    // Written by whoever pushes it, read by poppers that may lose: hence atomic.
    os::atomic<std::uint32_t> next{0};
    void* blocks[magazine_capacity];
  };

  /// A stack of magazines: low half is the index of the top one plus one, high half counts pops.
  struct alignas(cache_line_size) stack {
    os::atomic<std::uint64_t> head{0};
  };

  struct slab {
    slab* next;
    std::size_t bytes;
  };

  void push(stack&, magazine*) noexcept;
  magazine* pop(stack&) noexcept;
  magazine* make_magazine();
  magazine* at(std::uint32_t index) const noexcept;
  std::byte* make_slab(std::size_t bytes);

  static constexpr std::size_t chunk_count = 24;
  // Magazines; each chunk doubles.
  static constexpr std::size_t first_chunk = os::shrinkable<std::size_t>(64, 1);

  const std::size_t block_size_;
  stack full_;
  stack empty_;
  os::atomic<slab*> slabs_{nullptr};
  os::atomic<std::uint32_t> made_{0};  // magazines made so far
  std::array<os::atomic<magazine*>, chunk_count> chunks_{};
};

/// One thread's share of a pool.
class node_cache {
 public:
  /// @errors    throws std::bad_alloc
  explicit node_cache(node_pool&);
  node_cache(const node_cache&) = delete;
  node_cache& operator=(const node_cache&) = delete;

  /// Hands everything back to the depot.
  ~node_cache();

  /// A block, uninitialised.
  /// @errors    throws std::bad_alloc; the cache is as before
  void* take() {
    if (current_->count == 0) [[unlikely]]
      refill();
    return take_from_current();
  }

  /// As take(), but null instead of going to the heap.
  void* try_take() noexcept {
    if (current_->count == 0 && !refill_from_depot()) [[unlikely]]
      return nullptr;
    return take_from_current();
  }

  /// Is there one in the magazine in use?
  bool has_at_hand() const noexcept { return current_->count != 0; }
  /// That one, which this thread is likely to have given back.
  /// @pre  has_at_hand()
  void* take_at_hand() noexcept { return current_->blocks[--current_->count]; }

  /// As give(); false when the magazine in use is full.
  bool give_at_hand(void* block) noexcept {
    if (current_->count == node_pool::magazine_capacity) return false;
    current_->blocks[current_->count++] = block;
    return true;
  }

  /// Gives a block back; it may come from any cache of the same pool.
  void give(void* block) noexcept {
    if (current_->count == node_pool::magazine_capacity && !make_room()) [[unlikely]]
      return;
    current_->blocks[current_->count++] = block;
  }

  /// Makes sure that `count` further blocks can be had by try_take() of this pool's caches.
  /// @errors    throws std::bad_alloc
  void reserve(std::size_t count);

 private:
  using magazine = node_pool::magazine;

  static constexpr std::uint32_t prefetch_distance = 12;

  void* take_from_current() noexcept {
    const std::uint32_t left = --current_->count;
    // A block that comes from another core is on its way before it is written.
    if (left >= prefetch_distance) prefetch_for_write(current_->blocks[left - prefetch_distance]);
    return current_->blocks[left];
  }

  void refill();
  bool refill_from_depot() noexcept;
  void prefetch_top() noexcept;
  void carve();
  bool make_room() noexcept;

  node_pool& pool_;
  magazine* current_;
  magazine* other_;
  std::byte* fresh_ = nullptr;  // uncarved part of the cache's newest slab
  std::byte* fresh_end_ = nullptr;
  std::size_t next_slab_;
};

}  // namespace pinion::lockfree
