// SPDX-License-Identifier: MIT
// What counts as work (a task, or something to call), and what waiting for it gives.
#pragma once

#include <concepts>
#include <type_traits>

#include "pinion/runtime/task.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

namespace detail {

template <class R>
struct job_value {
  using type = R;
};
template <class T>
struct job_value<result<T>> : job_value<T> {};
template <class T>
struct job_value<task<T>> : job_value<T> {};

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

template <class F>
struct job_traits {};
template <class T>
struct job_traits<task<T>> : job_value<T> {};
template <std::invocable<const context&> F>
struct job_traits<F> : job_value<std::invoke_result_t<F, const context&>> {};
template <std::invocable F>
requires(!std::invocable<F, const context&>) struct job_traits<F>
    : job_value<std::invoke_result_t<F>> {
};

}  // namespace detail

/// Work: a task, or a callable as `f()` or `f(const context&)`. The callable may return a value, a
/// result, whose error is then the job's error, or a task; it is kept until that has ended.
template <class F>
concept job = requires {
  typename detail::job_traits<std::remove_cvref_t<F>>::type;
};

/// What waiting for the job gives: T for T, result<T> and task<T>.
template <job F>
using job_result = typename detail::job_traits<std::remove_cvref_t<F>>::type;

namespace detail {

/// Calls f with the context if it takes one.
template <class F>
decltype(auto) call_job(F& f, const context& ctx) {
  if constexpr (std::invocable<F&, const context&>) {
    return f(ctx);
  } else {
    return f();
  }
}

/// Calls f and makes a result of whatever it returns.
template <class F>
auto call_for_result(F& f, const context& ctx) -> result<job_result<F>> {
  using returned = decltype(call_job(f, ctx));
  if constexpr (std::is_void_v<returned>) {
    call_job(f, ctx);
    return {};
  } else {
    return call_job(f, ctx);
  }
}

}  // namespace detail
}  // namespace pinion
