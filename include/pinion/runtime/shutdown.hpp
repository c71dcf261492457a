// SPDX-License-Identifier: MIT
// The end of a scheduler, as somebody who waits for it sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pinion/platform/clock.hpp"
#include "pinion/sync/operation.hpp"

namespace pinion {

class scheduler_core;

/// Something that keeps a scheduler from ending.
struct blocker {
  std::string task;    // post_options::name, or "unnamed"; or how many of what: "2 live coroutines"
                       // without a name, "1 live coroutine: fetch" with one
  std::string thread;  // the thread that runs it; empty: none does
};

/// Accepted = ran + not_started, unless somebody still blocks.
struct shutdown_report {
  std::uint64_t ran = 0;
  std::uint64_t not_started = 0;
  std::vector<blocker> blocking;  // empty: all has ended
};

/// The operation that drain() and stop() return. What they do begins when it is waited for.
/// When its context ends first, that is no error: the report then names who still blocks.
class [[nodiscard("nothing ends before this is waited for")]] shutdown_op
    : public operation_base<shutdown_op, shutdown_report> {
 public:
  enum class how : std::uint8_t { drain, stop };
  shutdown_op(scheduler_core & core, how what, const context* ctx) noexcept
      : operation_base(ctx), core_(&core), how_(what) {}

  /// @errors    would_deadlock: on a worker of this scheduler, or by what a thread does in the
  ///            middle of handing in, such as the copy constructor of a callable
  result<shutdown_report> wait();

  /// The same for a task of another scheduler.
  class awaiter;
  awaiter operator co_await() noexcept;

  // The operation protocol.
  void collect(lock_set&) noexcept;
  bool try_complete() noexcept;
  void enlist(waiter&) noexcept;
  void withdraw() noexcept;
  bool owns(const wait_link& link) const noexcept {
    return &link == &link_;
  }
  result<shutdown_report> take();

 private:
  using base = operation_base<shutdown_op, shutdown_report>;

  errc start() noexcept;
  result<shutdown_report> outcome(result<shutdown_report>);

  scheduler_core* core_;
  how how_;
  wait_link link_;
};

class shutdown_op::awaiter : public operation_awaiter<shutdown_op> {
 public:
  explicit awaiter(shutdown_op& op) noexcept : operation_awaiter(op), op_(op) {}

  bool await_ready() noexcept {
    refusal_ = op_.start();
    return refusal_ != errc::ok || operation_awaiter::await_ready();
  }
  result<shutdown_report> await_resume() {
    if (refusal_ != errc::ok) return refusal_;
    return op_.outcome(operation_awaiter::await_resume());
  }

 private:
  shutdown_op& op_;
  errc refusal_ = errc::ok;
};

inline shutdown_op::awaiter shutdown_op::operator co_await() noexcept {
  return awaiter(*this);
}

}  // namespace pinion
