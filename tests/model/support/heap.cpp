// SPDX-License-Identifier: MIT
#include "tests/model/support/heap.hpp"

#include <cstdlib>
#include <new>

#include "tests/model/support/execution.hpp"

namespace pinion::model {

constinit bool heap::watching_ = false;

auto heap::release(void* block, std::size_t& bytes) -> released {
  const auto found = live_.find(block);
  if (found == live_.end()) return released_.contains(block) ? released::twice : released::not_ours;
  bytes = found->second;
  released_.emplace(block, bytes);
  live_.erase(found);
  return released::ours;
}

std::string heap::leaks() const {
  if (live_.empty()) return {};
  std::size_t bytes = 0;
  for (const auto& [block, size] : live_) bytes += size;
  return std::to_string(live_.size()) + " blocks not given back, " + std::to_string(bytes) +
         " bytes";
}

void heap::clear() {
  for (const auto* blocks : {&live_, &released_})
    for (const auto& [block, size] : *blocks) std::free(block);
  live_.clear();
  released_.clear();
}

namespace {

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
  execution* const e = heap::is_watching() ? execution::current() : nullptr;
  const heap::unwatched scope;
  if (e != nullptr && !e->may_allocate()) return nullptr;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* const block = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (e != nullptr && block != nullptr) e->blocks().add(block, bytes);
  return block;
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
  void* const block = allocate(bytes, alignment);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void release(void* block) noexcept {
  if (block == nullptr) return;
  execution* const e = execution::current();
  if (e == nullptr)
    std::free(block);
  else
    e->release(block);
}

constexpr std::size_t plain = alignof(std::max_align_t);

}  // namespace
}  // namespace pinion::model

// Replaced for the whole program. Arrays and the forms with sizes come here by way of these.
void* operator new(std::size_t bytes) {
  return pinion::model::allocate_or_throw(bytes, pinion::model::plain);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return pinion::model::allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return pinion::model::allocate(bytes, pinion::model::plain);
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return pinion::model::allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept {
  pinion::model::release(block);
}
void operator delete(void* block, std::size_t) noexcept {
  pinion::model::release(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  pinion::model::release(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  pinion::model::release(block);
}
