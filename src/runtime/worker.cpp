// SPDX-License-Identifier: MIT
#include "src/runtime/worker.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <span>
#include <utility>

#include "pinion/platform/cpu.hpp"

namespace pinion::detail {

void worker::run() noexcept {
  for (;;) {
    seat* s = current.place;
    if (s == nullptr) {
      if (!wait_for_seat()) return;
      continue;
    }
    work_word w = find_work(*s);
    const bool was_busy = w != 0 && !s->searching;
    if (w == 0) {
      // acquire: what came before the end is visible to the exit hook; pairs with the RMW in
      // join_all(). It is set before everybody is woken; a look too early costs one round.
      if ((core_.life(std::memory_order_acquire) & task_memory::exiting) != 0) return;
      w = idle(*s);
      if (w == 0) continue;
    }
    if (s->searching) end_search(*s);
    if (!was_busy) core_.keep_watch(*s);
    fruitless_rounds_ = 0;
    execute(w);
    if (current.core == nullptr) return;  // the task has forked, and this is the child
  }
}

// The seat may be lost while the task runs: then its memory goes back through this thread's own
// record, and there is nothing to look for until another seat is free.
void worker::execute(work_word w) noexcept {
  if (is_item(w)) return resume(item_of(w));
  task_node& node = node_of(w);
  if (node.counted) core_.room.give_back(1);
  const std::uint8_t size_class = node.size_class;
  // relaxed: for reports, which may be a moment late.
  thread_.running.store(node.name != nullptr ? node.name : "unnamed", std::memory_order_relaxed);
  current.task = &node;
  // relaxed: a task that starts just before the stop is one that started before it.
  const bool drop = (core_.life(std::memory_order_relaxed) & task_memory::stopping) != 0;
  const auto done = node.act(node, drop ? task_node::action::drop : task_node::action::run);
  thread_.running.store(nullptr, std::memory_order_relaxed);  // relaxed: as above
  current.task = nullptr;                                     // its memory goes back
  if (current.core == nullptr) return;                        // the child of a fork: see run()
  lane& mine =
      current.place != nullptr ? static_cast<lane&>(*current.place) : *core_.memory.attached();
  if (done.give_back) mine.give(&node, size_class);
  lane::count(done.started ? mine.ran : mine.not_started);
}

// A coroutine goes on, or a child of one begins. It is counted as live, not as a task. What it has
// resumed goes on after it, without a turn of the loop: there is nothing to find out.
void worker::resume(work_item& item) noexcept {
  thread_.running.store("coroutine", std::memory_order_relaxed);  // relaxed: as in execute()
  for (work_item* each = &item; each != nullptr; each = next_kept()) {
    current.task = nullptr;
    each->run(*each);
  }
  thread_.running.store(nullptr, std::memory_order_relaxed);  // relaxed: as in execute()
}

// What find_work() would find next, where that is a coroutine that was kept. Null: let it look.
work_item* worker::next_kept() noexcept {
  seat* const s = current.place;
  if (s == nullptr || s->tick + 1 >= poll_interval_) return nullptr;
  if (kept_in_a_row_ >= kept_in_a_row_max) {
    if (s->queue.size_approx() != 0) return nullptr;  // it has its turn
    kept_in_a_row_ = 0;
  }
  const work_word w = s->kept.take();
  if (w == 0) return nullptr;
  ++s->tick;
  ++kept_in_a_row_;
  return &item_of(w);  // nothing else is kept
}

// The own queue first, what comes from outside in its turn, then what others have.
work_word worker::find_work(seat& s) noexcept {
  if (++s.tick >= poll_interval_) {
    time_next_poll(s);
    if (work_word w = take_turns(s)) return w;
  }
  if (work_word w = take_own(s)) return w;
  if (last_count_ != 0) {  // the last batch is done: so long does a task take
    task_ticks_ = (cpu_ticks() - s.last_batch) / std::exchange(last_count_, 0);
  }
  if (work_word w = in_stream_ ? follow_stream(s) : poll_outside(s)) return w;
  return steal(s);
}

// What was resumed by what has just run is warm, and goes first. Two that resume each other all the
// time leave every fourth turn to the queue.
work_word worker::take_own(seat& s) noexcept {
  if (kept_in_a_row_ < kept_in_a_row_max) {
    if (work_word w = s.kept.take()) {
      ++kept_in_a_row_;
      return w;
    }
  }
  kept_in_a_row_ = 0;
  work_word later = 0;
  if (work_word w = s.queue.pop(later)) {
    __builtin_prefetch(address_of(later));
    return w;
  }
  return s.kept.take();
}

// After so many tasks as take about poll_time_max, at the pace of the last ones.
void worker::time_next_poll(seat& s) noexcept {
  const std::uint64_t now = cpu_ticks();
  const std::uint64_t each = (now - last_poll_) / poll_interval_ + 1;
  poll_interval_ = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
      to_ticks(poll_time_max) / each, poll_interval_min, poll_interval_max));
  last_poll_ = now;
  s.tick = 0;
  s.copes_with = static_cast<std::size_t>(to_ticks(brisk_batch_time) / each);
  s.keeps = static_cast<std::size_t>(to_ticks(kept_time) / each) + (s.copes_with != 0 ? 1 : 0);
}

// The poll that comes however much there is to do: the inbox first at one time, what anybody may
// run first at the next, so that neither starves the other.
work_word worker::take_turns(seat& s) noexcept {
  inbox_has_its_turn_ = !inbox_has_its_turn_;
  if (!inbox_has_its_turn_) {
    if (work_word w = poll_queue(s)) return w;
  }
  return poll_outside(s);
}

work_word worker::poll_outside(seat& s) noexcept {
  if (task_node* mine = s.inbox.pop()) return word_of(*mine);
  return poll_queue(s);
}

// What was handed in for whoever is free.
work_word worker::poll_queue(seat& s) noexcept {
  if (core_.spilled.load(std::memory_order_relaxed) != 0) {  // relaxed: a hint
    if (work_word w = take_spilled(s)) return w;
  }
  if (!core_.outside.maybe_work()) return 0;
  std::array<work_word, batch_max> words;
  const auto popped = core_.outside.pop_many(s.injected_from, words.data(), words.size());
  if (popped.restored) core_.wake_for(&s, false);
  if (popped.count == 0) return 0;
  for (std::size_t i = 0; i < popped.count; ++i) __builtin_prefetch(address_of(words[i]));
  lane::count(s.stats.injected, popped.count);
  const work_word first = keep_one(s, words.data(), popped.count);
  after_poll(s, popped.count);
  return first;
}

// Two threads that meet at every task pay for the lines they share at every task. So while work
// comes in a stream, the worker looks only so often, takes what has gathered, and does not give
// up at the first gap.
work_word worker::follow_stream(seat& s) noexcept {
  const std::uint64_t pace = to_ticks(stream_pace);
  while (in_stream_) {
    while (cpu_ticks() - last_look_ < pace) os::spin_hint();
    last_look_ = cpu_ticks();
    if (work_word w = poll_outside(s)) return w;
    in_stream_ = last_look_ - s.last_batch < to_ticks(stream_patience);
  }
  return 0;
}

// Returns the oldest; the others go to the own queue, where thieves see them. What is in there
// already is older.
work_word worker::keep_one(seat& s, work_word* words, std::size_t count) noexcept {
  const std::size_t first = s.queue.size_approx() == 0 ? 1 : 0;
  if (count > first) {
    try {
      s.queue.push_many({words + first, count - first});
    } catch (const std::bad_alloc&) {
      for (std::size_t i = first; i < count; ++i) core_.spill(words[i]);
    }
  }
  work_word later = 0;
  return first == 1 ? words[0] : s.queue.pop(later);
}

// Decides whether this worker alone keeps up with what comes from outside: by the pace of the last
// batch. If not, and there is more than one task, wakes another.
void worker::after_poll(seat& s, std::size_t count) noexcept {
  const std::uint64_t now = cpu_ticks();
  const std::uint64_t since = now - std::exchange(s.last_batch, now);
  last_count_ = count;
  in_stream_ = count > 1 && since < to_ticks(stream_patience);
  last_look_ = now;
  full_batches_ = count == batch_max ? full_batches_ + 1 : 0;

  if (!becomes_brisk(s, count) && count > 1) core_.wake_for(&s, false);
}

// Will this worker alone be through with so many tasks before another would have woken up?
bool worker::becomes_brisk(seat& s, std::size_t count) noexcept {
  const bool copes =
      task_ticks_ * count < to_ticks(brisk_batch_time) && full_batches_ < brisk_full_batches_max;
  if (copes) {
    s.brisk = s.idle->look().is_brisk() || s.idle->set_brisk();
  } else if (s.brisk) {
    s.brisk = false;
    s.idle->clear_brisk();
  }
  return s.brisk;
}

work_word worker::take_spilled(seat& s) noexcept {
  // acquire: sees the nodes; pairs with the release in scheduler_core::spill.
  const work_word list = core_.spilled.exchange(0, std::memory_order_acquire);
  if (list == 0) return 0;
  for (work_word rest = linked_to(list); rest != 0;) {
    const work_word next = linked_to(rest);
    core_.push_own(s, rest);
    rest = next;
    if (rest == 0) core_.wake_for(&s, false);
  }
  return list;
}

// --- Searching.

work_word worker::steal(seat& s) noexcept {
  if (s.brisk) {
    s.brisk = false;
    s.idle->clear_brisk();
  }
  if (!s.searching) {
    s.searching = true;
    s.idle->begin_search();
    s.idle->note_search(cpu_ticks());
  }
  lane::count(s.stats.searches);
  if (core_.unwoken_posts.load(std::memory_order_relaxed) &&  // relaxed: as in watch_cell()
      look_at_what_is_kept(s) == kept_by_others::taken) {
    work_word later = 0;
    if (work_word w = s.queue.pop(later)) return w;
  }
  for (int pass = 0; pass < 2; ++pass) {
    for (std::size_t tier = 0; tier < s.place.victims.size(); ++tier) {
      if (work_word w = steal_from_tier(s, tier)) return w;
    }
  }
  return take_back_from_cells(s);
}

work_word worker::steal_from_tier(seat& s, std::size_t tier) noexcept {
  const auto& victims = s.place.victims[tier];
  const std::size_t count = victims.size();
  if (count == 0) return 0;
  const std::size_t start = count == 1 ? 0 : os::random() % count;
  std::array<work_word, steal_max> words;
  for (std::size_t i = 0; i < count; ++i) {
    seat& victim = *core_.seats[victims[(start + i) % count]];
    const std::size_t taken = victim.queue.steal(words);
    if (taken == 0) continue;
    for (std::size_t k = 0; k < std::min(taken, batch_max); ++k) {
      __builtin_prefetch(address_of(words[k]));
    }
    lane::count(s.stats.stolen, taken);
    lane::count(s.stolen_at[tier], taken);
    return keep_one(s, words.data(), taken);
  }
  return 0;
}

work_word worker::take_back_from_cells(seat& s) noexcept {
  for (const auto& other : core_.seats) {
    if (other.get() == &s) continue;
    if (work_word w = other->idle->take_back(other->slot)) return w;
  }
  return 0;
}

// The last searcher that finds work passes the search on, if there is more to find: to one who is
// idle in its own cluster or, because submitters relied on this search, in another.
void worker::end_search(seat& s) noexcept {
  s.searching = false;
  const auto after = s.idle->end_search();
  const bool somebody_may_be_idle = after.idle() != 0 || core_.clusters.size() > 1;
  if (after.searching() == 0 && somebody_may_be_idle && work_visible(s)) core_.wake_for(&s, false);
}

// Work that is seen, but cannot be had for many rounds, is between two steps of a thread that has
// been stopped there. That thread may need this CPU.
void worker::let_others_finish(seat& s) noexcept {
  s.idle->sleep(s.slot, os::now() + fruitless_sleep);
}

bool worker::has_spilled() const noexcept {
  // seq_cst: part of the look before the sleep.
  return core_.spilled.load(std::memory_order_seq_cst) != 0;
}

bool worker::work_visible(seat& s) const noexcept {
  if (core_.outside.has_work() || !s.inbox.empty() || has_spilled()) return true;
  return std::any_of(core_.seats.begin(), core_.seats.end(),
                     [](const auto& other) { return !other->queue.looks_empty(); });
}

// Is there work that nobody has come near since the last look of this sentinel?
bool worker::work_stands_still(seat& s) noexcept {
  bool found = !s.inbox.empty();
  bool polled = false;
  for (std::size_t i = 0; i < core_.seats.size(); ++i) {
    seat& other = *core_.seats[i];
    // relaxed: a comparison with the value of the last look.
    const std::uint64_t ran = other.ran.load(std::memory_order_relaxed);
    const std::uint64_t injected = other.stats.injected.load(std::memory_order_relaxed);
    const bool moved = std::exchange(thread_.progress[2 * i], ran) != ran;
    polled |= std::exchange(thread_.progress[2 * i + 1], injected) != injected;
    if (!moved && !other.queue.looks_empty()) found = true;
  }
  return found || (!polled && core_.outside.has_work());
}

// By a sentinel: work for one worker alone that came without a wake-up. Nobody else can do it.
void worker::wake_who_has_mail(seat& s) noexcept {
  for (const auto& other : core_.seats) {
    if (other->idle == s.idle && other.get() != &s && !other->inbox.looks_empty()) {
      core_.wake_seat(*other);
    }
  }
}

// By a sentinel, and by who searches or watches its cell: what a worker keeps although it has had
// the time to run it goes into the own queue. A look that comes too soon says what the last one
// saw.
worker::kept_by_others worker::look_at_what_is_kept(seat& s) noexcept {
  const std::uint64_t now = cpu_ticks();
  if (now - last_kept_look_ < to_ticks(kept_patience)) return last_kept_;
  last_kept_look_ = now;
  auto found = kept_by_others::nothing_new;
  for (std::size_t i = 0; i < core_.seats.size(); ++i) {
    lockfree::shelf& kept = core_.seats[i]->kept;
    const std::uint64_t taken = kept.taken();
    if (kept.looks_empty()) {
      thread_.kept_seen[i] = not_seen;
    } else if (std::exchange(thread_.kept_seen[i], taken) != taken) {
      if (found == kept_by_others::nothing_new) found = kept_by_others::fresh;
    } else {
      for (std::size_t cell = 0; cell < kept.capacity; ++cell) {
        const work_word w = kept.take_cell(cell);
        if (w == 0) continue;
        core_.push_own(s, w);
        found = kept_by_others::taken;
      }
    }
  }
  last_kept_ = found == kept_by_others::taken ? kept_by_others::nothing_new : found;
  return found;
}

// --- Idling.

// Returns work that was handed over, or 0 with `searching` set when there is something to look
// for.
work_word worker::idle(seat& s) noexcept {
  s.idle->announce(s.slot, s.searching);
  s.searching = false;
  // seq_cst: after the announcement, so that whoever wants to end the scheduler either is seen
  // here or sees what this worker has counted, and wakes it.
  const std::uint32_t life = core_.life(std::memory_order_seq_cst);
  if ((life & task_memory::draining) != 0) core_.check_quiet();
  const bool exits = (life & task_memory::exiting) != 0;
  const bool stay = !exits && s.kept.count() == 0 && !work_visible(s);
  if (!stay && ++fruitless_rounds_ % fruitless_rounds_max == 0) let_others_finish(s);
  const bool watched = stay && !watch_cell(s) && sleep_on_cell(s);

  const bool has_work = lockfree::idle_set::is_work(s.idle->peek(s.slot));
  const bool unclaimed = s.idle->retract(s.slot, !has_work);
  s.searching = !has_work || !unclaimed;
  const work_word w = s.idle->take(s.slot);
  if (w != 0) {
    lane::count(s.stats.handed_over);
    // What came from outside since was left to this worker.
    if ((core_.outside.has_work() && !becomes_brisk(s, 1)) || has_spilled()) {
      core_.wake_for(&s, false);
    }
  }
  // It was left to the watch, or has been taken from where another kept it.
  if (w != 0 && (watched || !s.queue.looks_empty()) && work_visible(s)) core_.wake_for(&s, false);
  if (w == 0 && !s.searching) {  // it was taken back by somebody in between
    s.searching = true;
    s.idle->begin_search();
  }
  return w;
}

// Spins on the cell for as long as the idle policy says. False: still nothing.
bool worker::watch_cell(seat& s) noexcept {
  constexpr auto watching = lockfree::idle_set::watching;
  constexpr int probes_per_pause = 8;
  constexpr int pauses_per_look = 32;
  if (os::cpus() == 1) return s.idle->peek(s.slot) != watching;
  const std::uint64_t start = cpu_ticks();
  for (;;) {
    for (int i = 0; i < pauses_per_look; ++i) {
      for (int k = 0; k < probes_per_pause; ++k) {
        if (s.idle->peek(s.slot) != watching) return true;
      }
      os::spin_hint();
    }
    // relaxed: a tuning value; a change is seen within microseconds.
    const std::int64_t budget = core_.spin_for.load(std::memory_order_relaxed);
    if (budget != duration::max().count() && cpu_ticks() - start >= to_ticks(duration(budget))) {
      return false;
    }
    // relaxed: whoever sets it first wakes every worker.
    if (!core_.unwoken_posts.load(std::memory_order_relaxed)) continue;
    if (work_visible(s) || look_at_what_is_kept(s) == kept_by_others::taken) return true;
  }
}

// One of the sleepers may be a sentinel: it sleeps with a limit and looks at the queues itself, so
// that others may leave work lying for a brisk worker, or hand it in without a wake-up. True: this
// one was the sentinel.
bool worker::sleep_on_cell(seat& s) noexcept {
  lockfree::idle_set& set = *s.idle;
  lane::count(s.stats.parks);
  s.last_cpu.store(os::current_cpu(), std::memory_order_relaxed);  // relaxed: a hint
  bool sentinel = false;
  bool patient = false;  // this look follows one that saw something fresh
  int looks = 0;
  for (;;) {
    const auto seen = set.look();
    if (seen.is_brisk()) looks = 0;
    if (sentinel && looks >= unwoken_looks_max) core_.forget_unwoken();
    // seq_cst: whoever sees it set leaves its work to this look; against the clearing by another
    // sentinel. Whoever sets it first wakes a worker, which then comes by here.
    const bool unwoken = core_.unwoken_posts.load(std::memory_order_seq_cst);
    const bool wanted = unwoken || looks < sentinel_looks_max;
    if (wanted && !sentinel && seen.sentinels() == 0) {
      set.add_sentinel();
      sentinel = true;
    }
    auto kept = kept_by_others::nothing_new;
    if (sentinel) {
      wake_who_has_mail(s);
      kept = look_at_what_is_kept(s);
      if (kept == kept_by_others::taken) break;
    }
    if (!wanted && sentinel) {
      set.remove_sentinel();
      sentinel = false;
    }
    // While a worker is brisk, what moves is looked after. Otherwise this is the look that a
    // sleeper owes after every change.
    const bool found = sentinel && seen.is_brisk() ? work_stands_still(s) : work_visible(s);
    if (found) break;
    patient = kept == kept_by_others::fresh && !patient;
    const duration period = patient                      ? kept_patience
                            : looks < sentinel_looks_max ? sentinel_period
                                                         : unwoken_period;
    set.sleep(s.slot, sentinel ? os::now() + period : forever);
    if (!set.untouched(s.slot)) break;
    ++looks;
  }
  if (set.untouched(s.slot)) set.clear_brisk();  // it did not cope
  if (sentinel) set.remove_sentinel();
  return sentinel;
}

// --- Spare threads.

bool worker::wait_for_seat() noexcept {
  if (!core_.become_spare(thread_)) return false;
  while (!core_.take_assigned_seat(thread_)) {
    // acquire: as in run(); set before the wake-up that ends the park below.
    if ((core_.life(std::memory_order_acquire) & task_memory::exiting) != 0) return false;
    thread_.wake.park();
  }
  return true;
}

}  // namespace pinion::detail
