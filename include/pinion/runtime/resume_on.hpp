// SPDX-License-Identifier: MIT
// Where a task goes on: on another executor, or later on its own.
//
//     co_await resume_on(other);     // from here on `other` runs and resumes it
//     co_await yield();              // whoever waits for this worker comes first
//
// Who awaits the task goes on where it was, wherever the task has ended.
#pragma once

#include <concepts>
#include <coroutine>

#include "pinion/runtime/task.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/resumption.hpp"

namespace pinion {

namespace detail {

/// Hands the coroutine that awaits it to an executor.
class hop : private work_item {
 public:
  explicit hop(executor_ref to) noexcept : work_item{run_item, nullptr}, to_(to) {}

  bool await_ready() const noexcept { return this_executor() == to_; }

  template <std::derived_from<task_promise_base> Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
    promise_ = &self.promise();
    if (!promise_->begin_move(to_)) {
      refused_ = true;
      return false;
    }
    after_suspension(&hop::leave, this);
    return true;
  }

  result<> await_resume() const noexcept {
    if (refused_) return errc::stopped;
    return {};
  }

 private:
  static std::coroutine_handle<> leave(void* hop_) noexcept {
    auto& self = *static_cast<hop*>(hop_);
    self.promise_->move(self.to_, self);
    return {};
  }
  static void run_item(work_item& item) noexcept {
    run_coroutine(static_cast<hop&>(item).promise_->self());
  }

  executor_ref to_;
  task_promise_base* promise_ = nullptr;
  bool refused_ = false;
};

/// Puts the coroutine that awaits it behind what is queued.
class turn : private work_item {
 public:
  turn() noexcept : work_item{run_item, nullptr} {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) noexcept {
    self_ = self;
    after_suspension(&turn::queue, this);
  }
  void await_resume() const noexcept {}

 private:
  static std::coroutine_handle<> queue(void* turn_) noexcept {
    this_executor()->resume(*static_cast<turn*>(turn_), resume_order::in_line);
    return {};
  }
  static void run_item(work_item& item) noexcept { run_coroutine(static_cast<turn&>(item).self_); }

  std::coroutine_handle<> self_;
};

}  // namespace detail

/// co_await it in a task: goes on as work of that executor, which counts it as live until it moves
/// on or ends. Already there: goes on at once.
/// @lifetime  the executor must not have ended yet
/// @errors    stopped: it takes no new work, and the task goes on where it is
inline detail::hop resume_on(executor_ref to) noexcept {
  return detail::hop(to);
}

/// co_await it in a task: gives the thread to what its executor has queued, and goes on after that.
inline detail::turn yield() noexcept {
  return {};
}

}  // namespace pinion
