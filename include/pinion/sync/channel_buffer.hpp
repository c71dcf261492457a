// SPDX-License-Identifier: MIT
// The values a channel keeps: a ring of exactly as many places as were asked for.
#pragma once

#include <cassert>
#include <cstddef>
#include <memory>
#include <utility>

namespace pinion::detail {

/// @threads   one at a time
template <class E>
class channel_buffer {
 public:
  /// @errors    throws std::bad_alloc, std::bad_array_new_length
  explicit channel_buffer(std::size_t capacity)
      : capacity_(capacity), cells_(std::allocator<E>().allocate(capacity)) {}
  channel_buffer(const channel_buffer&) = delete;
  channel_buffer& operator=(const channel_buffer&) = delete;
  ~channel_buffer() {
    assert(size_ == 0);
    std::allocator<E>().deallocate(cells_, capacity_);
  }

  std::size_t capacity() const noexcept { return capacity_; }
  std::size_t size() const noexcept { return size_; }

  void push(E&& value) noexcept {
    std::construct_at(cells_ + tail_, std::move(value));
    tail_ = after(tail_);
    ++size_;
  }

  /// Calls into(E&&) with the oldest value.
  template <class Into>
  void pop(Into&& into) noexcept {
    E& oldest = cells_[head_];
    into(std::move(oldest));
    std::destroy_at(&oldest);
    head_ = after(head_);
    --size_;
  }

 private:
  std::size_t after(std::size_t i) const noexcept { return i + 1 == capacity_ ? 0 : i + 1; }

  const std::size_t capacity_;
  E* const cells_;
  std::size_t head_ = 0, tail_ = 0, size_ = 0;
};

}  // namespace pinion::detail
