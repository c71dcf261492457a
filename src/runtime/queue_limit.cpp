// SPDX-License-Identifier: MIT
#include "src/runtime/queue_limit.hpp"

#include <algorithm>
#include <mutex>

namespace pinion::detail {

namespace {

queue_limit& limit_of(op<>& o) noexcept {
  return *static_cast<queue_limit*>(o.object());
}

}  // namespace

// Takes places as long as nobody waits in line.
std::size_t queue_limit::try_take(std::size_t wanted) noexcept {
  if (waiting_.load(std::memory_order_relaxed)) return 0;     // relaxed: a fairness hint
  std::int64_t free = free_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  while (free > 0) {
    const std::int64_t got = std::min(free, static_cast<std::int64_t>(wanted));
    // acquire: what the task did whose place this was is not reordered behind the new one's
    // hand-in; pairs with the RMW in give_back(). relaxed on failure: nothing was taken.
    if (free_.compare_exchange_weak(free, free - got, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return static_cast<std::size_t>(got);
    }
  }
  return 0;
}

// The waiter says that it waits before it looks a last time; a giver adds before it looks whether
// anybody waits. Both are in one total order, so one of them sees the other.
const op<>::verb queue_limit::take_verb = {
    .list = [](op<>& o) noexcept -> wait_list& { return limit_of(o).line_; },
    .try_complete = [](op<>& o) noexcept { return limit_of(o).take_now(o); },
    .enlist = [](op<>& o, waiter& w) noexcept { limit_of(o).line_.push_back(o.link(w)); },
    .withdraw = [](op<>& o) noexcept { limit_of(o).leave_line(o); },
    .take = [](op<>& o) -> result<> {
      if (o.word() == stopped_mark) return errc::stopped;
      return {};
    }};

op<> queue_limit::take(const context* ctx) noexcept {
  return {take_verb, this, ctx};
}

bool queue_limit::take_now(op<>& o) noexcept {
  o.word() = ended_ ? stopped_mark : 0;
  if (ended_) return true;
  if (!line_.empty()) return false;
  waiting_.store(true, std::memory_order_seq_cst);  // seq_cst: see above
  if (!take_free_place()) return false;
  waiting_.store(false, std::memory_order_relaxed);  // relaxed: nobody waits, nobody is missed
  return true;
}

bool queue_limit::take_free_place() noexcept {
  std::int64_t free = free_.load(std::memory_order_seq_cst);  // seq_cst: see above
  // seq_cst: in the same order as the load.
  while (free > 0 && !free_.compare_exchange_weak(free, free - 1, std::memory_order_seq_cst)) {
  }
  return free > 0;
}

void queue_limit::leave_line(op<>& o) noexcept {
  line_.remove(o.link());
  if (line_.empty()) waiting_.store(false, std::memory_order_relaxed);  // relaxed: as above
}

void queue_limit::give_back(std::size_t places) noexcept {
  if (!limited() || places == 0) return;
  free_.fetch_add(static_cast<std::int64_t>(places), std::memory_order_seq_cst);  // see above
  if (waiting_.load(std::memory_order_seq_cst)) serve();  // seq_cst: see above
}

void queue_limit::serve() noexcept {
  wake_chain woken;
  const std::lock_guard lock(line_);
  while (!line_.empty() && take_free_place()) {
    if (line_.claim_first(woken) == nullptr) {
      // All that stood here were settled elsewhere; the place goes back.
      free_.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: as in give_back()
      break;
    }
  }
  if (line_.empty()) waiting_.store(false, std::memory_order_relaxed);  // relaxed: as above
}

void queue_limit::end_waits() noexcept {
  wake_chain woken;
  const std::lock_guard lock(line_);
  ended_ = true;
  while (wait_link* first = line_.claim_first(woken)) op<>::of(*first).word() = stopped_mark;
}

}  // namespace pinion::detail
