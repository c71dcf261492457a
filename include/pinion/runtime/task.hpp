// SPDX-License-Identifier: MIT
// task<T>: a coroutine that is lazy, and belongs to who awaits it.
//
//     task<int> add(const context& ctx, receiver<int> from) {
//       auto a = co_await from.recv(ctx);            // any operation: a result
//       int b = co_await twice(ctx, a.value());      // another task: its value, or it throws
//       co_return a.value() + b;
//     }
//     scheduler sched;
//     int sum = sched.submit(ctx, add(ctx, numbers)).wait().value();      // from a plain thread
//
// How a tree of tasks runs:
//
//     submit, post:  root ── co_await ──> child ── co_await ──> grandchild ── recv ...
//                      counted as live       started by a transfer, on the same thread
//                      by its executor       its end transfers back
//
// A task starts when it is awaited, submitted or posted, and ends at its own end, never from
// outside: what cancels it makes its waits report an error. It is resumed by the executor it runs
// on, and by no other; so is whoever awaits it, even if the task has moved meanwhile. A child is
// awaited, so it ends before its parent goes on; only a task that is posted belongs to nobody.
#pragma once

#include <cassert>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "pinion/runtime/frame.hpp"
#include "pinion/runtime/join.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/resumption.hpp"

namespace pinion {

template <class T>
class task;

namespace detail {

/// The part of a promise that does not depend on the type. What a start sets is not set before.
class task_promise_base : public pooled_frame {
 public:
  /// For who is told of the end instead of being transferred to: called with the promise when
  /// nothing of the task is on the stack any more, by a thread of the executor that started it.
  using end_function = next_step;
  static task_promise_base& of(void* promise) noexcept {
    return *static_cast<task_promise_base*>(promise);
  }
  void* whom() const noexcept { return whom_; }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct final_awaiter {
    const bool ends_by_itself;
    bool await_ready() const noexcept { return ends_by_itself; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      return self.promise().end();
    }
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {is_made_ && home_ == nullptr}; }

  /// The task that awaits it goes on when it has ended.
  std::coroutine_handle<> begin_for(task_promise_base& parent) noexcept {
    begin(nullptr, *parent.context_, parent.transfers_);
    parent_ = &parent;
    return transfer();
  }
  /// Who is told of the end, and its context.
  void begin_for(void* whom, end_function at_end, const context& ctx) noexcept {
    begin(at_end, ctx, 0);
    whom_ = whom;
  }
  /// For a child that a join has made: it gives its value to `to`, its failure to the join, and its
  /// frame back, and then the join is told.
  void begin_made(join& by, void* to, const context& ctx) noexcept {
    context_ = &ctx;
    home_ = nullptr;
    transfers_ = 0;
    is_made_ = true;
    failed_ = false;
    returned_ = false;
    value_goes_to_ = to;
    frame_header::of(self_.address()).joined = &by;
  }
  /// It has begun, and goes on after `before`, on the same stack.
  std::coroutine_handle<> transfer_from(const task_promise_base& before) noexcept {
    transfers_ = before.transfers_;
    return transfer();
  }
  /// For the executor, after begin_for(): starts it.
  work_item& item() noexcept {
    return *std::construct_at(&item_, work_item{.run = &task_promise_base::run_item}, *this);
  }
  std::coroutine_handle<> self() const noexcept { return self_; }
  bool failed() const noexcept { return failed_; }

  /// The context it was started with.
  const context& ctx() const noexcept { return *context_; }

  /// To another executor, in two steps, since it must be counted there before it goes. False: that
  /// one refuses. It comes home at its end.
  bool begin_move(executor_ref to) noexcept;
  void move(executor_ref to, work_item& onward) noexcept;

 protected:
  explicit task_promise_base(std::coroutine_handle<> self) noexcept : self_(self) {}
  ~task_promise_base() {}  // item_ holds nothing

  void fail_made(std::exception_ptr) noexcept;
  bool is_made() const noexcept { return is_made_; }
  void* value_goes_to() const noexcept { return value_goes_to_; }

 private:
  struct own_item : work_item {
    own_item(const work_item& how, task_promise_base& promise) noexcept
        : work_item(how), whose(promise) {}
    task_promise_base& whose;
  };

  void begin(end_function at_end, const context& ctx, std::uint8_t transfers) noexcept {
    at_end_ = at_end;
    context_ = &ctx;
    home_ = nullptr;
    transfers_ = transfers;
    is_made_ = false;
    failed_ = false;
  }

  // A transfer may nest where it is no tail call; so it gives back the stack now and then.
  static constexpr std::uint8_t transfers_max = 64;

  std::coroutine_handle<> transfer() noexcept {
    return ++transfers_ % transfers_max != 0 ? self_ : transfer_by_step();
  }
  std::coroutine_handle<> end() noexcept {
    // In this order: a made child that is elsewhere has a home, and no at_end_.
    if (home_ != nullptr || at_end_ != nullptr) return end_by_step();
    parent_->transfers_ = transfers_;
    return parent_->transfer();
  }
  std::coroutine_handle<> transfer_by_step() noexcept;
  std::coroutine_handle<> end_by_step() noexcept;
  static void run_item(work_item&) noexcept;
  static std::coroutine_handle<> finish(void*) noexcept;
  std::coroutine_handle<> end_made() noexcept;
  static std::coroutine_handle<> come_home(void*) noexcept;

  const std::coroutine_handle<> self_;
  union {
    task_promise_base* parent_;  // without at_end_
    void* whom_;
  };
  end_function at_end_;
  const context* context_;
  executor* home_;  // while it runs elsewhere
  std::uint8_t transfers_;
  bool is_made_;  // by a join

 protected:
  bool failed_;            // it threw
  bool returned_ = false;  // what it ends with is there

 private:
  void* value_goes_to_;  // of a child that was made
  union {
    own_item item_;  // from item() on
  };
};

/// Holds what the task ends with.
template <class T>
class task_outcome : public task_promise_base {
 public:
  void unhandled_exception() noexcept {
    if (this->is_made()) return this->fail_made(std::current_exception());
    if (this->returned_) std::destroy_at(&outcome_);  // then a local's destructor threw
    set(error(std::current_exception()));
    this->failed_ = true;
  }

  result<T>& outcome() noexcept { return outcome_; }

 protected:
  explicit task_outcome(std::coroutine_handle<> self) noexcept : task_promise_base(self) {}
  ~task_outcome() {
    if (this->returned_) std::destroy_at(&outcome_);
  }

  template <class U>
  void set(U&& value) {
    std::construct_at(&outcome_, std::forward<U>(value));
    this->returned_ = true;
  }

 private:
  union {
    result<T> outcome_;
  };
};

template <class T>
class task_promise final : public task_outcome<T> {
 public:
  task_promise() noexcept
      : task_outcome<T>(std::coroutine_handle<task_promise>::from_promise(*this)) {}
  task<T> get_return_object() noexcept { return task<T>(*this); }

  template <std::convertible_to<T> U = T>
  void return_value(U&& value) {
    if constexpr (!std::same_as<std::remove_cvref_t<U>, T>) {
      return_value(static_cast<T>(std::forward<U>(value)));  // a result's error is the value here
    } else if (!this->is_made()) {
      this->set(std::forward<U>(value));
    } else if constexpr (std::is_assignable_v<T&, U>) {
      *static_cast<T*>(this->value_goes_to()) = std::forward<U>(value);
    } else if constexpr (std::is_move_assignable_v<T>) {  // then a copy can be moved there
      *static_cast<T*>(this->value_goes_to()) = static_cast<T>(std::forward<U>(value));
    }
  }
};

template <>
class task_promise<void> final : public task_outcome<void> {
 public:
  task_promise() noexcept
      : task_outcome(std::coroutine_handle<task_promise>::from_promise(*this)) {}
  task<void> get_return_object() noexcept;

  void return_void() noexcept {
    if (!is_made()) set(result<>());
  }
};

}  // namespace detail

/// Awaited, it gives its value or throws what it threw. Move-only; destroyed unstarted, nothing has
/// happened.
///
/// Arguments of the coroutine live in its frame: by reference only what outlives it. A lambda that
/// is a coroutine must outlive its tasks, captures and all; submit and post keep it.
///
/// @cost      one frame, from the pools of the thread's scheduler. Awaiting is a transfer: chains
///            of any length need no stack
template <class T = void>
class [[nodiscard]] task {
 public:
  using promise_type = detail::task_promise<T>;
  using value_type = T;

  task(task&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    task(std::move(other)).swap(*this);
    return *this;
  }
  /// @pre       it has not started, or has ended
  ~task() {
    if (promise_ != nullptr) promise_->self().destroy();
  }

  bool done() const noexcept { return promise_->self().done(); }

  class awaiter {
   public:
    explicit awaiter(promise_type& awaited) noexcept : awaited_(awaited) {}
    bool await_ready() const noexcept { return awaited_.self().done(); }
    template <std::derived_from<detail::task_promise_base> Parent>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Parent> parent) const noexcept {
      return awaited_.begin_for(parent.promise());
    }
    T await_resume() const { return std::move(awaited_.outcome()).value(); }

   private:
    promise_type& awaited_;
  };
  /// Starts it, unless it has ended already (in a when_all()); once.
  awaiter operator co_await() && noexcept { return awaiter(promise()); }

  void swap(task& other) noexcept { std::swap(promise_, other.promise_); }

  // For who starts it without awaiting it, or keeps it to its end.
  promise_type& release() noexcept {
    return static_cast<promise_type&>(*std::exchange(promise_, nullptr));
  }
  promise_type& promise() const noexcept { return static_cast<promise_type&>(*promise_); }

 private:
  friend promise_type;
  explicit task(promise_type& made) noexcept : promise_(&made) {}

  detail::task_promise_base* promise_;  // the only member: see promises_of()
};

inline task<void> detail::task_promise<void>::get_return_object() noexcept {
  return task<void>(*this);
}

namespace detail {

/// For awaiting: gives what it is made of when it is resumed, without suspending.
struct context_of_task {
  const context* found = nullptr;
  bool await_ready() const noexcept { return false; }
  template <std::derived_from<task_promise_base> Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
    found = &self.promise().ctx();
    return false;
  }
  const context& await_resume() const noexcept { return *found; }
};

}  // namespace detail

/// co_await task_context(): the context that the whole tree of tasks was started with, by submit or
/// post; that of the scheduler, or a group's, if there was none. Lives as long as the tree.
inline detail::context_of_task task_context() noexcept {
  return {};
}

}  // namespace pinion
