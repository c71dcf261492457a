// SPDX-License-Identifier: MIT
#include "pinion/lockfree/node_pool.hpp"

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "pinion/platform/memory.hpp"

namespace pinion::lockfree {

namespace {

constexpr std::size_t slab_bytes_first = os::shrinkable<std::size_t>(64 << 10, 256);
// One huge page.
constexpr std::size_t slab_bytes_max = os::shrinkable<std::size_t>(2 << 20, 512);

constexpr std::uint64_t index_mask = 0xffff'ffff;
constexpr std::uint64_t one_pop = std::uint64_t{1} << 32;

}  // namespace

node_pool::~node_pool() {
  // relaxed: nobody else may use a pool that is being destroyed.
  for (slab* s = slabs_.load(std::memory_order_relaxed); s != nullptr;) {
    slab* next = s->next;
    ::operator delete (s, std::align_val_t{s->bytes});
    s = next;
  }
  for (auto& chunk : chunks_) {
    delete[] chunk.load(std::memory_order_relaxed);  // relaxed: as above
  }
}

std::size_t node_pool::reserved_bytes() const noexcept {
  std::size_t sum = 0;
  // acquire: sees the slab header; pairs with the release in make_slab.
  for (slab* s = slabs_.load(std::memory_order_acquire); s != nullptr; s = s->next) {
    sum += s->bytes;
  }
  return sum;
}

auto node_pool::at(std::uint32_t index) const noexcept -> magazine* {
  const auto chunk = static_cast<std::size_t>(std::bit_width(index / first_chunk + 1)) - 1;
  const std::size_t offset = index - ((std::size_t{1} << chunk) - 1) * first_chunk;
  // acquire: sees the constructed chunk; pairs with the release in make_magazine.
  return chunks_[chunk].load(std::memory_order_acquire) + offset;
}

void node_pool::push(stack& to, magazine* m) noexcept {
  std::uint64_t head = to.head.load(std::memory_order_relaxed);  // relaxed: the CAS below decides
  do {
    // relaxed: published by the CAS below, or overwritten by the next round.
    m->next.store(static_cast<std::uint32_t>(head & index_mask), std::memory_order_relaxed);
    // release: publishes the magazine's blocks; pairs with the acquire in pop.
    // relaxed on failure: the value read is only the next attempt's guess.
  } while (!to.head.compare_exchange_weak(head, (head & ~index_mask) | (m->index + 1),
                                          std::memory_order_release, std::memory_order_relaxed));
}

auto node_pool::pop(stack& from) noexcept -> magazine* {
  // acquire: sees the top magazine's `next`; pairs with the release in push.
  std::uint64_t head = from.head.load(std::memory_order_acquire);
  while ((head & index_mask) != 0) {
    magazine* top = at(static_cast<std::uint32_t>(head & index_mask) - 1);
    // relaxed: read under the head acquired above; a stale value loses the CAS by the pop count.
    const std::uint32_t next = top->next.load(std::memory_order_relaxed);
    // acquire: sees the blocks in the magazine; pairs with the release in push. On failure too,
    // because the new head is followed in the next round.
    if (from.head.compare_exchange_weak(head, ((head & ~index_mask) + one_pop) | next,
                                        std::memory_order_acquire, std::memory_order_acquire)) {
      return top;
    }
  }
  return nullptr;
}

auto node_pool::make_magazine() -> magazine* {
  const std::uint32_t index = made_.load(std::memory_order_relaxed);  // relaxed: a first guess
  const auto chunk = static_cast<std::size_t>(std::bit_width(index / first_chunk + 1)) - 1;
  // acquire: if the chunk is there, its magazines are constructed; pairs with the release below.
  if (chunks_[chunk].load(std::memory_order_acquire) == nullptr) {
    const std::size_t size = first_chunk << chunk;
    auto* fresh = new magazine[size];
    const std::size_t start = ((std::size_t{1} << chunk) - 1) * first_chunk;
    for (std::size_t i = 0; i < size; ++i) fresh[i].index = static_cast<std::uint32_t>(start + i);
    magazine* none = nullptr;
    // release: publishes the constructed chunk; pairs with the acquires in at() and above.
    // relaxed on failure: the winner's chunk is acquired where it is used.
    if (!chunks_[chunk].compare_exchange_strong(none, fresh, std::memory_order_release,
                                                std::memory_order_relaxed)) {
      delete[] fresh;
    }
  }
  // relaxed: only hands out a number; the guess above may have been overtaken by one chunk, and
  // then the number is of the next chunk, which the next call makes.
  std::uint32_t mine = index;
  while (!made_.compare_exchange_weak(mine, mine + 1, std::memory_order_relaxed)) {
    if (mine != index) return make_magazine();  // overtaken: start over with the right chunk
  }
  return at(mine);
}

std::byte* node_pool::make_slab(std::size_t bytes) {
  void* memory = ::operator new (bytes, std::align_val_t{bytes});  // whole huge pages, if any
  advise_huge_pages(memory, bytes);
  auto* s = ::new (memory) slab{nullptr, bytes};
  s->next = slabs_.load(std::memory_order_relaxed);  // relaxed: the CAS below decides
  // release: publishes the slab header; pairs with the acquire in reserved_bytes.
  while (!slabs_.compare_exchange_weak(s->next, s, std::memory_order_release,
                                       std::memory_order_relaxed)) {
  }
  return static_cast<std::byte*>(memory);
}

// Into the magazine on top, which is the one that the last such block went into, or into an empty
// one. Without memory for that the block is forgotten, as in node_cache::give.
void node_pool::give(void* block) noexcept {
  magazine* m = pop(full_);
  if (m != nullptr && m->count == magazine_capacity) push(full_, std::exchange(m, nullptr));
  if (m == nullptr) m = pop(empty_);
  if (m == nullptr) {
    try {
      m = make_magazine();
    } catch (const std::bad_alloc&) {
      return;
    }
  }
  m->blocks[m->count++] = block;
  push(full_, m);
}

node_cache::node_cache(node_pool& pool)
    : pool_(pool), current_(nullptr), other_(nullptr), next_slab_(slab_bytes_first) {
  current_ = pool_.pop(pool_.empty_);
  if (current_ == nullptr) current_ = pool_.make_magazine();
  other_ = pool_.pop(pool_.empty_);
  if (other_ == nullptr) {
    try {
      other_ = pool_.make_magazine();
    } catch (...) {
      pool_.push(pool_.empty_, current_);
      throw;
    }
  }
}

node_cache::~node_cache() {
  while (fresh_end_ - fresh_ >= static_cast<std::ptrdiff_t>(pool_.block_size_)) {
    give(fresh_);
    fresh_ += pool_.block_size_;
  }
  for (magazine* m : {current_, other_}) pool_.push(m->count == 0 ? pool_.empty_ : pool_.full_, m);
}

bool node_cache::refill_from_depot() noexcept {
  if (other_->count != 0) {
    std::swap(current_, other_);
    prefetch_top();
    return true;
  }
  magazine* full = pool_.pop(pool_.full_);
  if (full == nullptr) return false;
  pool_.push(pool_.empty_, current_);
  current_ = full;
  prefetch_top();
  return true;
}

void node_cache::prefetch_top() noexcept {
  const std::uint32_t count = current_->count;
  const std::uint32_t below = count > prefetch_distance ? count - prefetch_distance : 0;
  for (std::uint32_t i = count; i > below; --i) prefetch_for_write(current_->blocks[i - 1]);
}

void node_cache::refill() {
  if (!refill_from_depot()) carve();
}

// Fills the current magazine from the slab, lowest address on top, so that blocks are first
// touched in the order in which the prefetcher expects them.
void node_cache::carve() {
  const std::size_t size = pool_.block_size_;
  if (static_cast<std::size_t>(fresh_end_ - fresh_) < size) {
    const std::size_t bytes = std::max(next_slab_, 4 * size);  // its header, and some blocks
    std::byte* memory = pool_.make_slab(bytes);
    fresh_ = memory + std::max<std::size_t>(size, cache_line_size);
    fresh_end_ = memory + bytes;
    next_slab_ = std::min(bytes * 2, slab_bytes_max);
  }
  const auto left = static_cast<std::size_t>(fresh_end_ - fresh_) / size;
  const auto count = std::min<std::size_t>(left, node_pool::magazine_capacity);
  for (std::size_t i = 0; i < count; ++i) {
    current_->blocks[count - 1 - i] = fresh_;
    fresh_ += size;
  }
  current_->count = static_cast<std::uint32_t>(count);
}

// False only when there is no memory for another magazine: then the block is forgotten until the
// pool ends, which is the one thing a noexcept give() can still do.
bool node_cache::make_room() noexcept {
  if (other_->count == node_pool::magazine_capacity) {
    magazine* empty = pool_.pop(pool_.empty_);
    if (empty == nullptr) {
      try {
        empty = pool_.make_magazine();
      } catch (...) {
        return false;
      }
    }
    pool_.push(pool_.full_, other_);
    other_ = empty;
  }
  std::swap(current_, other_);
  return true;
}

void node_cache::reserve(std::size_t count) {
  for (std::size_t done = 0; done < count;) {
    magazine* m = pool_.pop(pool_.empty_);
    if (m == nullptr) m = pool_.make_magazine();
    std::swap(m, current_);
    try {
      carve();
    } catch (...) {
      std::swap(m, current_);
      pool_.push(pool_.empty_, m);
      throw;
    }
    std::swap(m, current_);
    done += m->count;
    pool_.push(pool_.full_, m);
  }
}

}  // namespace pinion::lockfree
