// SPDX-License-Identifier: MIT
// Select: the first of several operations, and only that one.
//
//     auto won = select(ctx, jobs.recv(), answer, sleep(1s)).wait();
//     if (!won) return won.error();                       // the context ended first
//     switch (won->index()) {
//       case 0: handle(get<0>(*won)); break;              // result<job>
//       ...
//     }
//
// Cases are operations of any kind: channels, timers, futures, contexts, other selects. Losers
// have no effect: nothing is received, sent, acquired or consumed.
//
// A case given as an lvalue is used where it is, so what has not won (a future, a send whose value
// must not get lost) can be used again; a case given as an rvalue is kept inside the select. No
// operation may be two cases of the same select; two operations on the same object may.
//
// A sleep is the timeout: when it is over already, whatever else is ready wins against it, except
// in select_biased(), where the order says who does.
#pragma once

#include <array>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "pinion/sync/context.hpp"
#include "pinion/sync/operation.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/select_among.hpp"
#include "pinion/sync/select_cases.hpp"
#include "pinion/sync/when.hpp"

namespace pinion {

/// Which case won, and its result. As std::variant, but told apart by position, not by type.
template <class... T>
class selected {
 public:
  template <std::size_t I>
  using result_at = result<std::tuple_element_t<I, std::tuple<T...>>>;

  template <std::size_t I>
  selected(std::in_place_index_t<I> which, result_at<I>&& r) : result_(which, std::move(r)) {}

  std::size_t index() const noexcept { return result_.index(); }

  /// Calls the handler at index() with that case's result. Handlers return one common type.
  template <class... F>
  requires(sizeof...(F) == sizeof...(T) &&
           (std::invocable<F, result<T>&> && ...)) auto match(F&&... handlers)
      -> std::common_type_t<std::invoke_result_t<F, result<T>&>...> {
    using common = std::common_type_t<std::invoke_result_t<F, result<T>&>...>;
    return match_from<0, common>(std::forward_as_tuple(std::forward<F>(handlers)...));
  }

  /// @pre  index() == I
  template <std::size_t I>
  friend result_at<I>& get(selected& s) noexcept {
    assert(s.index() == I);
    return *std::get_if<I>(&s.result_);
  }
  template <std::size_t I>
  friend const result_at<I>& get(const selected& s) noexcept {
    return get<I>(const_cast<selected&>(s));
  }
  template <std::size_t I>
  friend result_at<I>&& get(selected&& s) noexcept {
    return std::move(get<I>(s));
  }

 private:
  template <std::size_t I, class R, class Handlers>
  R match_from(Handlers&& handlers) {
    if constexpr (I + 1 < sizeof...(T)) {
      if (index() != I) return match_from<I + 1, R>(std::move(handlers));
    }
    return std::invoke(std::get<I>(std::move(handlers)), *std::get_if<I>(&result_));
  }

  std::variant<result<T>...> result_;
};

/// The operation that select() returns. Movable while it is not run.
template <class... Case>
class [[nodiscard("a select does nothing until it is waited for or selected")]] select_op
    : public detail::selecting<select_op<Case...>,
                               selected<typename std::remove_cvref_t<Case>::value_type...>> {
  using base =
      detail::selecting<select_op, selected<typename std::remove_cvref_t<Case>::value_type...>>;
  static_assert(sizeof...(Case) > 0);

 public:
  using value_type = selected<typename std::remove_cvref_t<Case>::value_type...>;

  select_op(const context* bound, detail::choice how,
            Case&&... cases) noexcept((std::is_nothrow_move_constructible_v<Case> && ...))
      : base(bound, how), cases_(std::forward<Case>(cases)...) {}

  result<value_type> take() {
    if (this->nobody_won()) return this->why_nobody();
    return take_from<0>();
  }

 private:
  friend base;
  using numbers = std::make_index_sequence<sizeof...(Case)>;

  static constexpr std::size_t works_ = (!detail::is_timeout<Case> + ...);
  static constexpr auto work_ = [] {
    std::array<std::size_t, sizeof...(Case)> found{};
    std::size_t count = 0, i = 0;
    ((detail::is_timeout<Case> ? 0 : found[count++] = i, ++i), ...);
    return found;
  }();

  static constexpr std::size_t count() noexcept {
    return sizeof...(Case);
  }
  static constexpr std::size_t works() noexcept {
    return works_;
  }
  static constexpr std::size_t work(std::size_t i) noexcept {
    return work_[i];
  }

  template <class F>
  bool at(std::size_t i, F f) noexcept {
    return at(i, f, numbers());
  }
  template <class F, std::size_t... I>
  bool at(std::size_t i, F & f, std::index_sequence<I...>) noexcept {
    bool said = false;
    static_cast<void>(((i == I && (said = f(std::get<I>(cases_)), true)) || ...));
    return said;
  }
  template <class F>
  bool any(F f) noexcept {
    return std::apply([&](auto&... c) { return (f(c) || ...); }, cases_);
  }
  template <class F>
  bool any(F f) const noexcept {
    return std::apply([&](const auto&... c) { return (f(c) || ...); }, cases_);
  }
  template <std::size_t I>
  result<value_type> take_from() {
    if constexpr (I + 1 < sizeof...(Case)) {
      if (this->won() != I) return take_from<I + 1>();
    }
    return value_type(std::in_place_index<I>, this->outcome_of(std::get<I>(cases_)));
  }

  std::tuple<Case...> cases_;
};

/// Waits for the first case; among several that are ready, each is equally likely.
/// A context that is done wins over every case; a case that has won is not canceled any more. A
/// case whose own context ends has won, with that error.
/// @blocks    when run: until a case or the context ends it
/// @order     sees what was done before the call that ended the case that won
/// @cost      O(cases) and no allocation; one lock when the case drawn first is ready. Of more
///            than eight different objects it looks for the next eight again and again
/// @errors    canceled, deadline_exceeded: no case took effect; would_deadlock: nothing can end
///            it, because all cases are switched off and there is no context that can end
template <select_case... Case>
select_op<Case...> select(const context& ctx, Case&&... cases) {
  return {&ctx, detail::choice::by_lot, std::forward<Case>(cases)...};
}
template <select_case... Case>
select_op<Case...> select(Case&&... cases) {
  return {nullptr, detail::choice::by_lot, std::forward<Case>(cases)...};
}
template <select_case... Case>
void select(scoped_context&&, Case&&...) = delete;  // must outlive the wait

/// As select(), but the first case that is ready wins. Later ones may starve.
template <select_case... Case>
select_op<Case...> select_biased(const context& ctx, Case&&... cases) {
  return {&ctx, detail::choice::in_order, std::forward<Case>(cases)...};
}
template <select_case... Case>
select_op<Case...> select_biased(Case&&... cases) {
  return {nullptr, detail::choice::in_order, std::forward<Case>(cases)...};
}
template <select_case... Case>
void select_biased(scoped_context&&, Case&&...) = delete;  // must outlive the wait

/// As select(...).wait(), but never waits.
/// @blocks    never; takes short locks
/// @errors    not_ready: at one single instant no case was ready
template <select_case... Case>
auto try_select(Case&&... cases)
    -> result<selected<typename std::remove_cvref_t<Case>::value_type...>> {
  select_op<std::remove_reference_t<Case>&...> all(nullptr, detail::choice::by_lot, cases...);
  if (!all.try_all()) return errc::not_ready;
  return all.take();
}

}  // namespace pinion
