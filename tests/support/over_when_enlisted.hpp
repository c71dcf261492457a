// SPDX-License-Identifier: MIT
// An operation that is never ready and over as soon as it waits: with it as a case, one thread
// goes the whole way of a wait without sleeping.
#pragma once

#include "pinion/sync/operation.hpp"

namespace pinion::test {

class over_when_enlisted : public operation_base<over_when_enlisted, void> {
 public:
  void collect(lock_set&) noexcept {}
  bool try_complete() noexcept { return false; }
  void enlist(waiter& who) noexcept {
    if (who.try_claim(link_)) who.wake();
  }
  void withdraw() noexcept {}
  bool owns(const wait_link& link) const noexcept { return &link == &link_; }
  result<> take() noexcept { return {}; }

 private:
  wait_link link_;
};

}  // namespace pinion::test
