// SPDX-License-Identifier: MIT
#include "pinion/runtime/task.hpp"

#include <utility>

namespace pinion::detail {

std::coroutine_handle<> task_promise_base::transfer_by_step() noexcept {
  after_suspension(
      [](void* coroutine) noexcept { return std::coroutine_handle<>::from_address(coroutine); },
      self_.address());
  return std::noop_coroutine();
}

std::coroutine_handle<> task_promise_base::end_by_step() noexcept {
  after_suspension(home_ != nullptr ? &come_home : at_end_, this);
  return std::noop_coroutine();
}

// It has ended, and is where it was started.
std::coroutine_handle<> task_promise_base::finish(void* promise) noexcept {
  auto& self = *static_cast<task_promise_base*>(promise);
  if (self.is_made_) return self.end_made();
  if (self.at_end_ != nullptr) return self.at_end_(promise);
  return self.parent_->self_;
}

// It has ended on another executor, which is told first: what it was started by may end it all.
std::coroutine_handle<> task_promise_base::come_home(void* promise) noexcept {
  auto& self = *static_cast<task_promise_base*>(promise);
  executor_ref home = *std::exchange(self.home_, nullptr);
  this_executor()->end_live();
  home->resume(self.item(), resume_order::at_once);
  return {};
}

// A made child that was not where it was started when it ended: it suspended instead of ending by
// itself.
std::coroutine_handle<> task_promise_base::end_made() noexcept {
  join* const by = std::exchange(frame_header::of(self_.address()).joined, nullptr);
  self_.destroy();
  return by->after_end();
}

void task_promise_base::fail_made(std::exception_ptr thrown) noexcept {
  frame_header::of(self_.address()).joined->fail(this, error(std::move(thrown)));
}

void task_promise_base::run_item(work_item& item) noexcept {
  auto& self = static_cast<own_item&>(item).whose;
  run_coroutine(self.self_.done() ? finish(&self) : self.self_);
}

bool task_promise_base::begin_move(executor_ref to) noexcept {
  return home_ == to.operator->() || to->begin_live();  // at home it is counted all the time
}

void task_promise_base::move(executor_ref to, work_item& onward) noexcept {
  const executor_ref from = this_executor();
  if (home_ == nullptr) {
    home_ = from.operator->();
  } else {
    from->end_live();
    if (home_ == to.operator->()) home_ = nullptr;
  }
  to->resume(onward, resume_order::at_once);
}

}  // namespace pinion::detail
