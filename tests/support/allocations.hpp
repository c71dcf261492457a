// SPDX-License-Identifier: MIT
// Counts what the program takes from the heap, and makes the heap fail on request. Include it in
// one source file of a test: it replaces the global operator new.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace pinion::test {

inline std::atomic<std::size_t> allocations{0};
inline std::atomic<std::size_t> blocks_in_use{0};

/// Allocations by any thread since it was made.
class allocation_count {
 public:
  std::size_t get() const { return allocations.load() - before_; }

 private:
  std::size_t before_ = allocations.load();
};

/// What f() takes when it is called again, and pools and queues have grown.
template <class F>
std::size_t allocations_once_warm(F&& f) {
  f();
  const allocation_count count;
  f();
  return count.get();
}

inline std::atomic<bool> memory_is_out{false};

/// While it lives, every allocation of any thread fails.
class no_memory {
 public:
  no_memory() { memory_is_out = true; }
  ~no_memory() { memory_is_out = false; }
  no_memory(const no_memory&) = delete;
  no_memory& operator=(const no_memory&) = delete;
};

inline std::atomic<std::ptrdiff_t> until_failure{-1};  // negative: none is to fail

/// While it lives, the allocation number `which` from now (0 is the next) fails, and no other.
class failing_allocation {
 public:
  explicit failing_allocation(std::ptrdiff_t which) { until_failure = which; }
  ~failing_allocation() { until_failure = -1; }
  failing_allocation(const failing_allocation&) = delete;
  failing_allocation& operator=(const failing_allocation&) = delete;

  bool happened() const { return until_failure.load() < 0; }
};

inline void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (until_failure.load() >= 0 && until_failure.fetch_sub(1) == 0) return nullptr;
  allocations.fetch_add(1, std::memory_order_relaxed);                // relaxed: a counter
  if (memory_is_out.load(std::memory_order_relaxed)) return nullptr;  // relaxed: a switch
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* const p = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (p != nullptr) blocks_in_use.fetch_add(1, std::memory_order_relaxed);  // relaxed: a counter
  return p;
}

inline void release(void* p) noexcept {
  if (p != nullptr) blocks_in_use.fetch_sub(1, std::memory_order_relaxed);  // relaxed: a counter
  std::free(p);
}

inline void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  if (void* const p = allocate(size, alignment)) return p;
  throw std::bad_alloc();
}

}  // namespace pinion::test

// Not inlined: GCC takes one half of an inlined pair for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return pinion::test::allocate_or_throw(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return pinion::test::allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return pinion::test::allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment,
                                     const std::nothrow_t&) noexcept {
  return pinion::test::allocate(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  pinion::test::release(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept {
  pinion::test::release(p);
}
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept {
  pinion::test::release(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  pinion::test::release(p);
}

// The forms for arrays end in the ones above by themselves, but not where a sanitizer has its own.
[[gnu::noinline]] void* operator new[](std::size_t size) {
  return operator new(size);
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t alignment) {
  return operator new(size, alignment);
}
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
[[gnu::noinline]] void* operator new[](std::size_t size, std::align_val_t alignment,
                                       const std::nothrow_t& tag) noexcept {
  return operator new(size, alignment, tag);
}
[[gnu::noinline]] void operator delete[](void* p) noexcept {
  operator delete(p);
}
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept {
  operator delete(p);
}
[[gnu::noinline]] void operator delete[](void* p, std::align_val_t) noexcept {
  operator delete(p);
}
[[gnu::noinline]] void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  operator delete(p);
}
