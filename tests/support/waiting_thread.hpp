// SPDX-License-Identifier: MIT
// Runs an operation on a thread of its own.
#pragma once

#include <optional>
#include <thread>
#include <utility>

#include "pinion/sync/result.hpp"

namespace pinion::test {

template <class Op>
class waiting_thread {
 public:
  explicit waiting_thread(Op op) : op_(std::move(op)), thread_([this] { got_ = op_.wait(); }) {}
  ~waiting_thread() {
    if (thread_.joinable()) thread_.join();
  }
  auto& get() {
    thread_.join();
    return *got_;
  }
  Op& operation() { return op_; }

 private:
  Op op_;
  std::optional<result<typename Op::value_type>> got_;
  std::thread thread_;
};

}  // namespace pinion::test
