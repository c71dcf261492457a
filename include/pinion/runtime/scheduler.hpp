// SPDX-License-Identifier: MIT
// Scheduler: pinned workers that steal from each other. The class users create.
//
//     scheduler sched;                                     // one worker per usable core
//     auto answer = sched.submit([] { return 6 * 7; });    // future<int>
//     sched.post([] { log("fire and forget"); });
//     std::cout << answer.wait().value();
//
// Work that a task hands over goes to its worker's own queue, where it is warm in the cache and
// costs one locked instruction; it runs oldest first, there or at a thief. Work from outside goes
// to one queue that all workers poll, or straight to an idle worker. See the guide to embedding for
// when which matters.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#include "pinion/runtime/gate.hpp"
#include "pinion/runtime/job.hpp"
#include "pinion/runtime/options.hpp"
#include "pinion/runtime/resume_on.hpp"
#include "pinion/runtime/shutdown.hpp"
#include "pinion/runtime/stats.hpp"
#include "pinion/runtime/submitted_node.hpp"
#include "pinion/runtime/task_root.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/future.hpp"

namespace pinion {

/// Owns its workers and no global state; a process may have several.
///
/// @threads   all functions: any thread, workers included
/// @order     what was done before handing work over is visible to it; what it did is visible to
///            whoever saw its future complete, or a drain that followed
/// @lifetime  what its tasks refer to must outlive it: declare it after those things
class scheduler {
 public:
  /// @errors    throws std::invalid_argument naming the option and its limit;
  ///            std::system_error when a thread cannot be made (those made before are joined)
  explicit scheduler(scheduler_options = {});

  /// close(), drains for options.drain_for, then stops; the error hook is told what was left.
  /// From one of its own workers it hands the joining to another thread.
  ~scheduler();

  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  // Handing over work.

  // A task, or the task that a callable makes, is resumed by this scheduler until it has ended;
  // until then it is live, and a drain waits for it. Its context comes to it as task_context().

  /// Runs it for its effect. Errors go to the error hook, and so does a refusal (then: false, and
  /// `f` is untouched). `ctx` goes to the job; if it is done before the start, the job does not
  /// start and counts as not started.
  /// @blocks    only with reject::block at the queue limit, until there is room or `ctx` ends
  /// @cost      0 allocations for callables of up to 32 bytes in steady state. A system call only
  ///            to wake a sleeping worker, when none is spinning or searching. None with `wake`
  ///            off: then an idle worker looks every millisecond, and finds the work. After ten
  ///            seconds without such work it sleeps for good, and the next post wakes it.
  /// @errors    throws std::bad_alloc, and with `after` std::system_error when the clock has no
  ///            thread and gets none; then nothing was handed over and `f` is untouched
  template <job F>
  bool post(const context& ctx, F&& f, post_options = {});
  template <job F>
  bool post(F&& f, post_options = {});
  template <job F>
  bool post(scoped_context&&, F&& f, post_options = {}) = delete;  // its end cancels the job

  /// Runs it for its result. Refused work gives a future that is ready with the refusal.
  /// @errors    as post()
  template <job F>
  future<job_result<F>> submit(const context& ctx, F&& f, post_options = {});
  template <job F>
  future<job_result<F>> submit(F&& f, post_options = {});
  template <job F>
  future<job_result<F>> submit(scoped_context&&, F&& f, post_options = {}) = delete;

  /// For threads that must not stumble: takes a small callable or says not_ready.
  /// A thread that is no worker calls attach() once before.
  /// @progress  lock-free; no allocation, no lock; system calls as post()
  /// @errors    not_ready: no node is free, the thread is not attached, or `after` is set;
  ///            stopped, overloaded: refused
  template <std::invocable F>
  requires(sizeof(F) <= 32) && std::is_nothrow_move_constructible_v<F> &&
      (!detail::starts_task<F>)result<> try_post(F f, post_options = {}) noexcept;

  /// One queue operation and one wake-up for every 64. How many were accepted: a prefix.
  template <std::ranges::input_range R>
  requires detail::plain_job<std::ranges::range_value_t<R>> std::size_t post_bulk(
      R&& jobs, post_options = {});

  /// Runs it on that worker and on no other, which a task could not promise, however long that
  /// takes. `after` is not looked at.
  /// @errors    throws std::out_of_range unless worker < workers()
  template <detail::plain_job F>
  bool post_to(std::size_t worker, F&& f, post_options = {});

  /// Sets up the calling thread for handing over work; otherwise its first post does that. An idle
  /// worker begins to look for work that comes without a wake-up.
  /// @errors    throws std::bad_alloc
  void attach();

  /// co_await it in a task: see resume_on().
  detail::hop schedule() noexcept { return resume_on(*this); }

  /// For those who only need somebody to run things.
  operator executor_ref() noexcept;

  // Ending.

  const context& root() const noexcept;  // parent of what runs in here; canceled by stop()
  /// Refuses outside work; tasks may still add theirs. False: it did before.
  /// @blocks    until nobody is in the middle of handing in
  bool close() noexcept;

  /// Closes, then completes when all accepted work has run; with `blocking` when `ctx` ends first,
  /// be it while somebody hands in, and may then be called again.
  /// @errors    would_deadlock when waited for by a worker
  shutdown_op drain(const context& ctx);
  shutdown_op drain();
  shutdown_op drain(scoped_context&&) = delete;  // must outlive the wait

  /// Closes, cancels root(), gives up what has not started, and completes when the rest has
  /// ended; with `blocking` when `ctx` ends first. @errors as drain()
  shutdown_op stop(const context& ctx);
  shutdown_op stop();
  shutdown_op stop(scoped_context&&) = delete;  // must outlive the wait

  // Looking at it, and tuning it.

  std::size_t workers() const noexcept;
  const placement& plan() const noexcept;
  std::vector<std::string> warnings() const;  // what the system refused, what the plan warns of
  scheduler_stats stats() const;

  void set_idle_policy(idle_policy) noexcept;  // seen by each worker when it next becomes idle

  /// Number of the calling thread's worker, if it is one of ours.
  std::optional<std::size_t> this_worker() const noexcept;

 private:
  friend struct detail::gate;
  template <class Node, class... Args>
  bool post_node(const context* ctx, const post_options&, Args&&...);
  template <class Node, class F>
  bool post_task(const context* ctx, const post_options&, F&&);
  template <class Node, class... Args>
  future<typename Node::value_type> submit_node(const context* ctx, const post_options&, Args&&...);

  std::unique_ptr<scheduler_core> core_;
};

// Implementation of the templates.

template <class Node, class... Args>
bool scheduler::post_node(const context* ctx, const post_options& options, Args&&... args) {
  detail::entry way(*core_, detail::gate::enter(*core_, ctx, 1), options);
  if (way.refused()) {
    detail::gate::refuse(*core_, way.why(), options.name);
    return false;
  }
  way.accept(way.make<Node>(std::forward<Args>(args)...));
  return true;
}

template <class Node, class F>
bool scheduler::post_task(const context* ctx, const post_options& options, F&& f) {
  detail::entry way(*core_, detail::gate::enter(*core_, ctx, 1), options);
  if (way.refused()) {
    detail::gate::refuse(*core_, way.why(), options.name);
    return false;
  }
  Node& node = way.make<Node>(*core_, options, ctx, std::forward<F>(f));
  detail::gate::count_result(way.where());
  way.accept(node);
  return true;
}

template <job F>
bool scheduler::post(F&& f, post_options options) {
  if constexpr (detail::starts_task<std::decay_t<F>>) {
    using node = detail::posted_task<std::decay_t<F>, detail::root_context>;
    return post_task<node>(nullptr, options, std::forward<F>(f));
  } else {
    return post_node<detail::posted_node<std::decay_t<F>>>(nullptr, options, std::forward<F>(f));
  }
}

template <job F>
bool scheduler::post(const context& ctx, F&& f, post_options options) {
  if constexpr (detail::starts_task<std::decay_t<F>>) {
    using node = detail::posted_task<std::decay_t<F>, detail::own_context>;
    return post_task<node>(&ctx, options, std::forward<F>(f));
  } else {
    return post_node<detail::bound_node<std::decay_t<F>>>(&ctx, options, ctx, std::forward<F>(f));
  }
}

template <class Node, class... Args>
auto scheduler::submit_node(const context* ctx, const post_options& options, Args&&... args)
    -> future<typename Node::value_type> {
  detail::entry way(*core_, detail::gate::enter(*core_, ctx, 1), options);
  if (way.refused()) {
    detail::gate::count_refused(*core_, 1);
    return future<typename Node::value_type>(error(way.why()));
  }
  Node& node = way.make<Node>(*core_, options, ctx, std::forward<Args>(args)...);
  auto answer = node.get_future();
  detail::gate::count_result(way.where());
  way.accept(node);
  return answer;
}

template <job F>
auto scheduler::submit(F&& f, post_options options) -> future<job_result<F>> {
  using node = detail::node_for_result<std::decay_t<F>, detail::root_context>;
  return submit_node<node>(nullptr, options, std::forward<F>(f));
}

template <job F>
auto scheduler::submit(const context& ctx, F&& f, post_options options) -> future<job_result<F>> {
  using node = detail::node_for_result<std::decay_t<F>, detail::own_context>;
  return submit_node<node>(&ctx, options, std::forward<F>(f));
}

template <std::invocable F>
requires(sizeof(F) <= 32) && std::is_nothrow_move_constructible_v<F> &&
    (!detail::starts_task<F>)result<> scheduler::try_post(F f, post_options options) noexcept {
  if (options.after > duration::zero()) return errc::not_ready;
  detail::entry way(*core_, detail::gate::try_enter(*core_), options);
  if (way.refused()) return way.why();
  auto* node = way.try_make<detail::posted_node<F>>(std::move(f));
  if (node == nullptr) return errc::not_ready;
  way.accept(*node);
  return {};
}

template <detail::plain_job F>
bool scheduler::post_to(std::size_t worker, F&& f, post_options options) {
  detail::gate::check_worker(*core_, worker);
  detail::entry way(*core_, detail::gate::enter(*core_, nullptr, 1), options);
  if (way.refused()) {
    detail::gate::refuse(*core_, way.why(), options.name);
    return false;
  }
  way.accept_for(worker, way.make<detail::posted_node<std::decay_t<F>>>(std::forward<F>(f)));
  return true;
}

template <std::ranges::input_range R>
requires detail::plain_job<std::ranges::range_value_t<R>> std::size_t scheduler::post_bulk(
    R&& jobs, post_options options) {
  using node = detail::posted_node<std::ranges::range_value_t<R>>;
  std::size_t accepted = 0;
  auto next = std::ranges::begin(jobs);
  const auto last = std::ranges::end(jobs);
  if (options.after > duration::zero()) {
    while (next != last && post_node<node>(nullptr, options, *next)) ++next, ++accepted;
    return accepted;
  }
  while (next != last) {
    detail::batch some(*core_, detail::gate::enter(*core_, nullptr, detail::batch::capacity),
                       options);
    if (some.refused()) {
      detail::gate::refuse(*core_, some.why(), options.name);
      break;
    }
    for (; next != last && some.has_room(); ++next, ++accepted) some.add<node>(*next);
  }
  return accepted;
}

}  // namespace pinion
