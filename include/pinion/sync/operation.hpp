// SPDX-License-Identifier: MIT
// Operations: everything that may wait.
//
// A verb that may wait (recv, send, acquire, sleep, join ...) only describes the wait. What it
// returns is run in one of these ways, and each yields result<value_type>:
//
//     auto v = jobs.recv(ctx).wait();      on any thread
//     auto v = co_await jobs.recv(ctx);    in a coroutine
//
// How one wait goes:
//
//     who waits                                  whoever ends it: a peer, close, a timer, cancel
//  1  context done?     its error; object untouched
//  2  lock the object; a select locks all of its
//     cases' objects, in address order         a  lock the object
//  3  try_complete()    possible now? take()   b  have the outcome in hand: the value, the permit
//  4  enlist(waiter)    join the queue         c  claim the first waiter still open: one CAS
//  5  unlock; enlist in the context            d  store the outcome in the winner's operation
//  6  commit(); sleep or suspend               e  unlock, then wake; touch nothing of it again
//  7  lock as in 2; withdraw() what lost
//  8  the context won? its error; else take()
//
// The claim in c is the only decision. A loser (a late cancel, a second sender, another case of
// the select) has done nothing and undoes nothing; nobody looks at a flag after waking. Nothing
// is claimed with empty hands, so what was handed over is never lost and what was not is never
// taken. A select joins all its queues under all their locks: nobody meets half of it, and when
// two selects pair, only the sleeping one needs to be claimed.
#pragma once

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <utility>

#include "pinion/platform/cpu.hpp"
#include "pinion/platform/parker.hpp"
#include "pinion/sync/context_link.hpp"
#include "pinion/sync/lock_set.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion {

/// What a type must provide. The ways to run it come from operation_base.
///
///   collect(locks)  Names the list (or lists) of its object; the same ones every time.
///
/// The next three are called with those locks held:
///   try_complete()  Finishes now if that needs no waiting. True: call take(), nothing else.
///                   False: no effect.
///   enlist(w)       Joins the queue. Follows a try_complete() that was false.
///   withdraw()      Leaves the queue and lets those behind it have what it blocked. Always
///                   follows enlist(); if it had not won, the operation may be run again.
/// What enlist() and withdraw() must not do under the locks, such as waking those who now have
/// what they wanted, they add to left_over() of the waiter.
///
///   owns(link)      Is this one of my links? Tells a select which case won.
///   take()          The outcome. Once, after try_complete() was true or an own link won.
///
/// An operation may also have try_now(), called with no lock held: finishes as try_complete()
/// does, by one word that says whether anybody waits. An object with a waiter never takes that
/// road, so nobody is overtaken.
template <class Op>
concept operation = std::move_constructible<Op> &&
    requires(Op& op, const Op& constant, waiter& w, lock_set& locks, const wait_link& link) {
  typename Op::value_type;
  { op.collect(locks) }
  noexcept;
  { op.try_complete() }
  noexcept->std::same_as<bool>;
  { op.enlist(w) }
  noexcept;
  { op.withdraw() }
  noexcept;
  { constant.owns(link) }
  noexcept->std::same_as<bool>;
  { op.take() } -> std::same_as<result<typename Op::value_type>>;
};

/// What an attempt without the lock came to.
enum class attempt : std::uint8_t {
  done,        // call take()
  not_ready,   // nobody waits in line, so it is worth another look soon
  needs_lock,  // somebody waits, or the verb has no such way
};

/// How long a wait looks for a way around the lock before it takes its place in line.
inline constexpr duration spin_before_line = std::chrono::microseconds(4);
inline constexpr unsigned pauses_between_looks_max = 64;

/// Step 6 for a thread: spins for a moment unless it has, then parks and lends its core.
/// @pre  somebody has claimed the waiter or will
void sleep_until_woken(waiter&, parker&, bool has_spun = false) noexcept;

/// Bridges an operation to co_await. Lives in the coroutine's frame, with the waiter.
template <class Op>
class operation_awaiter {
 public:
  explicit operation_awaiter(Op& op) noexcept : op_(op) {}
  operation_awaiter(const operation_awaiter&) = delete;
  operation_awaiter& operator=(const operation_awaiter&) = delete;
  ~operation_awaiter() {}  // who_ holds nothing: what it left over is done

  bool await_ready() noexcept {  // 1, and 3 without the lock
    if (op_.own_context().ended()) return true;
    how_ = end::plain;
    return op_.finish_now(op_);
  }
  bool await_suspend(std::coroutine_handle<> suspended) noexcept;  // 2 to 6
  result<typename Op::value_type> await_resume() {                 // 7 and 8
    return how_ == end::plain ? op_.take() : resume_late();
  }

 private:
  // Plain: at once, or by who claimed the only link and took it out of the line; all that is left
  // is take().
  enum class end : std::uint8_t { by_context, plain, by_waker };

  [[gnu::noinline]] bool begin_among_others(std::coroutine_handle<>) noexcept;
  [[gnu::noinline]] result<typename Op::value_type> resume_late();

  Op& op_;
  end how_ = end::by_context;
  union {
    waiter who_;  // from await_suspend() on
  };
};

/// Derive from it, provide the functions above, and `Op` can be run.
/// May be moved while it is not being run. The context must outlive the run. As a case of a
/// select, an operation whose own context ends wins, with that error.
template <class Op, class T>
class operation_base {
 public:
  using value_type = T;

  /// @blocks    the thread; a worker thread lends its core meanwhile. Ends early with the context
  /// @order     sees what was done before the call that ended it
  /// @cost      no allocation; no system call unless it has to sleep
  result<T> wait();

  /// @pre       the coroutine runs on a thread of an executor, which resumes it
  /// @order     as wait()
  /// @cost      no allocation
  operation_awaiter<Op> operator co_await() & noexcept {
    return operation_awaiter<Op>(static_cast<Op&>(*this));
  }
  operation_awaiter<Op> operator co_await() && noexcept {
    return operation_awaiter<Op>(static_cast<Op&>(*this));
  }

  // For those who run it. An operation made of others has its own: their contexts join, too.
  bool enlist_contexts(waiter& who) noexcept { return context_.enlist(who); }
  void withdraw_contexts() noexcept { context_.withdraw(); }
  const context_link& own_context() const noexcept { return context_; }

 protected:
  explicit operation_base(const context* bound = nullptr) noexcept : context_(bound) {}

  void bind(const context* bound) noexcept { context_ = context_link(bound); }

 private:
  friend class operation_awaiter<Op>;

  static bool finish_now(Op& self) noexcept;
  bool begin(Op& self, waiter& who) noexcept;
  result<T> finish(Op& self, waiter& who);
  [[gnu::noinline]] static bool look_again(Op& self) noexcept;
  [[gnu::noinline]] result<T> wait_in_line(Op& self, bool has_spun);

  context_link context_;
};

// Step 3 without the lock, where the operation has a way to do that.
template <class Op, class T>
bool operation_base<Op, T>::finish_now(Op& self) noexcept {
  if constexpr (requires { self.try_now(); }) {
    return self.try_now();
  } else {
    return false;
  }
}

// With all its objects locked; most have one.
template <class Op, class F>
void with_locks_of(Op& op, F act) noexcept {
  if constexpr (requires { op.list(); }) {
    wait_list& only = op.list();
    only.lock();
    act();
    only.unlock();
  } else {
    lock_set locks;
    locks.lock(op);
    act();
    locks.unlock(op);
  }
}

// Steps 2 to 4. False: completed at once.
template <class Op, class T>
bool operation_base<Op, T>::begin(Op& self, waiter& who) noexcept {
  bool waits = false;
  with_locks_of(self, [&] {
    waits = !self.try_complete();
    if (waits) self.enlist(who);
  });
  who.finish_left_over();
  return waits;
}

// Steps 7 and 8.
template <class Op, class T>
result<T> operation_base<Op, T>::finish(Op& self, waiter& who) {
  self.withdraw_contexts();  // 7
  if constexpr (requires { self.is_out(who); }) {
    if (self.is_out(who)) return self.take();
  }
  with_locks_of(self, [&] { self.withdraw(); });
  who.finish_left_over();
  if (who.winner() == &context_) return context_.reason();  // 8
  return self.take();
}

// The way around the lock was open, and it was not ready. A peer that runs is about to change that.
// Looks become rarer, because each takes a line from that peer: the next one comes at most as much
// later as the wait has lasted.
template <class Op, class T>
bool operation_base<Op, T>::look_again(Op& self) noexcept {
  attempt last = attempt::not_ready;
  unsigned pauses = 1;
  for (spin_budget budget(spin_before_line); last == attempt::not_ready;
       last = self.attempt_now()) {
    for (unsigned i = 0; i < pauses; ++i)
      if (!budget.spin()) return false;
    if (pauses < pauses_between_looks_max) pauses *= 2;
  }
  return last == attempt::done;
}

template <class Op, class T>
result<T> operation_base<Op, T>::wait() {
  if (context_.ended()) return context_.reason();  // 1
  Op& self = static_cast<Op&>(*this);
  if constexpr (requires { self.attempt_now(); }) {
    const attempt first = self.attempt_now();
    if (first == attempt::done) return self.take();
    if (first == attempt::not_ready && look_again(self)) return self.take();
    return wait_in_line(self, first == attempt::not_ready);
  } else {
    return finish_now(self) ? self.take() : wait_in_line(self, false);
  }
}

template <class Op, class T>
result<T> operation_base<Op, T>::wait_in_line(Op& self, bool has_spun) {
  parker thread;
  waiter who(thread);
  if (!begin(self, who)) return self.take();                                // 2 to 4
  if (self.enlist_contexts(who)) sleep_until_woken(who, thread, has_spun);  // 5, 6
  return finish(self, who);                                                 // 7, 8
}

// Never inlined: after the commit another thread may run the coroutine to its end, so nothing of
// this function may be in the frame, where Clang before 19 puts what it has inlined.
template <class Op>
[[gnu::noinline]] bool operation_awaiter<Op>::await_suspend(
    std::coroutine_handle<> suspended) noexcept {
  if constexpr (requires { op_.stands_alone(); }) {
    if (op_.stands_alone()) return op_.begin_alone({&who_, suspended});
  }
  return begin_among_others(suspended);
}

// Never inlined: it would burden the way of those who stand alone.
template <class Op>
bool operation_awaiter<Op>::begin_among_others(std::coroutine_handle<> suspended) noexcept {
  waiter& who = *std::construct_at(&who_, suspended, this_executor());
  if (!op_.begin(op_, who)) return false;
  how_ = end::by_waker;
  return op_.enlist_contexts(who) && who.commit();
}

template <class Op>
result<typename Op::value_type> operation_awaiter<Op>::resume_late() {
  return how_ == end::by_context ? op_.own_context().reason() : op_.finish(op_, who_);
}

}  // namespace pinion
