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
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

#include "pinion/platform/cpu.hpp"
#include "pinion/platform/parker.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion {

class context;

/// The locks a wait needs, taken in address order, each once. Any number of them without an
/// allocation: it remembers the lowest few and asks again for those above.
class lock_set {
 public:
  lock_set() noexcept {}

  void add(wait_list& list) noexcept {
    if (count_ == 0 && above_ == nullptr) {
      lists_[count_++] = &list;  // most have only this one
    } else {
      insert(list);
    }
  }

  template <class Op>
  void lock(Op& op) noexcept {
    for_each(op, [](wait_list& list) { list.lock(); });
  }
  template <class Op>
  void unlock(Op& op) noexcept {
    if (above_ != nullptr) return for_each(op, [](wait_list& list) { list.unlock(); });
    for (std::size_t i = 0; i < count_; ++i) lists_[i]->unlock();  // they are all still here
  }

 private:
  static constexpr std::size_t capacity = 8;

  template <class Op, class F>
  void for_each(Op& op, F act) noexcept {
    above_ = nullptr;
    do {
      count_ = 0;
      overflowed_ = false;
      op.collect(*this);
      for (std::size_t i = 0; i < count_; ++i) act(*lists_[i]);
      if (overflowed_) above_ = lists_[count_ - 1];
    } while (overflowed_);
  }
  void insert(wait_list&) noexcept;

  std::size_t count_ = 0;
  bool overflowed_ = false;     // there are more, above the highest of these
  wait_list* above_ = nullptr;  // those up to this one have had their turn
  wait_list* lists_[capacity];  // sorted
};

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

/// The context's part in a wait: one more link that may win it. Movable while not enlisted.
class context_link : public wait_link {
 public:
  explicit context_link(const context* bound) noexcept : bound_(bound) {}

  const context* bound() const noexcept { return bound_; }  // null: cannot be canceled

  bool ended() const noexcept { return bound_ != nullptr && is_done(); }  // step 1
  error reason() const noexcept;  // what a wait reports that ended or began with ended()

  /// Step 5. False: the context is done and has won, here and now; nobody will wake the waiter.
  bool enlist(waiter& who) noexcept { return bound_ == nullptr || join(who); }
  void withdraw() noexcept {
    if (list_ != nullptr) leave();
  }

 private:
  bool is_done() const noexcept;
  bool join(waiter&) noexcept;
  void leave() noexcept;

  const context* bound_;
  wait_list* list_ = nullptr;  // where it stands while enlisted
};

/// How long a wait looks for a way around the lock before it takes its place in line.
inline constexpr duration spin_before_line = std::chrono::microseconds(4);
inline constexpr unsigned pauses_between_looks_max = 64;

/// Step 6 for a thread: spins for a moment, then parks and lends its core meanwhile.
/// @pre  somebody has claimed the waiter or will
void sleep_until_woken(waiter&, parker&) noexcept;

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
    how_ = end::at_once;
    return op_.finish_now(op_);
  }
  bool await_suspend(std::coroutine_handle<> suspended) noexcept;  // 2 to 6
  result<typename Op::value_type> await_resume();                  // 7 and 8

 private:
  enum class end : std::uint8_t { by_context, at_once, by_waker };

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
  [[gnu::noinline]] result<T> wait_in_line(Op& self);

  context_link context_;
};

/// The operation nearly every verb returns: an object, and that object's way to do the verb.
/// `Payload` is what it carries to the object, e.g. the value to send.
template <class T = void, class Payload = std::monostate>
class [[nodiscard]] op : public operation_base<op<T, Payload>, T>, private wait_link {
 public:
  /// The object's side, one constant table per verb.
  struct verb {
    wait_list& (*list)(op&) noexcept;
    bool (*try_complete)(op&) noexcept;
    void (*enlist)(op&, waiter&) noexcept;
    void (*withdraw)(op&) noexcept;
    result<T> (*take)(op&);
    attempt (*try_now)(op&) noexcept = nullptr;  // optional: without the lock
  };

  op(const verb& how, void* object, const context* bound, Payload carried = {}) noexcept
      : operation_base<op, T>(bound), how_(&how), object_(object), payload_(std::move(carried)) {}
  op(op&&) = default;
  op& operator=(op&&) = default;

  /// Still here if the operation did not succeed: a value that was not sent is not lost.
  Payload& payload() noexcept { return payload_; }

  // For the functions of a verb.
  void* object() const noexcept { return object_; }
  std::uint64_t& word() noexcept { return word_; }  // the verb's own: an amount, a time
  wait_link& link() noexcept { return *this; }
  wait_link& link(waiter& who) noexcept {  // made ready for `who`
    wait_link::operator=({&who, nullptr, nullptr});
    return *this;
  }
  static op& of(wait_link& link) noexcept { return static_cast<op&>(link); }  // whose it is

  wait_list& list() noexcept { return how_->list(*this); }
  void collect(lock_set& locks) noexcept { locks.add(list()); }
  bool try_now() noexcept { return attempt_now() == attempt::done; }
  bool try_complete() noexcept { return how_->try_complete(*this); }
  void enlist(waiter& who) noexcept { how_->enlist(*this, who); }
  void withdraw() noexcept { how_->withdraw(*this); }
  bool owns(const wait_link& link) const noexcept { return &link == this; }
  result<T> take() { return how_->take(*this); }
  attempt attempt_now() noexcept {
    return how_->try_now != nullptr ? how_->try_now(*this) : attempt::needs_lock;
  }

 private:
  const verb* how_;
  void* object_;
  std::uint64_t word_ = 0;
  [[no_unique_address]] Payload payload_;
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

// Steps 2 to 4. False: completed at once.
template <class Op, class T>
bool operation_base<Op, T>::begin(Op& self, waiter& who) noexcept {
  lock_set locks;
  locks.lock(self);
  const bool waits = !self.try_complete();
  if (waits) self.enlist(who);
  locks.unlock(self);
  who.finish_left_over();
  return waits;
}

// Steps 7 and 8.
template <class Op, class T>
result<T> operation_base<Op, T>::finish(Op& self, waiter& who) {
  self.withdraw_contexts();  // 7
  lock_set locks;
  locks.lock(self);
  self.withdraw();
  locks.unlock(self);
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
  } else {
    if (finish_now(self)) return self.take();
  }
  return wait_in_line(self);
}

template <class Op, class T>
result<T> operation_base<Op, T>::wait_in_line(Op& self) {
  parker thread;
  waiter who(thread);
  if (!begin(self, who)) return self.take();                      // 2 to 4
  if (self.enlist_contexts(who)) sleep_until_woken(who, thread);  // 5, 6
  return finish(self, who);                                       // 7, 8
}

// Never inlined: after the commit another thread may run the coroutine to its end, so nothing of
// this function may be in the frame, where Clang before 19 puts what it has inlined.
template <class Op>
[[gnu::noinline]] bool operation_awaiter<Op>::await_suspend(
    std::coroutine_handle<> suspended) noexcept {
  waiter& who = *std::construct_at(&who_, suspended, this_executor());
  if (!op_.begin(op_, who)) return false;
  how_ = end::by_waker;
  return op_.enlist_contexts(who) && who.commit();
}

template <class Op>
result<typename Op::value_type> operation_awaiter<Op>::await_resume() {
  if (how_ == end::by_context) return op_.own_context().reason();
  return how_ == end::at_once ? op_.take() : op_.finish(op_, who_);
}

}  // namespace pinion
