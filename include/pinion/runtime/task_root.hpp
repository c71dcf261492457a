// SPDX-License-Identifier: MIT
// Task root: a queued task, or a callable that makes one, and what becomes of its end.
//
//     queued ── run: make the task, count it as live, start it ── suspends, is resumed ... ──>
//     ended
//        \── drop: destroy it unstarted                                  frame, callable, result
//
// The node keeps the callable, its captures and the context until the task has ended.
#pragma once

#include <concepts>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "pinion/runtime/gate.hpp"
#include "pinion/runtime/job.hpp"
#include "pinion/runtime/submitted_node.hpp"
#include "pinion/runtime/task.hpp"
#include "pinion/runtime/task_node.hpp"
#include "pinion/sync/future.hpp"

namespace pinion::detail {

template <class T>
struct returned_task {};
template <class T>
struct returned_task<task<T>> {
  using type = task<T>;
};

/// The task that a job is or makes.
template <class F>
struct task_of
    : returned_task<decltype(call_job(std::declval<F&>(), std::declval<const context&>()))> {};
template <class T>
struct task_of<task<T>> {
  using type = task<T>;
};

template <class F>
concept starts_task = requires {
  typename task_of<F>::type;
};

/// What is over when it has returned.
template <class F>
concept plain_job = job<F> && !starts_task<std::decay_t<F>>;

template <class T>
result<T> flatten(result<T>&& r) {
  return std::move(r);
}
template <class T>
result<T> flatten(result<result<T>>&& r) {
  if (!r) return r.error();
  return *std::move(r);
}

/// What a task has ended with. An exception that a move of the value throws becomes the result; for
/// nothing, the value stays where it is.
template <class Kept, class T>
result<Kept> take_outcome(result<T>& r) noexcept {
  try {
    if constexpr (!std::is_void_v<Kept>) {
      return flatten(std::move(r));
    } else {
      if (!r) return r.error();
      if constexpr (!std::same_as<T, typename job_value<T>::type>) {  // that of a task<result<U>>
        if (!*r) return r->error();
      }
      return {};
    }
  } catch (...) {
    return error(std::current_exception());
  }
}

/// The parts of a root that do not depend on what its result is for. `Node` is told a result<Kept>,
/// by settle(), when all else of the task is gone.
template <class Node, class F, class Context, class Kept>
class task_root : public task_node {
 public:
  using callable = F;

 protected:
  using task_type = typename task_of<F>::type;

  template <class G>
  task_root(scheduler_core& core, const post_options& options, const context* ctx, G&& g)
      : memory_(gate::memory(core)), ctx_(ctx) {
    name = options.name;
    ::new (&f_) F(std::forward<G>(g));
    act = &task_root::run_or_drop;
    size_class = lane::class_of(sizeof(Node));
  }
  ~task_root() {}  // f_ is gone already

  static void give_back(Node& self) noexcept {
    task_memory& memory = self.memory_;
    const std::uint8_t its_class = self.size_class;
    self.~Node();
    gate::give_back(memory, &self, its_class);
  }

 private:
  static outcome run_or_drop(task_node& base, action what) noexcept {
    auto& self = static_cast<task_root&>(base);
    if (what != action::run || self.ctx_.is_done()) {
      self.finish(errc::not_started);
      return {false, false};
    }
    try {
      self.make();
    } catch (...) {
      self.finish(error(std::current_exception()));
      return {true, false};
    }
    // A thread from outside may run it, too; the task goes on at the workers.
    const executor_ref home = gate::current_executor();
    const executor_scope scope(home);
    static_cast<void>(home->begin_live());  // never refused inside a task
    if (self.name != nullptr) gate::begin_named(self.memory_, self.name);
    auto& promise = self.task_->promise();
    promise.begin_for(&self, &task_root::at_end, self.ctx_.get());
    run_coroutine(promise.self());
    return {true, false};
  }

  void make() {
    if constexpr (std::same_as<F, task_type>) {
      task_.emplace(std::move(f_));
    } else {
      task_.emplace(call_job(f_, ctx_.get()));
    }
  }

  static std::coroutine_handle<> at_end(void* promise) noexcept {
    auto& self = *static_cast<task_root*>(task_promise_base::of(promise).whom());
    if (self.name != nullptr) gate::end_named(self.memory_, self.name);
    self.finish(take_outcome<Kept>(self.task_->promise().outcome()));
    this_executor()->end_live();  // nothing of the task is left, temporaries included
    return {};
  }

  void finish(result<Kept>&& r) noexcept {
    task_.reset();
    f_.~F();
    static_cast<Node*>(this)->settle(std::move(r));
  }

  task_memory& memory_;

 protected:
  const Context ctx_;

 private:
  std::optional<task_type> task_;
  union {  // destroyed when the task has ended, not when the node goes
    F f_;
  };
};

/// Run for its effect.
template <class F, class Context>
class posted_task final : public task_root<posted_task<F, Context>, F, Context, void> {
  using root = task_root<posted_task, F, Context, void>;

 public:
  using root::root;
  template <class G>
  posted_task(scheduler_core& core, const post_options& options, const context* ctx, G&& g)
      : root(core, options, ctx, std::forward<G>(g)) {}

 private:
  friend root;
  ~posted_task() = default;

  void settle(result<>&& r) noexcept {
    if (!r && r.error() != errc::not_started) report_unobserved(r.error(), this->name);
    root::give_back(*this);
  }
};

/// Run for its result.
template <class F, class Context>
class submitted_task final
    : public task_root<submitted_task<F, Context>, F, Context, job_result<F>>,
      private future_state<job_result<F>> {
  using root = task_root<submitted_task, F, Context, job_result<F>>;
  using state = future_state<job_result<F>>;

 public:
  using value_type = job_result<F>;

  template <class G>
  submitted_task(scheduler_core& core, const post_options& options, const context* ctx, G&& g)
      : root(core, options, ctx, std::forward<G>(g)), state(actions), hook_(gate::hook(core)) {}

  future<value_type> get_future() noexcept { return future<value_type>(*this); }

 private:
  friend root;
  ~submitted_task() = default;

  void settle(result<value_type>&& r) noexcept { this->complete(std::move(r)); }

  static submitted_task& of(future_state_base& base) noexcept {
    return static_cast<submitted_task&>(static_cast<state&>(base));
  }
  static void dispose(future_state_base& base) noexcept { root::give_back(of(base)); }
  static void report(future_state_base& base, const error& e) noexcept {
    const submitted_task& self = of(base);
    const error_hook tell = self.hook_ != nullptr ? self.hook_ : &print_unobserved_error;
    tell(e, self.name != nullptr ? self.name : "task");
  }
  static constexpr future_actions actions{.dispose = &submitted_task::dispose,
                                          .report = &submitted_task::report};

  const error_hook hook_;  // the scheduler may be gone
};

template <class F, class Context>
using node_for_result =
    typename std::conditional_t<starts_task<F>, std::type_identity<submitted_task<F, Context>>,
                                std::type_identity<submitted_node<F, Context>>>::type;

}  // namespace pinion::detail
