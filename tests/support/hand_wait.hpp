// SPDX-License-Identifier: MIT
// A wait in steps, by hand and on one thread: it stands in line when it is made, and says whether
// it is over. So a test has any number of waiters in an order of its choice, and no threads.
#pragma once

#include <utility>

#include "pinion/sync/context.hpp"
#include "pinion/sync/operation.hpp"

namespace pinion::test {

template <class Op>
class hand_wait {
 public:
  using value_type = typename Op::value_type;

  explicit hand_wait(Op op) : op_(std::move(op)), who_(thread_) {
    if (op_.own_context().ended()) {
      stage_ = stage::refused;
      return;
    }
    lock_set locks;
    locks.lock(op_);
    const bool waits = !op_.try_complete();
    if (waits) op_.enlist(who_);
    locks.unlock(op_);
    who_.finish_left_over();
    stage_ = waits ? stage::waits : stage::completed;
    if (waits && !op_.enlist_contexts(who_)) stage_ = stage::ended;
  }
  hand_wait(const hand_wait&) = delete;
  hand_wait& operator=(const hand_wait&) = delete;
  ~hand_wait() {
    if (stage_ != stage::taken) static_cast<void>(get());
  }

  bool over() const noexcept { return stage_ != stage::waits || who_.woken(); }

  /// The outcome. A wait that is not over leaves its line, with not_ready.
  result<value_type> get() {
    const stage was = std::exchange(stage_, stage::taken);
    if (was == stage::refused) return op_.own_context().reason();
    if (was == stage::completed) return op_.take();
    op_.withdraw_contexts();
    lock_set locks;
    locks.lock(op_);
    op_.withdraw();
    locks.unlock(op_);
    who_.finish_left_over();
    if (who_.winner() == nullptr) return errc::not_ready;
    if (who_.winner() == &op_.own_context()) return op_.own_context().reason();
    return op_.take();
  }

 private:
  enum class stage { refused, completed, waits, ended, taken };

  Op op_;
  parker thread_;
  waiter who_;
  stage stage_ = stage::waits;
};

}  // namespace pinion::test
