// SPDX-License-Identifier: MIT
// Task group: spawn many, join them all, know the first error.
//
//     task_group all(sched, ctx);
//     for (const url& u : urls) all.spawn([u](const context& ctx) { return fetch(ctx, u); });
//     if (auto r = all.join(ctx).wait(); !r) ...      // the first error; the others were canceled
//
// Jobs do not outlive their group, and none of them is lost: each has succeeded, failed, was
// canceled or has not started, and the report says how many of each.
#pragma once

#include <cstddef>
#include <exception>
#include <new>
#include <type_traits>
#include <utility>

#include "pinion/patterns/group_control.hpp"
#include "pinion/runtime/job.hpp"
#include "pinion/runtime/task_root.hpp"

namespace pinion {

namespace detail {

/// A job of a group on its way to a worker.
template <class F>
struct group_node final : owned_node {
  using callable = F;

  template <class G>
  group_node(group_control& of, G&& g) noexcept(std::is_nothrow_constructible_v<F, G>)
      : owned_node(&of), f(std::forward<G>(g)) {
    act = &group_node::run_or_drop;
    size_class = lane::class_of(sizeof(group_node));
  }

  static outcome run_or_drop(task_node& base, action what) noexcept {
    auto& self = static_cast<group_node&>(base);
    auto& group = *static_cast<group_control*>(self.owner);
    const bool start = what == action::run && !group.is_canceled();
    error e = start ? call(self, group) : error(errc::ok);
    self.f.~F();
    if (!start) {
      group.not_started(self);
    } else if (e == errc::ok) {
      group.succeeded(self);
    } else {
      group.failed(self, std::move(e));
    }
    return {start, true};  // the group may be gone
  }

  static error call(group_node& self, group_control& group) noexcept {
    try {
      const auto r = call_for_result(self.f, group.ctx());
      return r ? error(errc::ok) : r.error();
    } catch (...) {
      return std::current_exception();
    }
  }

  F f;
};

/// The group outlives its tasks, and so does its context.
struct group_context {
  explicit group_context(const context* c) noexcept : ctx(*c) {}
  bool is_done() const noexcept { return ctx.is_done(); }
  const context& get() const noexcept { return ctx; }
  const context& ctx;
};

/// The same for a coroutine, or a callable that makes one: it ends when that has ended.
template <class F>
class group_task final : public task_root<group_task<F>, F, group_context, void> {
  using root = task_root<group_task, F, group_context, void>;

 public:
  template <class G>
  group_task(scheduler_core& core, const post_options& options, group_control& of, G&& g)
      : root(core, options, &of.ctx(), std::forward<G>(g)), of_(of) {}

 private:
  friend root;
  ~group_task() = default;

  void settle(result<> r) noexcept {
    error e = r ? error(errc::ok) : r.error();
    r = {};  // nothing of the error lives on here when the group is gone
    if (e == errc::ok) {
      of_.succeeded(*this);
    } else if (e == errc::not_started) {
      of_.not_started(*this);
    } else {
      of_.failed(*this, std::move(e));
    }
    root::give_back(*this);
  }

  group_control& of_;
};

/// A job that has been counted and is not yet handed in.
class group_entry {
 public:
  explicit group_entry(group_control& of) noexcept : of_(&of) { of.begin(); }
  group_entry(const group_entry&) = delete;
  group_entry& operator=(const group_entry&) = delete;
  ~group_entry() {
    if (of_ != nullptr) of_->undo();
  }
  void release() noexcept { of_ = nullptr; }
  void refuse(errc why) noexcept { std::exchange(of_, nullptr)->refuse(why); }

 private:
  group_control* of_;
};

}  // namespace detail

/// Jobs that are joined together. The destructor cancels and joins; what failed since the last join
/// goes to the error hook of the scheduler then.
///
/// @threads   any, jobs of the group included, but for the destructor
/// @order     what was done before spawn() is visible to the job; what jobs did is visible after
///            the join
/// @lifetime  the scheduler outlives it. Whoever spawns from outside must not race the destructor
class task_group {
 public:
  /// The jobs get a context below `parent`. For jobs that shall end with the scheduler, that is
  /// its root().
  /// @errors    throws std::bad_alloc
  task_group(scheduler& on, const context& parent, group_options options = {})
      : control_(on, parent, options) {}
  task_group(scheduler&, scoped_context&&, group_options = {}) = delete;
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  /// @blocks    until the jobs that run have ended
  ~task_group() { control_.end_for_good(); }

  /// Jobs may spawn more. Above the limit the job stands in line, and starts when another one has
  /// ended. False: canceled, or the scheduler takes no more; the job counts as not started, and
  /// `f` is untouched. A job whose context ends before it starts does not start. A task, or the one
  /// that a callable makes, is a job until it has ended, suspended or not.
  /// @blocks    never for the limit of the group; from outside as scheduler::post()
  /// @cost      0 allocations for callables of up to 24 bytes in steady state
  /// @errors    throws std::bad_alloc and what the callable's constructor throws; then nothing has
  ///            been counted
  template <job F>
  bool spawn(F&& f);

  /// Completes when every job has ended, those included that jobs have spawned, with the first
  /// error in order of completion; or, if none failed but some were canceled or not started, with
  /// the reason. Then the group is as new: a round ends with it, for all who wait at that time.
  /// When it gives up because `ctx` ends, the group goes on.
  /// @errors    would_deadlock when one of its own jobs waits for it (not seen in a coroutine)
  detail::group_control::join_op join(const context& ctx) noexcept { return control_.join(&ctx); }
  detail::group_control::join_op join() noexcept { return control_.join(nullptr); }
  detail::group_control::join_op join(scoped_context&&) = delete;  // must outlive the wait

  /// Given to each job; canceled by the first error unless that is to be ignored. Another one after
  /// a join that found it canceled.
  /// @threads   a job's, or one that no join of another thread may overtake
  const context& ctx() const noexcept { return control_.ctx(); }

  /// Jobs that run are told by their context; the others do not start. True for the first cause.
  /// @blocks    never
  bool cancel(error cause = errc::canceled) noexcept { return control_.cancel(cause); }

  /// Of the round that the last join ended.
  /// @errors    throws std::bad_alloc
  group_report report() const { return control_.report(); }

 private:
  template <job F>
  detail::task_node& make(detail::entry&, const post_options&, F&&);

  detail::group_control control_;
};

template <job F>
bool task_group::spawn(F&& f) {
  detail::group_entry one(control_);
  if (control_.is_canceled()) return one.refuse(errc::canceled), false;
  post_options options;
  options.name = "task_group";
  detail::entry way(control_.core(), detail::gate::enter(control_.core(), &control_.ctx(), 1),
                    options);
  if (way.refused()) return one.refuse(way.why()), false;
  detail::task_node& made = make(way, options, std::forward<F>(f));
  one.release();
  if (control_.may_start(made)) way.accept(made);
  return true;
}

template <job F>
detail::task_node& task_group::make(detail::entry& way, const post_options& options, F&& f) {
  using callable = std::decay_t<F>;
  if constexpr (detail::starts_task<callable>) {
    auto& made = way.make<detail::group_task<callable>>(control_.core(), options, control_,
                                                        std::forward<F>(f));
    detail::gate::count_result(way.where());
    return made;
  } else {
    return way.make<detail::group_node<callable>>(control_, std::forward<F>(f));
  }
}

}  // namespace pinion
