// SPDX-License-Identifier: MIT
// Items that are handed from thread to thread: each is taken once, and who takes it sees what was
// written before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/model/support/model.hpp"

namespace pinion::model {

class items {
 public:
  static constexpr std::size_t most = 8;

  /// Writes the next item; its word, for a queue.
  std::uintptr_t make() {
    cell<int>& c = cells_[made_++];
    c.write(42);
    return reinterpret_cast<std::uintptr_t>(&c);
  }

  /// Reads the item, and counts it.
  void take(std::uintptr_t word) {
    const std::size_t number = number_of(word);
    require(number < made_, "an item that nobody made");
    require(cells_[number].read() == 42, "an item is not seen as it was written");
    require(taken_[number]++ == 0, "an item is taken twice");
  }
  void take_all(std::span<const std::uintptr_t> words) {
    for (const auto word : words) take(word);
  }

  std::size_t number_of(std::uintptr_t word) const {
    return (word - reinterpret_cast<std::uintptr_t>(cells_.data())) / sizeof(cell<int>);
  }

  void expect_all_taken() const {
    for (std::size_t i = 0; i < made_; ++i) require(taken_[i] != 0, "an item is lost");
  }

 private:
  std::array<cell<int>, most> cells_;
  std::array<int, most> taken_{};
  std::size_t made_ = 0;
};

}  // namespace pinion::model
