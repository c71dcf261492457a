// SPDX-License-Identifier: MIT
// What all selects share: one wait in the queues of several cases, that one of them ends.
//
//     try_now()        a case drawn by lot, under its own object's lock alone or without: if it is
//                      ready, that is all there was to do
//     try_complete()   all cases, in an order drawn by lot, under the locks of all their objects:
//                      here "none is ready" is true at one instant
//     enlist()         a link in every queue, still under all the locks: nobody meets half of it
//     withdraw()       out of every queue; which case owns the link that won?
//
// A case's own context may end the wait, too; then that case has won, with the context's error.
// A case may itself be made of cases (a select, or one that is switched off): whatever is said
// here of a case goes through to those.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <type_traits>
#include <utility>

#include "pinion/platform/os.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/operation.hpp"

namespace pinion {

/// What a select takes: an operation that it may change, so no constant one.
template <class T>
concept select_case =
    operation<std::remove_cvref_t<T>> && !std::is_const_v<std::remove_reference_t<T>>;

namespace detail {

/// 0 to count - 1 in an order drawn by lot, every order as likely as any other. Needs no memory:
/// few numbers are shuffled inside one word, many go through a cipher with a key drawn by lot.
class random_order {
 public:
  explicit random_order(std::size_t count) noexcept;

  std::size_t next() noexcept;  // at most `count` times

 private:
  std::size_t next_in_word() noexcept;
  std::size_t encipher(std::size_t) const noexcept;

  std::size_t count_;
  std::size_t given_ = 0;   // so many are out already, or, of many, were tried
  std::uint64_t lots_;      // few: for the draws that are left
  std::uint64_t word_;      // few: those that are left, four bits each; many: the key
  unsigned half_bits_ = 0;  // many: a number has twice as many
};

/// True when both are there and one ends exactly when the other does.
bool end_together(const context* a, const context* b) noexcept;

/// The contexts that one wait has joined: each is joined once, however many cases have it.
/// Remembers the first few that differ; more than those may be joined more than once.
class joined_contexts {
 public:
  /// False: it can never end, or is there already.
  bool add(const context*) noexcept;
  bool empty() const noexcept { return count_ == 0; }

 private:
  static constexpr std::size_t capacity = 8;

  std::size_t count_ = 0;
  const context_node* ends_[capacity];
};

/// A case may be made of cases. These go down to them.
template <class Case>
bool join_inner_contexts(Case& c, waiter& who, joined_contexts& all) noexcept {
  if constexpr (requires { c.enlist_case_contexts(who, all); })
    return c.enlist_case_contexts(who, all);
  return true;
}
template <class Op, class T>
bool join_own_context(operation_base<Op, T>& c, waiter& who, joined_contexts& all) noexcept {
  return !all.add(c.own_context().bound()) || c.enlist_contexts(who);
}
template <class Case>
bool join_contexts(Case& c, waiter& who, joined_contexts& all) noexcept {
  return join_own_context(c, who, all) && join_inner_contexts(c, who, all);
}

/// False: as it is now, it will never be ready.
template <class Case>
bool may_complete(const Case& c) noexcept {
  if constexpr (requires { c.may_complete(); }) return c.may_complete();
  return true;
}

/// It is switched off: in a select it is not even tried.
template <class Case>
bool never_ready(const Case& c) noexcept {
  if constexpr (requires { c.never_ready(); }) return c.never_ready();
  return false;
}

/// For those who run it as it stands: true when somebody may end the wait. Joins the contexts.
template <class Op>
bool join_all_contexts(Op& op, waiter& who) noexcept {
  joined_contexts all;
  return join_contexts(op, who, all) && (op.may_complete() || !all.empty());
}

/// A case of this kind is one that waits for time alone: it loses against all that are ready.
template <class Case>
inline constexpr bool is_timeout = requires {
  requires std::remove_cvref_t<Case>::is_timeout;
};

enum class choice : bool { by_lot, in_order };

/// The operation that `Op` is by its cases. `Op` has those, by these functions:
///   count()       how many
///   at(i, f)      f(case i)
///   any(f)        f(case) for each in turn until one says true; whether one did
///   works()       how many are no timeouts; work(i): the number of one of them
template <class Op, class T>
class selecting : public operation_base<Op, T> {
 public:
  void collect(lock_set& locks) noexcept {
    each([&](auto& c) { c.collect(locks); });
  }
  bool try_complete() noexcept {
    if (choice_ == choice::in_order) return try_in_order();
    return try_by_lot(false) || (self().works() != self().count() && try_by_lot(true));
  }
  // Not inlined: GCC 12 would warn of a dangling pointer, which withdraw() clears.
  [[gnu::noinline]] void enlist(waiter& who) noexcept {
    waiter_ = &who;
    each([&](auto& c) { c.enlist(who); });
  }
  void withdraw() noexcept;
  bool owns(const wait_link& link) const noexcept {
    return self().any([&](const auto& c) { return c.owns(link) || &link == &c.own_context(); });
  }

  /// The first step of a run, without a lock held. False: none was ready, or not the right one.
  /// Nothing is lost by it: when several are ready, each is as likely to win here as the others,
  /// and the same is true of the next step.
  bool try_now() noexcept;

  /// As a run that never waits.
  bool try_all() noexcept;

  // For those who run it, as in operation_base; and for the select of which it is a case.
  bool enlist_contexts(waiter& who) noexcept { return join_all_contexts(self(), who); }
  void withdraw_contexts() noexcept {
    operation_base<Op, T>::withdraw_contexts();
    each([](auto& c) { c.withdraw_contexts(); });
  }
  bool enlist_case_contexts(waiter& who, joined_contexts& all) noexcept {
    return !self().any([&](auto& c) { return !join_contexts(c, who, all); });
  }
  bool may_complete() const noexcept {
    return self().any([](const auto& c) { return detail::may_complete(c); });
  }

 protected:
  selecting(const context* bound, choice how) noexcept
      : operation_base<Op, T>(bound), choice_(how) {}

  /// Where the wait was ended: the case that won; by the context of this link, if not null.
  static constexpr std::size_t none = ~std::size_t{0};
  std::size_t won() const noexcept { return won_; }
  const context_link* ended_by() const noexcept { return ended_by_; }

  /// What is reported in place of any case's outcome; null: there is a case that won.
  /// take() begins with it.
  bool nobody_won() const noexcept { return won_ == none || ended_by_ == &this->own_context(); }
  error why_nobody() const noexcept {
    return won_ == none ? error(errc::would_deadlock) : ended_by_->reason();
  }
  template <class Case>
  result<typename Case::value_type> outcome_of(Case& c) {
    if (ended_by_ != nullptr) return ended_by_->reason();
    return c.take();
  }

 private:
  Op& self() noexcept { return static_cast<Op&>(*this); }
  const Op& self() const noexcept { return static_cast<const Op&>(*this); }
  template <class F>
  void each(F f) noexcept {
    self().any([&](auto& c) { return f(c), false; });
  }

  bool try_in_order() noexcept;
  bool try_by_lot(bool timeouts) noexcept;
  // The context comes first for a case, too. One that is the select's own has ended the select.
  template <class Case>
  bool try_case(Case& c) noexcept {
    return has_ended(c.own_context()) || (!never_ready(c) && c.try_complete());
  }
  template <class Case>
  bool try_case_alone(Case&) noexcept;
  bool has_ended(const context_link& its) noexcept;

  waiter* waiter_ = nullptr;                // from enlist() on
  std::size_t won_ = none;                  // the case
  const context_link* ended_by_ = nullptr;  // the case, or all, ended with this context
  choice choice_;
};

template <class Op, class T>
bool selecting<Op, T>::has_ended(const context_link& its) noexcept {
  ended_by_ = nullptr;
  if (!its.ended()) return false;
  const context_link& own = this->own_context();
  ended_by_ = end_together(its.bound(), own.bound()) ? &own : &its;
  return true;
}

template <class Op, class T>
bool selecting<Op, T>::try_in_order() noexcept {
  won_ = 0;
  return self().any([&](auto& c) { return try_case(c) || (++won_, false); });
}

template <class Op, class T>
bool selecting<Op, T>::try_by_lot(bool timeouts) noexcept {
  random_order order(self().count());
  for (std::size_t left = self().count(); left != 0; --left) {
    won_ = order.next();
    const bool done = self().at(
        won_, [&](auto& c) { return is_timeout<decltype(c)> == timeouts && try_case(c); });
    if (done) return true;
  }
  return false;
}

// In order, only the first case can be settled alone: of any other, nobody would know whether
// those before it were not ready at the same instant.
template <class Op, class T>
bool selecting<Op, T>::try_now() noexcept {
  const std::size_t works = self().works();
  if (choice_ == choice::in_order) {
    if (self().count() == 0) return false;
    won_ = 0;
  } else {
    if (works == 0) return false;
    won_ = self().work(works == 1 ? 0 : static_cast<std::size_t>(os::random() % works));
  }
  return self().at(won_, [&](auto& c) { return try_case_alone(c); });
}

template <class Op, class T>
template <class Case>
bool selecting<Op, T>::try_case_alone(Case& c) noexcept {
  if (has_ended(c.own_context())) return true;
  if (never_ready(c)) return false;
  if constexpr (requires { c.try_now(); }) {
    if (c.try_now()) return true;
  }
  if constexpr (requires { c.list(); }) {
    const std::lock_guard lock(c.list());
    return c.try_complete();
  } else {
    lock_set locks;
    locks.lock(c);
    const bool done = c.try_complete();
    locks.unlock(c);
    return done;
  }
}

template <class Op, class T>
bool selecting<Op, T>::try_all() noexcept {
  if (try_now()) return true;
  lock_set locks;
  locks.lock(self());
  const bool done = try_complete();
  locks.unlock(self());
  return done;
}

template <class Op, class T>
void selecting<Op, T>::withdraw() noexcept {
  // Null: nobody was there who could win.
  const wait_link* const winner = std::exchange(waiter_, nullptr)->winner();
  won_ = none;
  ended_by_ = nullptr;
  std::size_t i = 0;
  each([&](auto& c) {
    c.withdraw();
    const bool by_context = winner == &c.own_context();
    if (winner != nullptr && (by_context || c.owns(*winner))) won_ = i;
    if (by_context) ended_by_ = &c.own_context();
    ++i;
  });
}

}  // namespace detail
}  // namespace pinion
