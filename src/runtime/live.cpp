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
// spare. A worker that has forked has no lane in the child, where nobody counts any more.
void scheduler_core::end_live() noexcept {
  if (seat* mine = detail::current.seat_of(*this)) return lane::count(mine->live_ended);
  if (client* mine = memory.attached()) lane::count(mine->live_ended);
}

// No gate, no limit and no lack of memory holds up what is live. A worker that resumes a coroutine
// is likely to be through with its own soon. What it will have run before another could take it, it
// keeps; and it wakes nobody for what it copes with.
void scheduler_core::resume(work_item& item, resume_order order) noexcept {
  const work_word work = detail::word_of(item);
  seat* const mine = detail::current.seat_of(*this);
  if (mine == nullptr) return resume_from_outside(work);
  // That note_unwoken() may look before the others see what is kept does no harm: see
  // forget_unwoken().
  if (order != resume_order::next || mine->kept.count() >= mine->keeps || !mine->kept.put(work)) {
    return queue_resumed(*mine, work, order);
  }
  note_unwoken();
}

void scheduler_core::queue_resumed(seat& mine, detail::work_word work,
                                   resume_order order) noexcept {
  const std::size_t before = mine.kept.count() + mine.queue.size_approx();
  push_own(mine, work);
  if (order == resume_order::at_once || before >= mine.copes_with) {
    wake_for(&mine, false);
  } else {
    note_unwoken();
  }
}

void scheduler_core::resume_from_outside(detail::work_word work) noexcept {
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
