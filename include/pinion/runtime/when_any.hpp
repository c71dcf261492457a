// SPDX-License-Identifier: MIT
// The first of several tasks; the others are canceled and waited for.
//
//     auto scope = with_cancel(ctx);
//     auto [index, answer] = co_await when_any(scope, ask(scope, a), ask(scope, b));
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <utility>

#include "pinion/runtime/when_all.hpp"

namespace pinion {

/// Which child of a when_any() ended first, and with what.
template <class T>
struct first_of {
  std::size_t index;
  detail::value_or_nothing<T> value;
};

namespace detail {

template <class T, std::size_t N>
class [[nodiscard]] any_of : public join_awaiter<any_of<T, N>> {
 public:
  template <class... Children>
  any_of(scoped_context& scope, Children&&... children) noexcept
      : join_awaiter<any_of>(join::decided_by::any_end, &scope, N),
        children_{std::move(children)...} {}

  task_promise_base* const* children() const noexcept { return promises_of(children_.data()); }

  first_of<T> await_resume() {
    this->report_errors();
    std::size_t index = 0;
    while (!this->decided(children_[index])) ++index;
    auto& r = children_[index].promise().outcome();
    if (!r) r.error().raise();
    return {index, take_value(children_[index])};
  }

  template <class F>
  void for_each(F f) {
    for (auto& child : children_) f(child);
  }

 private:
  std::array<task<T>, N> children_;
};

}  // namespace detail

/// co_await it in a task: runs all children, cancels the scope when the first has ended, waits for
/// the others, and gives which it was and its value, or throws what it threw. Children wait under
/// that scope, or they are waited for as long as they take. What the others return is dropped;
/// the error hook is told of their errors that are no mere cancellations.
/// @cost      as when_all()
template <class T, std::same_as<task<T>>... Others>
detail::any_of<T, 1 + sizeof...(Others)> when_any(scoped_context& scope, task<T> child,
                                                  Others... others) noexcept {
  return {scope, std::move(child), std::move(others)...};
}

}  // namespace pinion
