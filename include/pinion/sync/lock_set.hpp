// SPDX-License-Identifier: MIT
// The locks of one wait: of its object, or of all objects of a select. Whoever needs several takes
// them in the order of their addresses, so no two wait for each other.
#pragma once

#include <cstddef>

#include "pinion/sync/waiter.hpp"

namespace pinion {

/// The locks a wait needs, taken in address order, each once. Any number of them without an
/// allocation: it remembers the lowest few and asks again for those above.
class lock_set {
 public:
  lock_set() noexcept {}

  void add(wait_list& list) noexcept {
    if (count_ == 0 && above_ == nullptr) {
      lists_[count_++] = &list;  // most have only this one
    } else {
      insert(list);
    }
  }

  template <class Op>
  void lock(Op& op) noexcept {
    for_each(op, [](wait_list& list) { list.lock(); });
  }
  template <class Op>
  void unlock(Op& op) noexcept {
    if (above_ != nullptr) return for_each(op, [](wait_list& list) { list.unlock(); });
    for (std::size_t i = 0; i < count_; ++i) lists_[i]->unlock();  // they are all still here
  }

 private:
  static constexpr std::size_t capacity = 16;

  template <class Op, class F>
  void for_each(Op& op, F act) noexcept {
    above_ = nullptr;
    do {
      count_ = 0;
      overflowed_ = false;
      op.collect(*this);
      for (std::size_t i = 0; i < count_; ++i) act(*lists_[i]);
      if (overflowed_) above_ = lists_[count_ - 1];
    } while (overflowed_);
  }
  void insert(wait_list&) noexcept;

  std::size_t count_ = 0;
  bool overflowed_ = false;     // there are more, above the highest of these
  wait_list* above_ = nullptr;  // those up to this one have had their turn
  wait_list* lists_[capacity];  // sorted
};

}  // namespace pinion
