// SPDX-License-Identifier: MIT
// Handing in: from a thread with a node to a place where a worker finds it.
#include <array>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "pinion/platform/cpu.hpp"
#include "src/runtime/core.hpp"

namespace pinion {

using detail::admission;
using detail::client;
using detail::lane;
using detail::seat;
using detail::task_memory;
using detail::task_node;
using detail::word_of;
using detail::work_word;

namespace {

client& client_of(admission a) noexcept {
  return static_cast<client&>(*a.where);
}
seat& seat_of(admission a) noexcept {
  return static_cast<seat&>(*a.where);
}

admission refusal(errc why) noexcept {
  admission a;
  a.why = why;
  return a;
}

std::uint32_t places_up_to(std::size_t count) noexcept {
  return static_cast<std::uint32_t>(count);
}

}  // namespace

// Announces the thread as inside, so that close() waits for it, and only then looks whether the
// gate is open.
admission scheduler_core::enter_outside(client& c, std::size_t count) noexcept {
  c.go_in();
  // seq_cst: against close(), which closes and then looks at `inside`.
  const std::uint32_t life_now = memory.life.load(std::memory_order_seq_cst);
  if ((life_now & task_memory::closed) != 0 && !may_enter_closed(life_now)) [[unlikely]] {
    c.go_out();
    return refusal(errc::stopped);
  }
  return {&c, admission::kind::outside, errc::ok, false, true, places_up_to(count)};
}

// A task that lost its seat while it blocked is inside the scheduler all the same. When the workers
// leave there is no task left, and what runs on their threads is outside.
bool scheduler_core::may_enter_closed(std::uint32_t life_now) const noexcept {
  return detail::current.in(*this) != nullptr &&
         (life_now & (task_memory::forked | task_memory::exiting)) == 0;
}

admission scheduler_core::enter_unlimited(std::size_t count) {
  if (seat* mine = detail::current.seat_of(*this)) {
    return {mine, admission::kind::worker, errc::ok, false, true, places_up_to(count)};
  }
  client* c = memory.attach(outside);
  return c != nullptr ? enter_outside(*c, count) : refusal(errc::stopped);
}

admission scheduler_core::enter(const context* ctx, std::size_t count) {
  const admission way = enter_unlimited(count);
  if (way.how == admission::kind::worker || !room.limited() ||
      way.how == admission::kind::refused || detail::current.in(*this) != nullptr) {
    return way;
  }
  return take_places(way, ctx, count);
}

// Under a limit: as many places as there are, or what the policy says when there are none.
admission scheduler_core::take_places(admission way, const context* ctx, std::size_t count) {
  const std::size_t got = room.try_take(count);
  if (got != 0) {
    way.places = places_up_to(got);
    way.counted = true;
    return way;
  }
  client& c = client_of(way);
  if (options.when_full == reject::caller_runs) {
    way.how = admission::kind::run_here;
    way.places = 1;
    return way;
  }
  c.go_out();
  if (options.when_full == reject::fail) return refusal(errc::overloaded);
  // Outside again while it waits, so that close() does not wait for it.
  const result<> place = room.take(ctx).wait();
  if (!place) return refusal(place.error().code());
  way = enter_outside(c, 1);
  if (way.how == admission::kind::refused) {
    room.give_back(1);
  } else {
    way.counted = true;
  }
  return way;
}

admission scheduler_core::try_enter() noexcept {
  if (seat* mine = detail::current.seat_of(*this)) {
    return {mine, admission::kind::worker, errc::ok, false, false, 1};
  }
  client* c = memory.attached();
  if (c == nullptr) return refusal(errc::not_ready);
  admission way = enter_outside(*c, 1);
  way.may_allocate = false;
  if (way.how == admission::kind::refused || !room.limited()) return way;
  if (room.try_take(1) == 0) {
    c->go_out();
    return refusal(errc::overloaded);
  }
  way.counted = true;
  return way;
}

void scheduler_core::leave(admission way) noexcept {
  if (way.counted) room.give_back(way.places);
  go_out(way);
}

// A callable that is copied, or a range that is gone through, may block, and the worker's seat is
// somebody else's then. Its thread goes on by its record, as a task without a seat does; it is let
// in whatever the gate says.
void scheduler_core::look_again(admission& way) noexcept {
  if (way.how != admission::kind::worker || detail::current.seat_of(*this) == way.where) return;
  client& mine = *memory.attached();  // lend_seat() has made sure of it
  mine.go_in();
  way.where = &mine;
  way.how = admission::kind::outside;
}

// The last thing that a thread from outside does here: its task may have been the last one.
void scheduler_core::go_out(admission way) noexcept {
  if (way.how != admission::kind::worker) client_of(way).go_out();
}

void scheduler_core::accept(admission way, task_node& node, const post_options& with) noexcept {
  node.name = with.name;
  node.counted = way.counted;
  lane::count(way.where->accepted);
  switch (way.how) {
    case admission::kind::worker:
      if (way.may_allocate || seat_of(way).queue.has_room()) {
        push_own(seat_of(way), word_of(node));
      } else {
        spill(word_of(node));
      }
      if (with.wake) wake_for(&seat_of(way), false);
      break;
    case admission::kind::run_here:
      return run_here(client_of(way), node);
    default:
      push_outside(client_of(way), word_of(node), with.wake, way.may_allocate);
  }
  if (!with.wake) note_unwoken();
  go_out(way);
}

void scheduler_core::accept_later(admission way, task_node& node, const post_options& with,
                                  void* timer) noexcept {
  node.name = with.name;
  node.counted = way.counted;
  lane::count(way.where->accepted);
  delayed.add(timer, node, with.after);
  go_out(way);
}

void scheduler_core::push_own(seat& s, work_word work) noexcept {
  try {
    s.queue.push(work);
  } catch (const std::bad_alloc&) {
    spill(work);
  }
}

void scheduler_core::push_outside(client& c, work_word work, bool wake,
                                  bool may_allocate) noexcept {
  // Straight to an idle worker, unless older work waits in the queue.
  if (wake && !outside.maybe_work() && place_directly(c, work)) return;
  const bool queued = push_to_queue(*c.producer, work, may_allocate);
  if (!queued) spill(work);
  // Sentinels and brisk workers look after the queue, not after what was spilled.
  if (wake) wake_for(nullptr, queued);
}

bool scheduler_core::push_to_queue(lockfree::injector::producer& from, work_word work,
                                   bool may_allocate) noexcept {
  if (!may_allocate) return outside.try_push(from, work);
  try {
    outside.push(from, work);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// What the queues had no memory for; workers look here before they look anywhere else.
void scheduler_core::spill(work_word work) noexcept {
  work_word before = spilled.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  do {
    detail::link(work, before);
    // seq_cst: publishes the work, before the look at the idle word that follows.
  } while (!spilled.compare_exchange_weak(before, work, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
}

void scheduler_core::run_here(client& c, task_node& node) noexcept {
  const std::uint8_t size_class = node.size_class;
  const detail::late_hand here(late_hands);
  c.go_out();  // the callable may take its time: close() does not wait for it
  // As on a worker: its errors and its root context are this scheduler's.
  detail::current_thread before = detail::current;
  detail::current = {this, &memory, nullptr, &node, &before};
  const auto done = node.act(node, task_node::action::run);
  detail::current = before;
  if (done.give_back) c.give(&node, size_class);
  lane::count(done.started ? c.ran : c.not_started);
  check_quiet_after_change();
}

// Whoever attaches is about to hand in work without stumbling, and without a wake-up maybe.
void scheduler_core::attach() {
  if (detail::current.seat_of(*this) == nullptr && memory.attach(outside) != nullptr) {
    note_unwoken();
  }
}

// By the thread of the time source. It is inside while it hands in, so that nothing it looks at
// goes away when the task turns out to have been the last one.
void scheduler_core::enqueue_delayed(task_node& node, void* timer,
                                     std::uint8_t timer_class) noexcept {
  client* c = nullptr;
  try {
    c = memory.attach(outside);
  } catch (const std::bad_alloc&) {
  }
  if (c == nullptr) {  // the timer's memory is forgotten until the pools go
    const detail::late_hand here(late_hands);
    spill(word_of(node));
    wake_for(nullptr, false);  // as in push_outside()
    return;
  }
  c->go_in();
  c->give(timer, timer_class);
  push_outside(*c, word_of(node), true, true);
  c->go_out();
}

// A delayed task that never gets its turn.
void scheduler_core::give_up(task_node& node, void* timer, std::uint8_t timer_class) noexcept {
  if (node.counted) room.give_back(1);
  const std::uint8_t size_class = node.size_class;
  const auto done = node.act(node, task_node::action::drop);
  client* c = nullptr;
  try {
    c = memory.attach(outside);
  } catch (const std::bad_alloc&) {
  }
  if (c != nullptr) {  // otherwise the memory is forgotten until the pools go
    c->give(timer, timer_class);
    if (done.give_back) c->give(&node, size_class);
  }
  // release: counts as in lane::count; not a lane's, for any thread may stop the scheduler.
  given_up.fetch_add(1, std::memory_order_release);
}

void scheduler_core::accept_many(admission way, task_node* const* nodes, std::size_t count,
                                 const post_options& with) noexcept {
  look_again(way);  // the range may have blocked at its end
  if (count == 0) return leave(way);
  if (way.how == admission::kind::run_here) return accept(way, *nodes[0], with);  // its one place
  std::array<work_word, detail::batch::capacity> words;
  for (std::size_t i = 0; i < count; ++i) {
    nodes[i]->name = with.name;
    nodes[i]->counted = way.counted;
    words[i] = word_of(*nodes[i]);
  }
  lane::count(way.where->accepted, count);
  const bool own = way.how == admission::kind::worker;
  bool to_queue = !own;
  try {
    if (own) {
      seat_of(way).queue.push_many({words.data(), count});
    } else {
      outside.push_many(*client_of(way).producer, words.data(), count);
    }
  } catch (const std::bad_alloc&) {
    for (std::size_t i = 0; i < count; ++i) spill(words[i]);
    to_queue = false;
  }
  if (with.wake) wake_for(own ? &seat_of(way) : nullptr, to_queue);  // as in push_outside()
  if (way.counted) room.give_back(way.places - count);
  if (!with.wake) note_unwoken();
  go_out(way);
}

void scheduler_core::accept_for(admission way, std::size_t worker, task_node& node,
                                const post_options& with) noexcept {
  node.name = with.name;
  node.counted = way.counted;
  lane::count(way.where->accepted);
  seat& target = *seats[worker];
  target.inbox.push(node);
  if (with.wake) {
    wake_seat(target);
  } else {
    note_unwoken();
  }
  go_out(way);
}

void scheduler_core::count_refused(std::size_t count) noexcept {
  refused.fetch_add(count, std::memory_order_relaxed);  // relaxed: statistics
}

namespace detail {

admission gate::enter(scheduler_core& core, const context* ctx, std::size_t count) {
  return core.enter(ctx, count);
}
admission gate::try_enter(scheduler_core& core) noexcept {
  return core.try_enter();
}
void gate::leave(scheduler_core& core, admission way) noexcept {
  core.leave(way);
}
void gate::look_again(scheduler_core& core, admission& way) noexcept {
  core.look_again(way);
}
void gate::accept(scheduler_core& core, admission way, task_node& node,
                  const post_options& with) noexcept {
  core.accept(way, node, with);
}
void gate::accept_later(scheduler_core& core, admission way, task_node& node,
                        const post_options& with, void* timer) noexcept {
  core.accept_later(way, node, with, timer);
}
void gate::accept_many(scheduler_core& core, admission way, task_node* const* nodes,
                       std::size_t count, const post_options& with) noexcept {
  core.accept_many(way, nodes, count, with);
}
void gate::accept_for(scheduler_core& core, admission way, std::size_t worker, task_node& node,
                      const post_options& with) noexcept {
  core.accept_for(way, worker, node, with);
}
void gate::count_refused(scheduler_core& core, std::size_t count) noexcept {
  core.count_refused(count);
}
void gate::refuse(scheduler_core& core, errc why, const char* name) noexcept {
  core.count_refused(1);
  core.unobserved(error(why), name);
}
void gate::check_worker(const scheduler_core& core, std::size_t worker) {
  if (worker < core.seats.size()) return;
  throw std::out_of_range("post_to: worker " + std::to_string(worker) + ", but there are " +
                          std::to_string(core.seats.size()));
}
task_memory& gate::memory(scheduler_core& core) noexcept {
  return core.memory;
}
void gate::give_back(task_memory& memory, void* node, std::uint8_t size_class) noexcept {
  memory.give_back(node, size_class);
}
void gate::begin_named(task_memory& memory, const char* name) noexcept {
  memory.named.begin(name);
}
void gate::end_named(task_memory& memory, const char* name) noexcept {
  memory.named.end(name);
}
bool gate::is_run_here(const task_node& node) noexcept {
  const current_thread* at = &current;
  while (at != nullptr && at->task != &node) at = at->outer;
  return at != nullptr;
}
bool gate::runs_one_of(const void* owner) noexcept {
  for (const current_thread* at = &current; at != nullptr; at = at->outer) {
    if (at->task == nullptr || !at->task->owned) continue;
    if (static_cast<const owned_node*>(at->task)->owner == owner) return true;
  }
  return false;
}
error_hook gate::hook(const scheduler_core& core) noexcept {
  return core.options.on_unobserved_error;
}
executor_ref gate::current_executor() noexcept {
  if (current.core == nullptr) return this_executor();  // the child of a fork: see forget()
  return *current.core;
}
void* gate::take_timer(scheduler_core& core, lane& from) {
  if (!core.clock.prepare()) {
    throw std::system_error(make_error_code(errc::unavailable), "no thread for delayed work");
  }
  return delayed_work::take_timer(from);
}
void gate::give_timer(lane& to, void* timer) noexcept {
  delayed_work::give_timer(to, timer);
}

}  // namespace detail
}  // namespace pinion
