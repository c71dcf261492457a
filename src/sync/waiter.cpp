// SPDX-License-Identifier: MIT
#include "pinion/sync/waiter.hpp"

#include <utility>

#include "pinion/sync/resumption.hpp"

namespace pinion {

void waiter::resume(work_item& item) noexcept {
  detail::run_coroutine(static_cast<waiter&>(item).suspended_);
}

// Only for a waiter that has committed: it stays where it is until this has woken it.
void waiter::rouse() noexcept {
  if (parker_ != nullptr) {
    parker_->unpark();
  } else {
    executor_->resume(*this, resume_order::next);
  }
}

void wake_chain::wake_all() noexcept {
  while (work_ != nullptr) {
    late_work& work = *std::exchange(work_, work_->next);
    work.run(work, *this);
  }
  work_item* item = first_;
  first_ = nullptr;
  end_ = &first_;
  while (item != nullptr) {
    auto& claimed = static_cast<waiter&>(*item);
    item = item->next;  // before the wake: the waiter may be gone after it
    claimed.wake();
  }
}

wait_link* wait_list::claim_first(wake_chain& woken) noexcept {
  while (wait_link* link = front()) {
    if (claim(*link)) {
      woken.add(*link->owner);
      return link;
    }
  }
  return nullptr;
}

}  // namespace pinion
