// SPDX-License-Identifier: MIT
#include "src/runtime/delayed.hpp"

#include <mutex>
#include <new>

#include "pinion/platform/clock.hpp"
#include "src/runtime/core.hpp"

namespace pinion::detail {

void delayed_work::add(void* timer, task_node& task, duration after) noexcept {
  auto& e = *::new (timer) entry;
  e.when = add_saturating(core_.clock.now(), after);
  e.fire = &delayed_work::fire;
  e.owner = this;
  e.task = &task;
  bool due_now = false;
  {
    // Armed under the lock: give_up_all() never disarms what is not armed yet.
    const std::lock_guard lock(lock_);
    if (!ended_) {
      due_now = !core_.clock.arm(e);
      if (!due_now) return waiting_.push_back(e);
    }
  }
  due_now ? hand_in(e) : give_up(e);
}

void delayed_work::fire(timer_node& node) noexcept {
  auto& e = static_cast<entry&>(node);
  e.owner->due(e);
}

void delayed_work::due(entry& e) noexcept {
  {
    const std::lock_guard lock(lock_);
    if (!waiting_.contains(e)) return;  // give_up_all() has it
    waiting_.remove(e);
  }
  hand_in(e);
}

void delayed_work::hand_in(entry& e) noexcept {
  core_.enqueue_delayed(*e.task, &e, lane::class_of(sizeof(entry)));
}

void delayed_work::give_up_all() noexcept {
  for (;;) {
    entry* e = nullptr;
    {
      const std::lock_guard lock(lock_);
      ended_ = true;
      e = waiting_.front();
      if (e != nullptr) waiting_.remove(*e);
    }
    if (e == nullptr) return;
    core_.clock.disarm(*e);
    give_up(*e);
  }
}

void delayed_work::give_up(entry& e) noexcept {
  core_.give_up(*e.task, &e, lane::class_of(sizeof(entry)));
}

}  // namespace pinion::detail
