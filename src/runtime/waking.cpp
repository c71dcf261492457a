// SPDX-License-Identifier: MIT
// Waking: which idle worker learns of new work, and whether any needs to.
#include <bit>

#include "pinion/platform/cpu.hpp"
#include "src/runtime/core.hpp"
#include "src/runtime/worker.hpp"

namespace pinion {

using detail::client;
using detail::seat;
using lockfree::idle_set;

namespace {

// A preempted searcher must not hold back wake-ups for a whole time slice.
bool search_is_stale(const idle_set& set) noexcept {
  return to_duration(cpu_ticks() - set.newest_search()) > detail::search_time_max;
}

// Work lies in the cell of an idle worker, which will look for outside work when it has taken it.
bool somebody_has_work_coming(const idle_set& set, std::uint32_t idle) noexcept {
  for (; idle != 0; idle &= idle - 1) {
    if (set.holds_work(static_cast<std::size_t>(std::countr_zero(idle)))) return true;
  }
  return false;
}

}  // namespace

// For work that is published already. `from`: the seat of the worker that has it, or null.
// Only outside work may be left to a worker that has some in its cell: that one looks at the
// queue of outside work then, and at no other.
void scheduler_core::wake_for(seat* from, bool from_outside) noexcept {
  std::size_t at = from != nullptr ? from->cluster : 0;
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    idle_set& set = *clusters[at];
    if (++at == clusters.size()) at = 0;
    const auto seen = set.look();
    if (seen.idle() == 0) continue;
    if (from_outside && seen.is_brisk()) return;
    const bool searched = seen.searching() != 0;
    if (searched && !search_is_stale(set)) return;
    // It will look at the queue of outside work, not at those of the seats.
    if (!searched && from_outside && somebody_has_work_coming(set, seen.idle())) return;
    const std::uint32_t first_choice = from == nullptr ? on_other_cpus(set)
                                       : i == 0        ? from->nearest(seen.idle())
                                                       : 0;
    const std::size_t slot = set.claim(first_choice, searched);
    if (slot == idle_set::max_workers) continue;
    set.note_search(cpu_ticks());
    if (set.notify(slot)) {
      count_wake(from);
      set.wake(slot);
    }
    return;
  }
}

// The workers of that set that would not wake up on the CPU of the calling thread: there they
// would have to wait until it lets go, or push it aside.
std::uint32_t scheduler_core::on_other_cpus(const idle_set& set) const noexcept {
  const unsigned here = os::current_cpu();
  std::uint32_t mask = 0;
  for (const auto& s : seats) {
    // relaxed: a hint
    if (s->idle == &set && s->last_cpu.load(std::memory_order_relaxed) != here) {
      mask |= std::uint32_t{1} << s->slot;
    }
  }
  return mask;
}

void scheduler_core::count_wake(seat* from) noexcept {
  if (from != nullptr) {
    detail::lane::count(from->stats.wakes_sent);
  } else {
    outside_wakes.fetch_add(1, std::memory_order_relaxed);  // relaxed: statistics
  }
}

// Gives the work to an idle worker in one step. False: nobody is idle, or the queue is better.
bool scheduler_core::place_directly(client& c, detail::work_word word) noexcept {
  for (std::size_t i = 0; i < clusters.size(); ++i) {
    idle_set& set = *clusters[i];
    const auto seen = set.look();
    const std::uint32_t idle = seen.idle();
    if (idle == 0) continue;
    // Who is watching takes it without a system call; the last one first, its line is ours.
    const std::uint32_t last = std::uint32_t{1} << (c.last_target % idle_set::max_workers);
    if ((idle & last) != 0 && set.hand_over(c.last_target % idle_set::max_workers, word))
      return true;
    for (std::uint32_t left = idle & ~last; left != 0; left &= left - 1) {
      const auto slot = static_cast<std::size_t>(std::countr_zero(left));
      if (set.hand_over(slot, word)) {
        c.last_target = slot;
        return true;
      }
    }
    if (seen.searching() != 0 || seen.is_brisk()) return false;
    if (somebody_has_work_coming(set, idle)) return false;
    const std::size_t slot = set.claim(on_other_cpus(set));
    if (slot == idle_set::max_workers) return false;
    set.note_search(cpu_ticks());
    const auto given = set.give(slot, word);
    if (given == idle_set::given::no) return false;  // it is awake already: by the queue, then
    c.last_target = slot;
    if (given == idle_set::given::asleep) {
      count_wake(nullptr);
      set.wake(slot);
    }
    return true;
  }
  return false;
}

// That worker and no other. It is counted as searching, so that it looks at its inbox.
void scheduler_core::wake_seat(seat& s) noexcept {
  if (s.idle->retract(s.slot, true) && s.idle->notify(s.slot)) {
    count_wake(detail::current.seat_of(*this));
    s.idle->wake(s.slot);
  }
}

// By a worker that begins to work, which may have been the one that looked after work without a
// wake-up, or was on its way to be. If others sleep and none of them does so, one is woken: to find
// nothing, and to sleep with a limit.
void scheduler_core::keep_watch(seat& from) noexcept {
  // relaxed: whoever sets it wakes a worker, which comes by here.
  if (!unwoken_posts.load(std::memory_order_relaxed)) return;
  idle_set& set = *from.idle;
  const auto seen = set.look();
  if (seen.idle() == 0 || seen.sentinels() != 0) return;
  const std::size_t slot = set.claim(from.nearest(seen.idle()), true);
  if (slot == idle_set::max_workers || !set.notify(slot)) return;
  detail::lane::count(from.stats.wakes_sent);
  set.wake(slot);
}

void scheduler_core::wake_all() noexcept {
  for (const auto& s : seats) wake_seat(*s);
}

// The first work that comes without a wake-up, or the first for a long time, wakes the workers all
// the same: when they go to sleep again, one of them sleeps with a limit.
void scheduler_core::note_unwoken() noexcept {
  // seq_cst, both: after the work was published; against the store in forget_unwoken() and the look
  // at the queues that follows it.
  if (unwoken_posts.load(std::memory_order_seq_cst)) return;
  if (!unwoken_posts.exchange(true, std::memory_order_seq_cst)) wake_all();
}

// No such work for a long time. The caller looks at the queues once more, but what workers keep it
// may not see yet: that is put there by a plain store. So nobody may be at work, who could have
// done it before it sees the flag clear. Who leaves the idle word after all_idle() has looked sees
// it clear.
void scheduler_core::forget_unwoken() noexcept {
  if (!unwoken_posts.load(std::memory_order_relaxed) || !all_idle()) return;  // relaxed: a guess
  unwoken_posts.store(false, std::memory_order_seq_cst);  // seq_cst: see note_unwoken()
  // As for the first such work: the sentinel of another cluster may have seen it clear, and sleep.
  if (!all_idle()) note_unwoken();
}

bool scheduler_core::all_idle() const noexcept {
  int idle = 0;
  for (const auto& set : clusters) idle += std::popcount(set->look().idle());
  return static_cast<std::size_t>(idle) == seats.size();
}

void scheduler_core::set_idle_policy(idle_policy policy) noexcept {
  // relaxed: a tuning value; spinning workers see it soon, parked ones when they next idle.
  spin_for.store(policy.spin_for.count(), std::memory_order_relaxed);
}

}  // namespace pinion
