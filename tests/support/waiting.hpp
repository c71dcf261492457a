// SPDX-License-Identifier: MIT
// Things to wait for in tests, built on the public protocol alone: a gate that opens once, a
// mailbox that hands each number to one receiver, and the first of two mailboxes.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/operation.hpp"

namespace pinion::test {

/// For what another thread is sure to do soon.
template <class P>
void until(P&& condition) {
  while (!condition()) std::this_thread::yield();
}

inline std::size_t waiters_of(wait_list& list) {
  std::lock_guard lock(list);
  std::size_t n = 0;
  for (const wait_link* link = list.front(); link != nullptr; link = link->next) ++n;
  return n;
}

class gate {
 public:
  op<> pass(const context& ctx) { return {how_, this, &ctx}; }
  op<> pass() { return {how_, this, nullptr}; }
  op<> pass(scoped_context&&) = delete;

  void open() noexcept {
    wake_chain woken;  // outlives the lock, and wakes at the end of scope
    std::lock_guard lock(waiting);
    open_ = true;
    waiting.claim_all(woken);
  }

  wait_list waiting;

 private:
  static gate& of(op<>& o) noexcept { return *static_cast<gate*>(o.object()); }
  static const op<>::verb how_;

  bool open_ = false;  // guarded by waiting
};

inline const op<>::verb gate::how_{
    .list = [](op<>& o) noexcept -> wait_list& { return of(o).waiting; },
    .try_complete = [](op<>& o) noexcept { return of(o).open_; },
    .enlist = [](op<>& o, waiter& w) noexcept { of(o).waiting.push_back(o.link(w)); },
    .withdraw = [](op<>& o) noexcept { of(o).waiting.remove(o.link()); },
    .take = [](op<>&) { return result<>(); }};

class mailbox {
 public:
  using taking = op<int, std::optional<int>>;  // carries the number once it has it

  taking take(const context& ctx) { return {how_, this, &ctx}; }
  taking take() { return {how_, this, nullptr}; }
  taking take(scoped_context&&) = delete;

  /// To the first who waits, else kept.
  void give(int n) {
    wake_chain woken;
    std::lock_guard lock(waiting);
    if (wait_link* const link = waiting.claim_first(woken)) {
      taking::of(*link).payload() = n;
    } else {
      kept_.push_back(n);
    }
  }

  std::size_t kept() {
    std::lock_guard lock(waiting);
    return kept_.size();
  }

  /// What is kept here is in one of the two at every instant.
  /// @pre  nobody waits
  void move_to(mailbox& other) {
    std::scoped_lock lock(waiting, other.waiting);
    other.kept_.insert(other.kept_.end(), kept_.begin(), kept_.end());
    kept_.clear();
  }

  wait_list waiting;

 private:
  static mailbox& of(taking& o) noexcept { return *static_cast<mailbox*>(o.object()); }
  static bool take_kept(taking& o) noexcept {
    auto& kept = of(o).kept_;
    if (kept.empty()) return false;
    o.payload() = kept.front();
    kept.pop_front();
    return true;
  }
  static const taking::verb how_;

  std::deque<int> kept_;  // guarded by waiting
};

inline const mailbox::taking::verb mailbox::how_{
    .list = [](taking& o) noexcept -> wait_list& { return of(o).waiting; },
    .try_complete = take_kept,
    .enlist = [](taking& o, waiter& w) noexcept { of(o).waiting.push_back(o.link(w)); },
    .withdraw = [](taking& o) noexcept { of(o).waiting.remove(o.link()); },
    .take = [](taking& o) { return result<int>(o.payload().value()); }};

/// What a select does, in small: stands in two queues and takes from one. A case whose own
/// context ends has won, too.
class either : public operation_base<either, int> {
 public:
  either(const context* bound, mailbox::taking a, mailbox::taking b)
      : operation_base(bound), a_(std::move(a)), b_(std::move(b)) {}

  void collect(lock_set& locks) noexcept {
    a_.collect(locks);
    b_.collect(locks);
  }
  bool try_complete() noexcept {
    if (a_.try_complete()) return won_ = &a_, true;
    if (b_.try_complete()) return won_ = &b_, true;
    return false;
  }
  void enlist(waiter& w) noexcept {
    a_.enlist(w);
    b_.enlist(w);
    waiter_ = &w;
  }
  bool enlist_contexts(waiter& w) noexcept {
    return operation_base::enlist_contexts(w) && a_.enlist_contexts(w) && b_.enlist_contexts(w);
  }
  void withdraw_contexts() noexcept {
    operation_base::withdraw_contexts();
    a_.withdraw_contexts();
    b_.withdraw_contexts();
  }
  void withdraw() noexcept {
    a_.withdraw();
    b_.withdraw();
    const wait_link& winner = *waiter_->winner();
    if (a_.owns(winner)) won_ = &a_;
    if (b_.owns(winner)) won_ = &b_;
  }
  bool owns(const wait_link& link) const noexcept {
    return a_.owns(link) || b_.owns(link) || &link == &a_.own_context() ||
           &link == &b_.own_context();
  }
  result<int> take() {
    if (won_ != nullptr) return won_->take();
    const bool first = waiter_->winner() == &a_.own_context();
    return (first ? a_ : b_).own_context().reason();
  }

 private:
  mailbox::taking a_, b_;
  mailbox::taking* won_ = nullptr;  // null: a context of theirs has
  waiter* waiter_ = nullptr;
};
static_assert(operation<op<>> && operation<mailbox::taking> && operation<either>);

}  // namespace pinion::test
