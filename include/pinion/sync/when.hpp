// SPDX-License-Identifier: MIT
// When: a case of a select that may be switched off.
//
//     std::optional<int> held;
//     auto won = select(ctx, when(held.has_value(), out.send(held.value_or(0))),
//                       when(!held, in.recv())).wait();
#pragma once

#include <type_traits>
#include <utility>

#include "pinion/sync/operation.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/select_cases.hpp"

namespace pinion {

/// The operation that when() returns.
template <class Case>
class [[nodiscard]] when_op
    : public operation_base<when_op<Case>, typename std::remove_cvref_t<Case>::value_type> {
  using base = operation_base<when_op, typename std::remove_cvref_t<Case>::value_type>;

 public:
  static constexpr bool is_timeout = detail::is_timeout<Case>;

  when_op(bool on, Case&& op) : case_(std::forward<Case>(op)) { enable(on); }

  void enable(bool on) noexcept {
    on_ = on;
    this->bind(on ? case_.own_context().bound() : nullptr);  // in place of the case
  }

  void collect(lock_set& locks) noexcept {
    if (on_) case_.collect(locks);
  }
  bool try_now() noexcept {
    if constexpr (requires { case_.try_now(); }) {
      return on_ && case_.try_now();
    } else {
      return false;
    }
  }
  bool try_complete() noexcept { return on_ && case_.try_complete(); }
  void enlist(waiter& who) noexcept {
    if (on_) case_.enlist(who);
  }
  void withdraw() noexcept {
    if (on_) case_.withdraw();
  }
  bool owns(const wait_link& link) const noexcept { return on_ && case_.owns(link); }
  result<typename base::value_type> take() {
    if (!on_) return errc::would_deadlock;
    return case_.take();
  }

  bool enlist_contexts(waiter& who) noexcept { return detail::join_all_contexts(*this, who); }
  void withdraw_contexts() noexcept {
    base::withdraw_contexts();
    case_.withdraw_contexts();
  }
  bool enlist_case_contexts(waiter& who, detail::joined_contexts& all) noexcept {
    return !on_ || detail::join_inner_contexts(case_, who, all);
  }
  bool never_ready() const noexcept { return !on_ || detail::never_ready(case_); }
  bool may_complete() const noexcept { return on_ && detail::may_complete(case_); }

 private:
  Case case_;
  bool on_ = false;
};

/// A case that may be switched off: `when(!batch.empty(), out.send(batch.front()))`. While it is
/// off it is never ready, and neither its object nor its context plays a part. enable() changes
/// that between two runs.
template <select_case Case>
when_op<Case> when(bool enabled, Case&& op) {
  return {enabled, std::forward<Case>(op)};
}

}  // namespace pinion
