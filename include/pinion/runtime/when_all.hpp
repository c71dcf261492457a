// SPDX-License-Identifier: MIT
// Several tasks at once, and their parent goes on when all have ended.
//
//     auto [page, user] = co_await when_all(fetch(ctx, url), load(ctx, id));
//     co_await when_all(std::span(parts));              // then: co_await std::move(parts[i])
//     co_await when_all(std::span(pages), [&](std::size_t i) { return fetch(ctx, urls[i]); });
//
// The children run in parallel on the executor of the parent, which waits in its own frame: nothing
// is allocated but the children's frames. No child outlives the call, whatever becomes of it.
#pragma once

#include <array>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "pinion/runtime/join.hpp"
#include "pinion/runtime/task.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

namespace detail {

template <class T>
using value_or_nothing = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// Waits for children that are there. `Derived` has children(), an array of their promises, and
/// for_each(f), which calls f(task&) for each.
template <class Derived>
class join_awaiter : join {
 public:
  join_awaiter(join::decided_by what, scoped_context* scope, std::size_t children)
      : join(&join_awaiter::start, what, scope), count_(checked_count(children)) {}

  bool await_ready() const noexcept { return count_ == 0; }
  template <std::derived_from<task_promise_base> Parent>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Parent> parent) noexcept {
    return begin(parent.promise(), count_);
  }

 protected:
  template <class T>
  bool decided(const task<T>& child) const noexcept {
    return first() == &child.promise();
  }

  /// Of those that did not decide.
  void report_errors() noexcept {
    static_cast<Derived*>(this)->for_each([&](auto& child) {
      const auto& r = child.promise().outcome();
      if (!r && !decided(child)) report_lost(r.error());
    });
  }

  /// Throws what the first that failed threw.
  void raise_first_error() {
    if (first() == nullptr) return;
    report_errors();
    static_cast<Derived*>(this)->for_each([&](auto& child) {
      if (decided(child)) child.promise().outcome().error().raise();
    });
  }

 private:
  static task_promise_base* start(join& all, std::size_t which) noexcept {
    auto& self = static_cast<join_awaiter&>(all);
    task_promise_base& child = *static_cast<Derived&>(self).children()[which];
    child.begin_for(&all, &join_awaiter::at_end, self.ctx());
    return &child;
  }
  static std::coroutine_handle<> at_end(void* promise) noexcept {
    task_promise_base& child = task_promise_base::of(promise);
    join& all = *static_cast<join*>(child.whom());
    if (child.failed() || all.is_decided_by_any()) static_cast<void>(all.note_decision(&child));
    return all.after_end();
  }

  const std::size_t count_;
};

template <class T>
value_or_nothing<T> take_value(task<T>& child) {
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return *std::move(child.promise().outcome());
  }
}

/// A task is no more than the address of its promise.
template <class T>
task_promise_base* const* promises_of(const task<T>* tasks) noexcept {
  static_assert(std::is_standard_layout_v<task<T>> &&
                sizeof(task<T>) == sizeof(task_promise_base*));
  return reinterpret_cast<task_promise_base* const*>(tasks);
}

template <class F>
using child_of = std::invoke_result_t<const std::decay_t<F>&, std::size_t>;

/// A function that gives the i-th child.
template <class F, class T>
concept makes = std::same_as<child_of<F>, task<T>> &&
    (std::is_void_v<T> || std::is_move_assignable_v<T>);

/// Waits for children that it makes, each when a thread is free to run it.
template <class T, class F>
class [[nodiscard]] all_made final : join {
 public:
  template <class G>
  all_made(scoped_context* scope, T* values, std::size_t count, G&& make)
      : join(&all_made::start, join::decided_by::failure, scope),
        make_(std::forward<G>(make)),
        values_(values),
        count_(checked_count(count)) {
#if defined(__GNUC__) && !defined(__clang__)
    static_assert(std::is_lvalue_reference_v<G> || std::is_trivially_destructible_v<F>,
                  "GCC 12 destroys a temporary like this one twice when it is awaited: give the "
                  "callable a name, and pass it without std::move");
#endif
    static_assert(std::is_constructible_v<F, G>,
                  "the callable cannot be copied: pass std::ref() of it");
  }

  bool await_ready() const noexcept {
    return count_ == 0;
  }
  template <std::derived_from<task_promise_base> Parent>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Parent> parent) noexcept {
    return begin(parent.promise(), count_);
  }
  void await_resume() {
    if (first() != nullptr) raise_failure();
  }

 private:
  static task_promise_base* start(join& all, std::size_t which) noexcept {
    auto& self = static_cast<all_made&>(all);
    try {
      task_promise_base& child = self.make_(which).release();
      void* to = nullptr;
      if constexpr (!std::is_void_v<T>) to = self.values_ + which;
      child.begin_made(all, to, self.ctx());
      return &child;
    } catch (...) {
      self.fail_to_make();
      return nullptr;
    }
  }

  const F make_;
  T* const values_;
  const std::size_t count_;
};

template <class T, class F>
using made = all_made<T, std::decay_t<F>>;

template <class... Ts>
class [[nodiscard]] all_of : public join_awaiter<all_of<Ts...>> {
 public:
  all_of(scoped_context* scope, task<Ts>&&... children) noexcept
      : join_awaiter<all_of>(join::decided_by::failure, scope, sizeof...(Ts)),
        children_(std::move(children)...) {
    std::size_t i = 0;
    for_each([&](auto& child) { promises_[i++] = &child.promise(); });
  }

  task_promise_base* const* children() const noexcept { return promises_.data(); }

  std::tuple<value_or_nothing<Ts>...> await_resume() {
    this->raise_first_error();
    return std::apply(
        [](auto&... child) { return std::tuple<value_or_nothing<Ts>...>(take_value(child)...); },
        children_);
  }

  template <class F>
  void for_each(F f) {
    std::apply([&](auto&... child) { (f(child), ...); }, children_);
  }

 private:
  std::tuple<task<Ts>...> children_;
  std::array<task_promise_base*, sizeof...(Ts)> promises_;
};

template <class T>
class [[nodiscard]] all_in : public join_awaiter<all_in<T>> {
 public:
  all_in(scoped_context* scope, std::span<task<T>> children)
      : join_awaiter<all_in>(join::decided_by::failure, scope, children.size()),
        children_(children) {}

  task_promise_base* const* children() const noexcept { return promises_of(children_.data()); }

  void await_resume() { this->raise_first_error(); }

  template <class F>
  void for_each(F f) {
    for (auto& child : children_) f(child);
  }

 private:
  std::span<task<T>> children_;
};

}  // namespace detail

/// co_await it in a task: runs all children, and gives their values as a tuple (for void: a
/// std::monostate) when all have ended. If one fails, the others still run to their end; the scope,
/// when one is given, is canceled, with no cause but that. Then the first error is thrown, and the
/// error hook is told of the others that are no mere cancellations. The scope is theirs only if
/// they are given it: their task_context() is their parent's.
/// @cost      no allocation in steady state; one queue operation, and one more for each child that
///            suspends or is taken by another worker
template <class... Ts>
detail::all_of<Ts...> when_all(task<Ts>... children) noexcept {
  return {nullptr, std::move(children)...};
}
template <class... Ts>
detail::all_of<Ts...> when_all(scoped_context& scope, task<Ts>... children) noexcept {
  return {&scope, std::move(children)...};
}

/// The same for any number of children, which the caller keeps. Awaiting one of them afterwards
/// gives its value, at once.
template <class T, std::size_t Extent>
detail::all_in<T> when_all(std::span<task<T>, Extent> children) {
  return {nullptr, children};
}
template <class T, std::size_t Extent>
detail::all_in<T> when_all(scoped_context& scope, std::span<task<T>, Extent> children) {
  return {&scope, children};
}

/// The same for children that do not exist yet: make(i) gives the one whose value is assigned to
/// values[i], when a thread is free to run it. So no more of them are alive than run or wait. (On
/// an executor that is no scheduler all are made at once.) What make() throws, counts as the
/// failure of that child. A child that throws before it returns leaves its place as it is. All are
/// made and run, also when the scope is canceled meanwhile: a child asks its context.
///
///     std::vector<page> pages(urls.size());
///     co_await when_all(std::span(pages), [&](std::size_t i) { return fetch(ctx, urls[i]); });
///
/// make(i) returns task<T>, for values of that very T, which are not const; with a count instead
/// of values it returns task<>. Other callables find no overload: also a mutable lambda.
///
/// @threads   make is called, as const, by several threads at once
/// @lifetime  `make` is moved or copied into the call, and so may be a lambda that is a coroutine.
///            One that cannot be copied is passed by std::ref. Its locals and temporaries are gone
///            when the child that it has returned starts: what that one is to keep, it takes by
///            value
/// @cost      less than for children that are there: a child's frame is given back at its end, and
///            the next one takes it
/// @errors    throws std::invalid_argument for more than 2^31 - 1 children, and what a copy of
///            `make` throws
template <class T, std::size_t Extent, detail::makes<T> F>
detail::made<T, F> when_all(std::span<T, Extent> values, F&& make) {
  return {nullptr, values.data(), values.size(), std::forward<F>(make)};
}
template <class T, std::size_t Extent, detail::makes<T> F>
detail::made<T, F> when_all(scoped_context& scope, std::span<T, Extent> values, F&& make) {
  return {&scope, values.data(), values.size(), std::forward<F>(make)};
}
template <detail::makes<void> F>
detail::made<void, F> when_all(std::size_t count, F&& make) {
  return {nullptr, nullptr, count, std::forward<F>(make)};
}
template <detail::makes<void> F>
detail::made<void, F> when_all(scoped_context& scope, std::size_t count, F&& make) {
  return {&scope, nullptr, count, std::forward<F>(make)};
}

}  // namespace pinion
