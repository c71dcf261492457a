// SPDX-License-Identifier: MIT
// Whose turn it is: announcing, choosing, waiting, spinning, and the passing of time.
#include <algorithm>
#include <utility>

#include "tests/model/support/execution.hpp"

namespace pinion::model {

namespace {

// Every look at the clock takes a moment, so who spins until a certain time comes to an end.
constexpr std::int64_t clock_step_ns = 1'000;

// So many rounds of nothing but spinning, in which nobody writes, are taken for endless.
constexpr std::size_t idle_rounds_max = 400;

}  // namespace

// --- Turns.

location_index execution::announce(operation what, const void* address, std::uint64_t initial,
                                   bool writes, bool in_total_order, place at) {
  const location_index l = memory_.find(address, initial);
  // An atomic is usable by who knows that it has been made, until it is destroyed; that may
  // happen while this thread waits for its turn.
  if (!memory_.is_visible(l, me().memory)) fail("an atomic is used before it is published", at);
  me().next = intents_[running_] = {what, l, writes, in_total_order};
  yield_turn();
  if (memory_.is_destroyed(l) && what != operation::destroy)
    fail("an atomic is used after its end", at);
  return l;
}

void execution::announce(operation what, bool in_total_order) {
  me().next = intents_[running_] = {what, 0, false, in_total_order};
  yield_turn();
}

void execution::yield_turn() {
  if (++steps_ > options_.steps) fail("no end: too many steps", place::here());
  if (me().is == state::ready && freezes()) me().is = state::frozen;
  collect_candidates();
  if (candidates_.empty()) {
    const bool all_ended = std::all_of(threads_.begin(), threads_.begin() + std::ptrdiff_t(count_),
                                       [](const auto& t) { return t->is == state::ended; });
    if (!all_ended) fail_stuck();
    heap::watch(false);
    fiber::switch_to(me().runs, outside_);
  }
  const bool may_go_on = me().is == state::ready;
  const std::size_t k =
      strategy_.pick_thread({candidates_, may_go_on, {intents_.data(), count_}, steps_});
  if (k == strategy::nothing_new) drop();
  if (candidates_.size() > 1) decisions_.push_back(static_cast<std::uint8_t>(k));
  const thread_index next = candidates_[k];
  if (threads_[next]->is == state::waiting) end_wait_in_time(next);
  threads_[next]->is = state::ready;
  if (next == running_) return;
  const thread_index before = std::exchange(running_, next);
  fiber::switch_to(threads_[before]->runs, threads_[next]->runs);
}

// Not one that is joined by now: that is when it must go on.
bool execution::freezes() {
  if (left_.freezes == 0 || !me().may_freeze) return false;
  for (thread_index i = 0; i < count_; ++i)
    if (threads_[i]->is == state::waiting && threads_[i]->waits_for == running_) return false;
  const std::size_t k = strategy_.pick_rare();
  decisions_.push_back(static_cast<std::uint8_t>(k));
  left_.freezes -= static_cast<unsigned>(k);
  return k != 0;
}

// Who is ready; if nobody is, who waits with a deadline or spins until a certain time: then time
// passes. If nobody does, who spins for ever: he may have looked at an old store.
void execution::collect_candidates() {
  candidates_.clear();
  const auto add_all = [&](auto&& which) {
    if (which(me())) candidates_.push_back(running_);
    for (thread_index i = 0; i < count_; ++i)
      if (i != running_ && which(*threads_[i])) candidates_.push_back(i);
  };
  const auto is_timed = [](const one_thread& t) {
    return t.is == state::waiting && t.deadline.has_value();
  };
  add_all([](const one_thread& t) { return t.is == state::ready; });
  if (!candidates_.empty()) {
    if (left_.timeouts == 0) return;
    for (thread_index i = 0; i < count_; ++i)
      if (is_timed(*threads_[i])) candidates_.push_back(i);
    return;
  }
  add_all([&](const one_thread& t) {
    return is_timed(t) || (t.is == state::pausing && t.saw_clock_since_pause);
  });
  if (!candidates_.empty() || ++idle_rounds_ > idle_rounds_max) return;
  add_all([](const one_thread& t) { return t.is == state::pausing; });
}

void execution::end_wait_in_time(thread_index index) {
  one_thread& t = *threads_[index];
  const bool others_could = std::any_of(
      threads_.begin(), threads_.begin() + std::ptrdiff_t(count_),
      [&](const auto& other) { return other.get() != &t && other->is == state::ready; });
  if (others_could) --left_.timeouts;
  clock_ns_ = std::max(clock_ns_, *t.deadline);
  t.waits_on = nullptr;
  t.was_woken = false;
}

void execution::fail_stuck() {
  const auto some_are = [&](state what) {
    return std::any_of(threads_.begin(), threads_.begin() + std::ptrdiff_t(count_),
                       [&](const auto& t) { return t->is == what; });
  };
  if (some_are(state::frozen))
    fail("stuck: a thread that is frozen holds up others", place::here());
  fail(some_are(state::pausing) ? "stuck: threads spin, and nobody can end it"
                                : "stuck: every thread waits (a lost wake-up?)",
       place::here());
}

void execution::note_write() {
  idle_rounds_ = 0;
  me().wrote_since_pause = true;
  for (thread_index i = 0; i < count_; ++i)
    if (i != running_ && threads_[i]->is == state::pausing) threads_[i]->is = state::ready;
}

// --- Spinning.

// A pure spin goes on only when somebody else has written: before that it would see the same.
void execution::pause() {
  const heap::unwatched scope;
  announce(operation::pause);
  one_thread& t = me();
  if (!memory_.saw_old_stores(t.memory) && !t.wrote_since_pause) {
    t.is = state::pausing;
    yield_turn();
  }
  t.wrote_since_pause = t.saw_clock_since_pause = false;
  memory_.look_again(t.memory);
}

// --- Waiting.

auto execution::wait(const void* address, std::uint64_t initial, std::uint32_t expected,
                     std::optional<std::int64_t> deadline, place at) -> wait_end {
  const heap::unwatched scope;
  const location_index l = announce(operation::wait, address, initial, false, true, at);
  // The kernel: a full barrier, then a plain look at the word under the lock of its queue.
  memory_.full_barrier(me().memory, running_);
  const store_index newest = memory_.newest(l);
  const store_index oldest = memory_.oldest(l, me().memory, order::relaxed);
  const store_index s = newest - static_cast<store_index>(decide(newest - oldest + 1));
  memory_.read(l, s, me().memory, order::relaxed);
  note(operation::wait, l, memory_.value(l, s), s, order::relaxed, at);
  if (static_cast<std::uint32_t>(memory_.value(l, s)) != expected) return wait_end::changed;
  if (deadline && *deadline <= clock_ns_) return wait_end::timed_out;
  if (goes_wrong(left_.spurious)) return wait_end::woken;
  one_thread& t = me();
  t.is = state::waiting;
  t.waits_on = address;
  t.deadline = deadline;
  t.was_woken = false;
  yield_turn();
  return t.was_woken ? wait_end::woken : wait_end::timed_out;
}

// By address only: the word may be gone.
int execution::wake(const void* address, int count, place at) {
  const heap::unwatched scope;
  (void)as_changed(operation::wake, order::relaxed, at);
  if (is_dropped(operation::wake, at)) return 0;
  announce(operation::wake, true);
  memory_.full_barrier(me().memory, running_);
  note(operation::wake, 0, static_cast<std::uint64_t>(count), 0, order::seq_cst, at);
  int woken = 0;
  for (; woken < count; ++woken) {
    std::array<thread_index, max_threads> sleepers;
    std::size_t found = 0;
    for (thread_index i = 0; i < count_; ++i)
      if (threads_[i]->is == state::waiting && threads_[i]->waits_on == address)
        sleepers[found++] = i;
    if (found == 0) break;
    one_thread& t = *threads_[sleepers[decide(found)]];
    t.is = state::ready;
    t.waits_on = nullptr;
    t.was_woken = true;
  }
  return woken;
}

// --- Time and chance.

std::int64_t execution::now_ns() {
  if (running_ != nobody) {
    me().saw_clock_since_pause = true;
    idle_rounds_ = 0;
  }
  return clock_ns_ += clock_step_ns;
}

std::uint64_t execution::random_number() {
  const heap::unwatched scope;
  return decide(options_.random_numbers);
}

}  // namespace pinion::model
