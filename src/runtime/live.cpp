// SPDX-License-Identifier: MIT
// Live work: coroutines that nobody awaits, from their start to their end, suspended or not. The
// end of a scheduler waits for them, so what resumes them always finds it open.
#include <new>

#include "src/runtime/core.hpp"
#include "src/runtime/work_word.hpp"

namespace pinion {

using detail::admission;
using detail::client;
using detail::lane;
using detail::seat;
using detail::work_word;

// A thread of the scheduler: sitting on a seat, or with a record of its own since it lost one.
lane& scheduler_core::own_lane() noexcept {
  seat* mine = detail::current.seat_of(*this);
  return mine != nullptr ? static_cast<lane&>(*mine) : *memory.attached();
}

bool scheduler_core::begin_live() noexcept {
  try {
    const admission way = enter_unlimited(1);
    if (way.how == admission::kind::refused) return false;
    lane::count(way.where->live_begun);
    go_out(way);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// The worker that calls this looks whether it was the last one when it goes idle, or becomes a
// spare.
void scheduler_core::end_live() noexcept {
  lane::count(own_lane().live_ended);
}

// No gate, no limit and no lack of memory holds up what is live. A worker that resumes a coroutine
// is likely to be through with its own soon, and wakes nobody for the first one that waits.
void scheduler_core::resume(work_item& item, bool wake) noexcept {
  const work_word work = detail::word_of(item);
  if (seat* mine = detail::current.seat_of(*this)) {
    const bool first = mine->queue.size_approx() == 0;
    push_own(*mine, work);
    if (wake || !first) {
      wake_for(mine, false);
    } else {
      note_unwoken();
    }
    return;
  }
  client* c = nullptr;
  try {
    c = memory.attach(outside);
  } catch (const std::bad_alloc&) {
  }
  if (c == nullptr) {
    const detail::late_hand here(late_hands);
    spill(work);
    wake_for(nullptr, false);  // as in push_outside()
    return;
  }
  c->go_in();  // so that the scheduler stays, should this have been the last
  push_outside(*c, work, true, true);
  c->go_out();
}

}  // namespace pinion
