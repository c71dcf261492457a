// SPDX-License-Identifier: MIT
// What tests of channels share: waiting for those who wait, and values that are counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "tests/support/waiting.hpp"
#include "tests/support/waiting_thread.hpp"

#include "pinion/sync/channel.hpp"

namespace pinion::test {

template <class T>
void until_senders(const channel<T>& ch, std::size_t n) {
  until([&] { return ch.waiting_to_send() == n; });
}
template <class T>
void until_receivers(const channel<T>& ch, std::size_t n) {
  until([&] { return ch.waiting_to_receive() == n; });
}

/// A number, or what a move has left of one. Counts itself.
class counted {
 public:
  explicit counted(int n) noexcept : value_(n) { ++made_; }
  counted(counted&& other) noexcept : value_(std::exchange(other.value_, moved_from)) { ++made_; }
  counted& operator=(counted&& other) noexcept {
    value_ = std::exchange(other.value_, moved_from);
    return *this;
  }
  ~counted() {
    ++destroyed_;
    if (value_ != moved_from) ++ended_;
  }

  int value() const { return value_; }

  static std::size_t alive() { return made_.load() - destroyed_.load(); }
  static std::size_t ended() { return ended_.load(); }  // values, not what moves have left
  static void reset() { made_ = destroyed_ = ended_ = 0; }

 private:
  static constexpr int moved_from = -1;
  static inline std::atomic<std::size_t> made_{0}, destroyed_{0}, ended_{0};

  int value_;
};

}  // namespace pinion::test
