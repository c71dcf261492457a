// SPDX-License-Identifier: MIT
// The tokens of a pipeline: the right of one item to be in flight, and the memory it lies in.
//
//     [ sequence | stage | fate | next | side 0 | side 1 ]   one after the other, in one piece
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "pinion/patterns/pipeline_stage.hpp"
#include "pinion/platform/cache_line.hpp"

namespace pinion::detail {

struct pipeline_token {
  std::uint64_t sequence = 0;  // from the source
  std::uint32_t stage = 0;     // where it is called, or waits
  item_fate fate = item_fate::kept;
  bool holds = false;  // an item; else it only keeps a place in the order
  pipeline_token* next = nullptr;
};

/// First come, first served.
class token_queue {
 public:
  bool empty() const noexcept { return first_ == nullptr; }
  void push(pipeline_token& t) noexcept {
    t.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &t;
    last_ = &t;
  }
  /// Null: it is empty.
  pipeline_token* pop() noexcept {
    pipeline_token* const t = first_;
    if (t != nullptr) first_ = t->next;
    return t;
  }

 private:
  pipeline_token* first_ = nullptr;
  pipeline_token* last_ = nullptr;
};

class pipeline_tokens {
 public:
  /// Room for the items of these stages.
  /// @errors    throws std::bad_alloc
  pipeline_tokens(const std::vector<std::unique_ptr<pipeline_stage>>& stages, std::size_t count)
      : count_(count) {
    std::size_t size = 1;
    std::size_t alignment = alignof(std::max_align_t);
    for (const auto& s : stages) {
      size = std::max(size, s->out_size);
      alignment = std::max(alignment, s->out_alignment);
    }
    side_ = rounded(size, alignment);
    first_side_ = rounded(sizeof(pipeline_token), alignment);
    alignment_ = std::max(alignment, line_transfer_size);  // no line has two tokens
    stride_ = rounded(first_side_ + 2 * side_, alignment_);
    if (count > std::numeric_limits<std::size_t>::max() / stride_) throw std::bad_alloc();
    memory_ =
        static_cast<std::byte*>(::operator new (count* stride_, std::align_val_t{alignment_}));
    for (std::size_t i = 0; i < count; ++i) ::new (memory_ + i * stride_) pipeline_token;
  }
  pipeline_tokens(const pipeline_tokens&) = delete;
  pipeline_tokens& operator=(const pipeline_tokens&) = delete;
  ~pipeline_tokens() { ::operator delete (memory_, std::align_val_t{alignment_}); }

  std::size_t count() const noexcept { return count_; }
  pipeline_token& operator[](std::size_t i) const noexcept {
    return *std::launder(reinterpret_cast<pipeline_token*>(memory_ + i * stride_));
  }

  /// What the stage makes, and what it is given.
  void* made_by(std::uint32_t stage, pipeline_token& t) const noexcept {
    return reinterpret_cast<std::byte*>(&t) + first_side_ + (stage % 2 != 0 ? side_ : 0);
  }
  void* given_to(std::uint32_t stage, pipeline_token& t) const noexcept {
    return made_by(stage + 1, t);
  }

 private:
  static constexpr std::size_t rounded(std::size_t n, std::size_t to) noexcept {
    return (n + to - 1) / to * to;
  }

  const std::size_t count_;
  std::size_t alignment_ = 0;
  std::size_t side_ = 0;
  std::size_t first_side_ = 0;
  std::size_t stride_ = 0;
  std::byte* memory_ = nullptr;
};

}  // namespace pinion::detail
