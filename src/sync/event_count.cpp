// SPDX-License-Identifier: MIT
#include "pinion/sync/event_count.hpp"

#include <mutex>

namespace pinion {

// W1, W2.
void event_count::add(detail::watcher& who, waiter& owner) noexcept {
  static_cast<wait_link&>(who) = {&owner, nullptr, nullptr};
  line_.push_back(who);
  // acquire: sees what was done before a notification that did not see the mark; pairs with the
  // release in notify_all.
  word_.fetch_or(waiting, std::memory_order_acquire);
  if (who.holds(who) && line_.claim(who)) owner.left_over().add(owner);
}

void event_count::remove(detail::watcher& who) noexcept {
  line_.remove(who);
  // relaxed: nothing is published; the counts before stay in the release sequence.
  if (line_.empty()) word_.fetch_and(~waiting, std::memory_order_relaxed);
}

// N3.
void event_count::ask_line() noexcept {
  wake_chain woken;  // outlives the lock
  const std::lock_guard lock(line_);
  for (wait_link* link = line_.front(); link != nullptr;) {
    auto& who = static_cast<detail::watcher&>(*link);
    link = link->next;
    if (who.holds(who) && line_.claim(who)) woken.add(*who.owner);
  }
  // relaxed: as in remove.
  if (line_.empty()) word_.fetch_and(~waiting, std::memory_order_relaxed);
}

}  // namespace pinion
