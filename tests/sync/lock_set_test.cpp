// SPDX-License-Identifier: MIT
// The locks of a wait: each once, in one order, whatever their number.
#include "pinion/sync/lock_set.hpp"

#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using pinion::lock_set;
using pinion::wait_list;

// Collects lists in the order given, some of them twice.
struct many {
  std::vector<wait_list*> lists;
  void collect(lock_set& locks) noexcept {
    for (auto* list : lists) locks.add(*list);
  }
};

TEST(lock_set, locks_are_taken_once_each_whatever_their_number) {
  for (const std::size_t n : {1u, 2u, 7u, 8u, 9u, 16u, 17u, 100u}) {
    const auto all = std::make_unique<wait_list[]>(n);
    many op;
    for (std::size_t i = 0; i < 2 * n; ++i) op.lists.push_back(&all[i * 7919 % n]);
    lock_set locks;
    locks.lock(op);
    for (std::size_t i = 0; i < n; ++i) EXPECT_FALSE(all[i].try_lock());
    locks.unlock(op);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_TRUE(all[i].try_lock());
      all[i].unlock();
    }
  }
}

TEST(lock_set, locks_are_taken_in_one_order_by_all) {
  const auto all = std::make_unique<wait_list[]>(20);
  many up, down;
  for (std::size_t i = 0; i < 20; ++i) {
    up.lists.push_back(&all[i]);
    down.lists.push_back(&all[19 - i]);
  }
  auto lock_often = [](many& op) {
    for (int i = 0; i < 20000; ++i) {
      lock_set locks;
      locks.lock(op);
      locks.unlock(op);
    }
  };
  std::thread other([&] { lock_often(down); });
  lock_often(up);
  other.join();
}

}  // namespace
