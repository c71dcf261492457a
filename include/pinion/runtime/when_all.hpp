// SPDX-License-Identifier: MIT
// Several tasks at once, and their parent goes on when all have ended.
//
//     auto [page, user] = co_await when_all(fetch(ctx, url), load(ctx, id));
//     co_await when_all(std::span(parts));              // then: co_await std::move(parts[i])
//
//     auto scope = with_cancel(ctx);
//     auto first = co_await when_any(scope, ask(scope, a), ask(scope, b));    // the loser is
//     canceled
//
// The children run in parallel on the executor of the parent, which waits in its own frame: nothing
// is allocated but the children's frames. No child outlives the call, whatever becomes of it.
#pragma once

#include <array>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "pinion/platform/os.hpp"
#include "pinion/runtime/task.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

namespace detail {

class invitation;

/// The children, who runs which, and how many have ended. Lives in the parent's frame.
///
/// Each thread that runs a child takes the next one when that has ended, so children that do not
/// suspend run one after the other where the parent was, without passing through a queue. One
/// invitation per join lies in the queue, for whoever is free: see the protocol page on coroutines.
class join {
 public:
  /// Whose end decides: it is first(), and cancels the scope.
  enum class decided_by : std::uint8_t { failure, any_end };

  join(decided_by what, scoped_context* scope) noexcept : scope_(scope), decided_by_(what) {}
  join(const join&) = delete;
  join& operator=(const join&) = delete;

  /// The first child, to be run by the calling thread. There is at least one.
  std::coroutine_handle<> begin(task_promise_base& parent, task_promise_base* const* children,
                                std::size_t count) noexcept;

  /// When all have ended: who decided, or null.
  const task_promise_base* first() const noexcept {
    return first_.load(std::memory_order_relaxed);  // relaxed: ordered by the last end
  }

 private:
  friend class invitation;
  static constexpr std::uint64_t one_claim = std::uint64_t{1} << 32;
  static constexpr std::uint64_t one_end = 1;

  std::coroutine_handle<> start(task_promise_base& child) noexcept;
  std::coroutine_handle<> count_end() noexcept;
  void queue(task_promise_base& child) noexcept;
  void note_decision(task_promise_base& child) noexcept;
  static std::coroutine_handle<> at_end(void* promise) noexcept;

  task_promise_base* parent_ = nullptr;
  task_promise_base* const* children_ = nullptr;
  std::uint32_t count_ = 0;
  std::uint32_t ends_ = 0;              // to wait for: the children's, and the invitation's
  invitation* invited_ = nullptr;       // or null: there was no memory, or there is one child
  os::atomic<std::uint64_t> state_{0};  // high half: claims of children; low half: ends
  os::atomic<const task_promise_base*> first_{nullptr};
  scoped_context* const scope_;  // or null
  const decided_by decided_by_;
};

/// Tells the error hook of an error that nobody will see, unless it says no more than that the
/// child was canceled.
void report_lost(const error&) noexcept;

template <class T>
using value_or_nothing = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// Waits for children. `Derived` has children(), an array of their promises, and for_each(f), which
/// calls f(task&) for each.
template <class Derived>
class join_awaiter {
 public:
  join_awaiter(join::decided_by what, scoped_context* scope, std::size_t children) noexcept
      : all_(what, scope), count_(children) {}

  bool await_ready() const noexcept { return count_ == 0; }
  template <std::derived_from<task_promise_base> Parent>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Parent> parent) noexcept {
    return all_.begin(parent.promise(), static_cast<Derived*>(this)->children(), count_);
  }

 protected:
  template <class T>
  bool decided(const task<T>& child) const noexcept {
    return all_.first() == &child.promise();
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
    if (all_.first() == nullptr) return;
    report_errors();
    static_cast<Derived*>(this)->for_each([&](auto& child) {
      if (decided(child)) child.promise().outcome().error().raise();
    });
  }

 private:
  join all_;
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
  all_in(scoped_context* scope, std::span<task<T>> children) noexcept
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

/// co_await it in a task: runs all children, and gives their values as a tuple (for void: a
/// std::monostate) when all have ended. If one fails, the others still run to their end; the scope,
/// when one is given, is canceled. Then the first error is thrown, and the error hook is told of
/// the others that are no mere cancellations.
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
template <class T>
detail::all_in<T> when_all(std::span<task<T>> children) noexcept {
  return {nullptr, children};
}
template <class T>
detail::all_in<T> when_all(scoped_context& scope, std::span<task<T>> children) noexcept {
  return {&scope, children};
}

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
