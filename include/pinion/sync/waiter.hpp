// SPDX-License-Identifier: MIT
// Waiter: one wait in progress, and the queue it stands in.
//
//     wait_list of an object                    waiter, in the waiting frame
//     lock | link <-> link <-> link              claim: null, or the link that won
//              |owner   |        |               state: open -> committed -> woken
//              +--------|--------|------------>
//                       |        +------------>  another waiter
//                       +-------------------->   the same one: a link per queue it stands in
//
// Everything that can end a wait (a peer, close, a timer, cancel) competes for the claim word
// with one CAS. Whoever wins it, and nobody else, wakes the waiter, once, after the lock is
// released. What a winner has to say it says under the lock, before.
//
// The state word is the meeting of waker and sleeper. A wake that comes before the commit only
// leaves a mark, so nobody is put to sleep or resumed who is not yet asleep or suspended:
//
//     who waits                                 who claimed it
//  W1 enlist, then say `committed`           N1 say `woken`
//  W2 ... unless it is `woken`: go on        N2 it was `committed`? unpark, or post
//     else sleep, or suspend                    else touch nothing: the frame may be gone
//
// Both are read-modify-writes of one word, so one of them comes second and sees the other.
//
// A coroutine that stands in one line only, and in no context's, is `committed` from the start: its
// waiter is made under the lock, which whoever ends the wait takes after it. Nobody else competes
// then, so neither a claim nor a wake is a read-modify-write.
#pragma once

#include <cassert>
#include <coroutine>
#include <cstdint>
#include <memory>

#include "pinion/platform/os.hpp"
#include "pinion/platform/parker.hpp"
#include "pinion/platform/short_lock.hpp"
#include "pinion/sync/executor.hpp"

namespace pinion {

class waiter;
class wake_chain;

/// A queue whose elements have `previous` and `next` themselves. No allocation; O(1) throughout.
/// @threads   one at a time
template <class Node>
class linked_list {
 public:
  bool empty() const noexcept { return first_ == nullptr; }
  Node* front() const noexcept { return first_; }
  bool contains(const Node& node) const noexcept {  // @pre: it is in no other list
    return node.previous != nullptr || first_ == &node;
  }

  void push_back(Node& node) noexcept {
    assert(!contains(node));
    node.previous = last_;
    node.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &node;
    last_ = &node;
  }

  /// Appends all that the other has.
  void push_all(linked_list& other) noexcept {
    if (other.empty()) return;
    other.first_->previous = last_;
    (last_ != nullptr ? last_->next : first_) = other.first_;
    last_ = other.last_;
    other.first_ = other.last_ = nullptr;
  }

  /// Does nothing if the node is in no list.
  void remove(Node& node) noexcept {
    if (!contains(node)) return;
    (node.previous != nullptr ? node.previous->next : first_) = node.next;
    (node.next != nullptr ? node.next->previous : last_) = node.previous;
    node.previous = node.next = nullptr;
  }

 private:
  Node* first_ = nullptr;
  Node* last_ = nullptr;
};

/// One place in one object's queue, for one wait. Lives inside the operation: no allocation.
struct wait_link {
  waiter* owner = nullptr;
  wait_link* previous = nullptr;
  wait_link* next = nullptr;
};

/// What somebody has to do for an object once its lock is released: set a timer, say.
struct late_work {
  void (*run)(late_work&, wake_chain&) noexcept = nullptr;
  late_work* next = nullptr;
};

/// What is left for after the unlock: first late work, then the wakes of the waiters that were
/// claimed. No allocation: the links are theirs.
class wake_chain {
 public:
  wake_chain() noexcept = default;
  wake_chain(const wake_chain&) = delete;
  wake_chain& operator=(const wake_chain&) = delete;
  ~wake_chain() {
    if (!empty()) wake_all();
  }

  bool empty() const noexcept { return first_ == nullptr && work_ == nullptr; }
  void add(waiter& claimed) noexcept;
  void add(late_work& work) noexcept {  // @pre it is in no chain
    work.next = work_;
    work_ = &work;
  }

  /// In the order they were added. Any of them, and what it waited for, may be gone afterwards.
  void wake_all() noexcept;

 private:
  work_item* first_ = nullptr;
  work_item** end_ = &first_;
  late_work* work_ = nullptr;
};

/// One wait in progress: the claim word, and how to wake whoever waits.
/// Lives on the waiting thread's stack or in the coroutine's frame.
class waiter : private work_item {
 public:
  struct alone {};  // see the third constructor

  explicit waiter(parker& thread) noexcept : parker_(&thread) {}
  waiter(std::coroutine_handle<> suspended, executor_ref resume_on) noexcept
      : work_item{resume, nullptr}, executor_(resume_on.operator->()), suspended_(suspended) {}
  /// For who joins one line and no other, with the lock of that line held. It has committed: the
  /// coroutine suspends after the unlock, whatever happens, and nothing of it may be touched any
  /// more by then.
  /// @pre  it is claimed under that lock, once
  waiter(std::coroutine_handle<> suspended, executor_ref resume_on, alone) noexcept
      : work_item{resume, nullptr},
        state_(state::committed),
        alone_(true),
        executor_(resume_on.operator->()),
        suspended_(suspended) {}
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  /// True for exactly one caller ever; that caller, and no other, calls wake() afterwards.
  /// @order     winning sees what the waiter did before enlist()
  bool try_claim(wait_link& by) noexcept {
    if (alone_) {
      claim_.store(&by, std::memory_order_relaxed);  // relaxed: under the lock, as what follows
      return true;
    }
    wait_link* open = nullptr;
    // acq_rel: the winner sees what the waiter did before it enlisted, and what it knows by
    // winning is visible to whoever reads it in winner(). relaxed: a loser does nothing.
    return claim_.compare_exchange_strong(open, &by, std::memory_order_acq_rel,
                                          std::memory_order_relaxed);
  }

  /// The link that won, or null while the wait is open.
  const wait_link* winner() const noexcept {
    // acquire: sees what was done before the claim; pairs with the release in try_claim.
    return claim_.load(std::memory_order_acquire);
  }

  /// The wait is over, and the waker is done with this waiter. For who has not committed: later
  /// only the parker, or being resumed, tells.
  bool woken() const noexcept {
    // acquire: sees the outcome; pairs with the release in wake.
    return state_.load(std::memory_order_acquire) == state::woken;
  }

  /// W1. False: woken meanwhile, so there is nothing to sleep or suspend for.
  bool commit() noexcept {
    state before = state::open;
    // release: what the waiter did is visible where it is resumed; pairs with the acquire in
    // wake. acquire: when woken already, sees the outcome; pairs with the release in wake.
    return state_.compare_exchange_strong(before, state::committed, std::memory_order_release,
                                          std::memory_order_acquire);
  }

  /// N1, N2. Unparks the thread, or posts the coroutine to its executor; never resumes it in here.
  /// Before commit() it leaves a mark only. The waiter may be gone before this returns.
  /// @order     what was done before wake() is visible after the wait
  void wake() noexcept {
    // acquire: sees what came before the commit. Nobody else changes it after that.
    if (state_.load(std::memory_order_acquire) == state::committed ||
        // acq_rel: publishes the outcome to woken and commit; sees what came before the commit.
        state_.exchange(state::woken, std::memory_order_acq_rel) == state::committed) {
      rouse();
    }
  }

  /// For enlist() and withdraw(): what they leave for after the unlock. The wait does it then.
  /// @threads   who waits
  wake_chain& left_over() noexcept { return left_over_; }
  void finish_left_over() noexcept {
    if (!left_over_.empty()) left_over_.wake_all();
  }

 private:
  friend class wake_chain;
  enum class state : std::uint32_t { open, committed, woken };

  static void resume(work_item&) noexcept;
  void rouse() noexcept;

  os::atomic<wait_link*> claim_{nullptr};
  os::atomic<state> state_{state::open};
  bool alone_ = false;  // the link that claims it is its only one
  wake_chain left_over_;
  // Constant; who is to be woken: a thread, or (parker_ == null) a coroutine.
  parker* const parker_ = nullptr;
  executor* const executor_ = nullptr;
  const std::coroutine_handle<> suspended_{};
};

/// Where a coroutine that may have to suspend has room for a waiter.
struct waiter_place {
  waiter* where;
  std::coroutine_handle<> suspended;

  /// When it has to wait, in one line and in no other, whose lock the caller holds.
  waiter& make_alone() const noexcept {
    return *std::construct_at(where, suspended, this_executor(), waiter::alone{});
  }
};

inline void wake_chain::add(waiter& claimed) noexcept {
  work_item& item = claimed;
  *end_ = &item;
  end_ = &item.next;
}

/// The queue of an object and the short lock around it: first come, first served, whoever waits.
///
/// Whoever makes something ready does it under the lock, claims as many waiters as it serves,
/// unlocks, and only then wakes them: the first one woken may destroy the object.
class wait_list {
 public:
  wait_list() noexcept = default;
  wait_list(const wait_list&) = delete;
  wait_list& operator=(const wait_list&) = delete;
  ~wait_list() {
    assert(waiting_.empty() && "an object was destroyed while somebody waits for it");
  }

  void lock() noexcept { lock_.lock(); }  // no user code, no allocation, no wake-up inside
  bool try_lock() noexcept { return lock_.try_lock(); }
  void unlock() noexcept { lock_.unlock(); }

  // All else with the lock held.
  bool empty() const noexcept { return waiting_.empty(); }
  wait_link* front() const noexcept { return waiting_.front(); }  // to see what the first one wants
  void push_back(wait_link& link) noexcept { waiting_.push_back(link); }
  void remove(wait_link& link) noexcept { waiting_.remove(link); }  // nothing if it was claimed

  /// Takes the link out of the queue and tries to claim its wait for it.
  /// False: that wait was settled elsewhere.
  bool claim(wait_link& link) noexcept {
    waiting_.remove(link);
    return link.owner->try_claim(link);
  }

  /// Claims the first wait that is still open and chains its waiter; null: there is none.
  wait_link* claim_first(wake_chain& woken) noexcept;

  /// Claims whoever is here.
  void claim_all(wake_chain& woken) noexcept {
    while (claim_first(woken) != nullptr) {
    }
  }

 private:
  short_lock lock_;
  linked_list<wait_link> waiting_;
};

}  // namespace pinion
