// SPDX-License-Identifier: MIT
// From the first thread of a scheduler to its last.
//
// The end in three steps, each of which can be asked for by any thread:
//   closed     outside work is refused; then nobody is inside the gate any more
//   quiet      everything accepted has run or was given up: the sums of the lanes agree
//   exited     the workers leave their loops and are joined
//
// Quiet is found without a shared count. Each lane counts what it accepted and what it finished;
// a task is counted as accepted before it can be found, and as finished after it has handed in
// whatever it hands in. Read all finished counts first, then all accepted counts: if the sums are
// equal, nothing was outstanding at the moment in between, and after close() nothing can begin.
// Who makes the last count looks at the sums, when somebody waits for it: a worker looks after it
// has announced itself idle. See the protocol page on the end of a scheduler.
#include <algorithm>
#include <chrono>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "pinion/platform/cpu.hpp"
#include "src/runtime/core.hpp"
#include "src/runtime/fork.hpp"
#include "src/runtime/worker.hpp"

namespace pinion {

using detail::client;
using detail::lane;
using detail::seat;
using detail::task_memory;
using detail::worker_thread;

namespace {

constexpr std::size_t workers_max = 256;

/// A thread is inside for less than a microsecond, unless it copies what takes its time.
constexpr int yields_max = os::shrinkable(64, 2);
constexpr duration look_period = std::chrono::microseconds(100);
constexpr std::size_t prealloc_max = std::size_t{1} << 24;
constexpr std::size_t stack_size_max = std::size_t{1} << 30;

void check(bool good, const char* option, const std::string& value, const char* limit) {
  if (!good) {
    throw std::invalid_argument("scheduler_options::" + std::string(option) + " is " + value +
                                ", must be " + limit);
  }
}

// The system shows 15 characters of a thread's name: the number has to be among them.
std::string thread_name(const std::string& scheduler, const char* kind, std::size_t number) {
  constexpr std::size_t shown = 15;
  const std::string suffix = kind + std::string(number < 10 ? "0" : "") + std::to_string(number);
  return scheduler.substr(0, shown - suffix.size()) + suffix;
}

scheduler_options checked(scheduler_options o) {
  check(o.workers <= workers_max, "workers", std::to_string(o.workers), "256 at most");
  check(o.spares <= 1024, "spares", std::to_string(o.spares), "1024 at most");
  check(o.idle.spin_for >= duration::zero(), "idle.spin_for",
        std::to_string(o.idle.spin_for.count()) + " ns", "0 or more");
  check(o.drain_for >= duration::zero(), "drain_for", std::to_string(o.drain_for.count()) + " ns",
        "0 or more");
  check(o.realtime.fifo_priority >= 0 && o.realtime.fifo_priority <= 99, "realtime.fifo_priority",
        std::to_string(o.realtime.fifo_priority), "0 to 99");
  check(o.realtime.prealloc <= prealloc_max, "realtime.prealloc",
        std::to_string(o.realtime.prealloc), "2^24 at most");
  check(o.stack_size <= stack_size_max, "stack_size", std::to_string(o.stack_size) + " bytes",
        "2^30 at most");
  check(o.when_full >= reject::fail && o.when_full <= reject::caller_runs, "when_full",
        std::to_string(static_cast<int>(o.when_full)), "fail, block or caller_runs");
  check(o.queue_limit <= (std::size_t{1} << 40), "queue_limit", std::to_string(o.queue_limit),
        "2^40 at most");
  return o;
}

}  // namespace

namespace detail {

[[gnu::tls_model("initial-exec")]] thread_local constinit current_thread current;

lane* current_thread::seat_of(const task_memory& m) const noexcept {
  const current_thread* at = this;
  while (at != nullptr && at->memory != &m) at = at->outer;
  return at != nullptr ? at->place : nullptr;
}

}  // namespace detail

scheduler_core::scheduler_core(scheduler_options chosen)
    : options(checked(std::move(chosen))),
      machine(topology::detect()),
      places(pinion::plan(machine, options.workers, options.pin)),
      clock(options.time != nullptr ? *options.time : system_time()),
      memory(share_.memory),
      room(options.queue_limit),
      delayed(*this),
      root_cancel(with_cancel(context::root(clock))) {
  set_idle_policy(options.idle);
  try {
    make_seats();
    if (options.realtime.prealloc != 0) {
      lane(memory.pools).reserve(options.realtime.prealloc);
    }
    for (std::size_t i = 0; i < seats.size(); ++i) {
      const std::lock_guard lock(threads_lock);
      threads.push_back(std::make_unique<worker_thread>());
      threads.back()->assigned = seats[i].get();
      start_thread(*threads.back(), i);
    }
    detail::register_for_fork(memory);
  } catch (...) {
    if (!threads.empty() && !threads.back()->handle.joinable()) threads.pop_back();
    tear_down();
    throw;
  }
}

// One idle set for up to 32 workers that share a cache.
void scheduler_core::make_seats() {
  const auto& workers = places.workers;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    if (i == 0 || workers[i].cache != workers[i - 1].cache ||
        cluster_sizes.back() == lockfree::idle_set::max_workers) {
      clusters.push_back(std::make_unique<lockfree::idle_set>());
      cluster_sizes.push_back(0);
    }
    seats.push_back(std::make_unique<seat>(memory.pools, outside, i, workers[i]));
    seats.back()->cluster = clusters.size() - 1;
    seats.back()->idle = clusters.back().get();
    seats.back()->slot = cluster_sizes.back()++;
  }
  for (const auto& s : seats) {
    for (const auto& tier : s->place.victims) {
      std::uint32_t mask = 0;
      for (const std::size_t v : tier) {
        if (seats[v]->cluster == s->cluster) mask |= std::uint32_t{1} << seats[v]->slot;
      }
      s->near_masks.push_back(mask);
    }
  }
}

void scheduler_core::start_thread(worker_thread& t, std::size_t number) {
  t.name = thread_name(options.name, number < seats.size() ? "-w" : "-s", number);
  t.progress.resize(2 * seats.size());  // here, where it may still fail
  t.kept_seen.resize(seats.size(), ~std::uint64_t{0});
  thread_options how;
  how.name = t.name;
  how.stack_size = options.stack_size;
  how.block_signals = options.block_signals;
  how.fifo_priority = options.realtime.fifo_priority;
  t.handle = thread(how, [this, &t] { work(t); });
  if (const std::error_code why = t.handle.fifo_refusal()) {
    note_refusal(t.name + " has no real-time priority: " + why.message());
  }
}

void scheduler_core::work(worker_thread& t) noexcept {
  detail::current = {this, &memory, nullptr};
  const executor_scope scope(*this);
  take_assigned_seat(t);  // it has one from the start
  const std::size_t first = detail::current.place->index;
  call_hook(options.on_worker_start, first);
  detail::worker(*this, t).run();
  detail::current.place = nullptr;  // nobody would run what is pushed there
  call_hook(options.on_worker_exit, first);
  detail::current = {};
}

void scheduler_core::call_hook(const std::function<void(std::size_t)>& hook,
                               std::size_t worker) noexcept {
  if (!hook) return;
  try {
    hook(worker);
  } catch (...) {
    unobserved(error(std::current_exception()), "worker hook");
  }
}

// Under the lock. Pins the thread to where its seat belongs; what the system refuses is noted.
void scheduler_core::sit_down(worker_thread& t, seat& s) noexcept {
  // relaxed: this thread's own, and statistics for others.
  if (s.place.pus.empty() || t.pinned_for.load(std::memory_order_relaxed) == &s) return;
  const std::error_code refused_by = pin_this_thread(s.place.pus);
  t.pinned_for.store(refused_by ? nullptr : &s, std::memory_order_relaxed);  // relaxed: as above
  if (!refused_by || std::exchange(t.refusal_noted, true)) return;
  note_refusal(t.name + " is not pinned: " + refused_by.message());
}

// Under the lock.
void scheduler_core::note_refusal(std::string what) noexcept {
  try {
    refusals.push_back(std::move(what));
  } catch (const std::bad_alloc&) {
  }
}

// --- The end.

bool scheduler_core::close() noexcept {
  const bool first = shut();
  (void)wait_until_nobody_is_inside(nullptr);
  return first;
}

// Who comes from now on is refused; who is inside may still hand in. True: it was open.
bool scheduler_core::shut() noexcept {
  // seq_cst: against enter_outside(), which marks itself inside and then looks at the phase.
  const std::uint32_t before = memory.life.fetch_or(task_memory::closed, std::memory_order_seq_cst);
  if ((before & task_memory::forked) != 0) return false;
  room.end_waits();
  return (before & task_memory::closed) == 0;
}

// Nobody but the calling thread, which cannot come out while it waits here. False: `patience` has
// ended before.
bool scheduler_core::wait_until_nobody_is_inside(const context* patience) noexcept {
  // relaxed: the child of a fork has had it set before it ran anything. Whoever was inside is not
  // here then, and comes out no more.
  if ((life(std::memory_order_relaxed) & task_memory::forked) != 0) return true;
  const client* mine = memory.attached();
  bool all_out = true;
  memory.for_each_client([&](client& c) {
    if (&c != mine && all_out) all_out = wait_until_out(c, patience);
  });
  return all_out;
}

bool scheduler_core::wait_until_out(client& c, const context* patience) noexcept {
  // seq_cst: pairs with the store in client::go_in(); the release that ends it makes what was
  // handed in visible.
  for (int looks = 0; std::uint32_t seen = c.inside.load(std::memory_order_seq_cst); ++looks) {
    if (patience != nullptr && patience->is_done()) return false;
    if (looks < yields_max) {
      os::yield();
    } else {  // what is copied may block, and may wait for this core or for a task of this seat
      const blocking_scope asleep;
      os::futex_wait(c.inside, seen, os::now() + look_period);
    }
  }
  return true;
}

// Is the calling thread part of what the end waits for?
bool scheduler_core::must_not_wait() noexcept {
  if (detail::current.in(*this) != nullptr) return true;
  const client* mine = memory.attached();
  return mine != nullptr && mine->inside.load(std::memory_order_relaxed) != 0;  // relaxed: its own
}

void scheduler_core::begin_drain(const context* patience) noexcept {
  shut();
  look_for_the_end(patience);
}

// What is canceled may be what a thread waits for that is inside.
void scheduler_core::begin_stop(const context* patience) noexcept {
  shut();
  // relaxed: a worker that does not see it runs a task that could have been given up.
  memory.life.fetch_or(task_memory::stopping, std::memory_order_relaxed);
  root_cancel.cancel(errc::stopped);
  delayed.give_up_all();
  look_for_the_end(patience);
}

// With patience that has ended, nobody looks until the next one ends the scheduler.
void scheduler_core::look_for_the_end(const context* patience) noexcept {
  if (!wait_until_nobody_is_inside(patience)) return;
  // seq_cst: a worker that does not see it has announced itself before, and what it counted is
  // seen by quiet().
  memory.life.fetch_or(task_memory::draining, std::memory_order_seq_cst);
  check_quiet();
}

bool scheduler_core::quiet() noexcept {
  std::uint64_t finished = given_up.load(std::memory_order_acquire);  // acquire: as in lane::count
  // Acquires what idle workers counted before they announced themselves.
  for (const auto& set : clusters) set->look();
  const auto add_finished = [&](const lane& l) {
    // acquire: what was counted before is visible; pairs with the release in lane::count.
    finished += l.ran.load(std::memory_order_acquire) +
                l.not_started.load(std::memory_order_acquire) +
                l.live_ended.load(std::memory_order_acquire);
  };
  for (const auto& s : seats) add_finished(*s);
  memory.for_each_client(add_finished);
  std::uint64_t accepted = 0;
  const auto add_accepted = [&](const lane& l) {
    // acquire: as above
    accepted +=
        l.accepted.load(std::memory_order_acquire) + l.live_begun.load(std::memory_order_acquire);
  };
  for (const auto& s : seats) add_accepted(*s);
  memory.for_each_client(add_accepted);
  return finished == accepted;
}

void scheduler_core::check_quiet() noexcept {
  if (!quiet()) return;
  wake_chain woken;
  const std::lock_guard lock(ending);
  // release: whoever sees it sees everything the tasks did; pairs with the acquire in
  // shutdown_op::try_complete.
  ended.store(true, std::memory_order_release);
  ending.claim_all(woken);
}

// For threads that count something and then neither announce themselves nor hold a lock.
void scheduler_core::check_quiet_after_change() noexcept {
  // seq_cst: an RMW on the word that begin_drain() changes: either it is seen here, or what was
  // counted is seen there.
  const std::uint32_t now = memory.life.fetch_or(0, std::memory_order_seq_cst);
  if ((now & task_memory::draining) != 0) check_quiet();
}

namespace {

std::string text_of_live(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " live coroutine" : " live coroutines");
}

}  // namespace

shutdown_report scheduler_core::report() {
  shutdown_report r;
  std::uint64_t live = 0;
  const auto add = [&](const lane& l) {
    // relaxed: a moment in the life of tasks that go on.
    live +=
        l.live_begun.load(std::memory_order_relaxed) - l.live_ended.load(std::memory_order_relaxed);
    r.ran += l.ran.load(std::memory_order_acquire);                  // acquire: as in quiet()
    r.not_started += l.not_started.load(std::memory_order_acquire);  // acquire: as in quiet()
  };
  for (const auto& s : seats) add(*s);
  memory.for_each_client(add);
  r.not_started += given_up.load(std::memory_order_acquire);  // acquire: as in quiet()
  // Nothing is left, though a worker may not have come back yet from the coroutine that was last.
  // acquire: as in shutdown_op::try_complete.
  if (ended.load(std::memory_order_acquire)) return r;
  const std::lock_guard lock(threads_lock);
  for (const auto& t : threads) {
    // relaxed: a moment in the life of a task that runs on.
    const char* task = t->running.load(std::memory_order_relaxed);
    if (task != nullptr) r.blocking.push_back({task, t->name});
  }
  memory.named.for_each([&](const char* name, std::uint64_t count) {
    r.blocking.push_back({text_of_live(count) + ": " + name, ""});
    live -= std::min(live, count);
  });
  if (live != 0) r.blocking.push_back({text_of_live(live), ""});
  if (const std::size_t n = others_inside(); n != 0) {
    r.blocking.push_back({std::to_string(n) + " threads that hand in", ""});
  }
  return r;
}

// Threads that the end still waits for.
std::size_t scheduler_core::others_inside() noexcept {
  // relaxed: a moment in the life of threads that go on. Once it is draining, whoever comes
  // in is refused.
  if ((life(std::memory_order_relaxed) & task_memory::draining) != 0) return 0;
  const client* mine = memory.attached();
  std::size_t count = 0;
  memory.for_each_client([&](const client& c) {
    // relaxed: as above.
    if (&c != mine && c.inside.load(std::memory_order_relaxed) != 0) ++count;
  });
  return count;
}

void scheduler_core::join_all() noexcept {
  // seq_cst: before the wake-ups that follow.
  memory.life.fetch_or(task_memory::exiting, std::memory_order_seq_cst);
  wake_all();
  for (std::size_t i = 0;; ++i) {
    worker_thread* t = nullptr;
    {
      const std::lock_guard lock(threads_lock);
      for (worker_thread* s = spares; s != nullptr; s = s->next_spare) s->wake.unpark();
      spares = nullptr;
      if (i < threads.size()) t = threads[i].get();
    }
    if (t == nullptr) return;
    const blocking_scope asleep;  // a hook of its thread may wait for one of ours
    t->handle.join();
  }
}

void scheduler_core::tear_down() noexcept {
  join_all();
  (void)wait_until_nobody_is_inside(nullptr);
  // acquire: what they did is over; pairs with the release in ~late_hand.
  while (late_hands.load(std::memory_order_acquire) != 0) os::yield();
  memory.for_each_client([](client& c) { c.producer.reset(); });
  for (const auto& s : seats) {
    memory.results_of_seats += s->results.load(std::memory_order_relaxed);  // relaxed: joined
  }
  seats.clear();
  detail::unregister_for_fork(memory);
}

scheduler_core::~scheduler_core() {
  tear_down();
}

// What the destructor of a scheduler does: drain for a while, then stop, and say what was left.
void scheduler_core::end_all() noexcept {
  try {
    const auto limited = with_timeout(context::background(), options.drain_for);
    const auto drained = shutdown_op(*this, shutdown_op::how::drain, &limited).wait();
    // acquire: as in shutdown_op::try_complete.
    if (ended.load(std::memory_order_acquire)) return;
    for (const blocker& b : drained->blocking) {
      unobserved(error("still runs at the end of its scheduler"), b.task.c_str());
    }
  } catch (const std::exception&) {  // no memory or thread for a limit, or no memory for a report
    drain_unaided();
  }
  begin_stop(nullptr);
  wait_until_ended();
}

// For as long as a drain may take here, without a context: looks again and again.
void scheduler_core::drain_unaided() noexcept {
  const time_point limit = add_saturating(os::now(), options.drain_for);
  os::atomic<std::uint32_t> nobody_wakes{0};
  const blocking_scope asleep;
  begin_drain(nullptr);
  // acquire: as in shutdown_op::try_complete.
  while (!ended.load(std::memory_order_acquire)) {
    if (os::now() >= limit) return unobserved(errc::deadline_exceeded, "the end of a scheduler");
    (void)os::futex_wait(nobody_wakes, 0, add_saturating(os::now(), look_period));
  }
}

// As shutdown_op does, but without a report, which takes memory.
void scheduler_core::wait_until_ended() noexcept {
  parker thread;
  waiter who(thread);
  wait_link link{&who, nullptr, nullptr};
  {
    const std::lock_guard lock(ending);
    // acquire: as in shutdown_op::try_complete.
    if (ended.load(std::memory_order_acquire)) return;
    ending.push_back(link);
  }
  sleep_until_woken(who, thread);
}

// The calling thread is a worker of the scheduler that ends, or is in the middle of handing in, so
// it cannot wait for itself.
void scheduler_core::end_from_inside(std::unique_ptr<scheduler_core> core) noexcept {
  scheduler_core* raw = core.release();
  try {
    thread(thread_options{.name = raw->options.name + "-end"}, [raw] {
      raw->end_all();
      delete raw;
    }).detach();
  } catch (const std::exception&) {
    raw->unobserved(error(errc::would_deadlock), "a scheduler destroyed by its own task is leaked");
  }
}

}  // namespace pinion
