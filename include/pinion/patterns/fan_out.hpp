// SPDX-License-Identifier: MIT
// Fan-out: one function over many inputs, some at a time, results as a stream.
//
//     for (result<page>& p : fan_out(sched, ctx, urls, fetch, {.concurrency = 5})) { ... }
//
//     inputs --claim--> runner --call--> [ slots ] --head--> the one who reads
//                         ^                                        |
//                         +---------------- credits ---------------+
//
// Results come in the order in which the calls ended, or in the order of their inputs. The two
// differ in one thing: whether a call's slot is the next ticket when it has ended, or the number
// of its input. A slow reader holds back new calls, and never a worker with a finished result.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include "pinion/patterns/fan_control.hpp"
#include "pinion/patterns/fan_input.hpp"
#include "pinion/patterns/fan_results.hpp"
#include "pinion/patterns/group_report.hpp"
#include "pinion/platform/cpu.hpp"
#include "pinion/runtime/job.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

namespace detail {

/// f(input), or f(ctx, input) for functions that wait.
template <class F, class In>
struct call : job_value<std::invoke_result_t<F, const context&, In>> {};
template <class F, class In>
requires std::invocable<F, In>
struct call<F, In> : job_value<std::invoke_result_t<F, In>> {
};

/// A fan-out with its inputs and its function.
template <class In, class F, class R>
class fan_run final : public fan_results<R> {
  using input = std::ranges::range_reference_t<In>;

 public:
  fan_run(scheduler& on, const context& parent, In&& inputs, F&& f, const fan_options& options)
      : fan_results<R>(on, parent, options), inputs_(std::forward<In>(inputs)), f_(std::move(f)) {
    if constexpr (channel_input<In>) inputs_.ends_with(this->ctx_);
  }

 private:
  static constexpr std::uint32_t batch_max = 32;
  static constexpr duration turn = std::chrono::microseconds(200);  // then others have theirs

  void run() noexcept override {
    const std::uint64_t turn_ends = cpu_ticks() + to_ticks(turn);
    std::uint32_t credits = 0;
    for (std::uint32_t want = 1; !this->canceled(); --credits) {
      if (credits == 0) {
        if (want > 1 && cpu_ticks() > turn_ends && this->pass_on()) return;
        credits = this->take_credits(want);
        if (credits == 0) return;
        want = std::min(2 * want, batch_max);
      }
      typename fan_input<In>::claim one;
      if (!inputs_.take(one)) break;
      this->place(one.position, answer(one));
    }
    this->leave(credits, false);
  }

  result<R> answer(typename fan_input<In>::claim& one) noexcept {
    using given = decltype(invoke(one));
    static_assert(!is_task<std::remove_cvref_t<given>>,
                  "a fan-out calls functions: for coroutines, "
                  "a task_group, or when_all in a task");
    try {
      if constexpr (std::is_void_v<given>) {
        invoke(one);
        return {};
      } else {
        return invoke(one);
      }
    } catch (...) {
      return error(std::current_exception());
    }
  }

  decltype(auto) invoke(typename fan_input<In>::claim& one) {
    if constexpr (std::invocable<F&, input>) {
      return std::invoke(f_, inputs_.get(one));
    } else {
      return std::invoke(f_, std::as_const(this->ctx_), inputs_.get(one));
    }
  }

  std::uint64_t inputs_claimed() const noexcept override { return inputs_.claimed(); }
  std::uint64_t inputs_left() const noexcept override { return inputs_.left(); }

  fan_input<In> inputs_;
  [[no_unique_address]] F f_;
};

}  // namespace detail

/// The results, one for each input that was started. One thread reads at a time.
///
/// Nothing is lost and nothing is left behind: after cancellation, what was started still comes,
/// and report() says how many were not. The destructor cancels, and waits for the calls that run.
template <class R>
class [[nodiscard]] results {
 public:
  explicit results(std::unique_ptr<detail::fan_results<R>> core) noexcept
      : core_(std::move(core)) {}
  results(results&&) noexcept = default;
  ~results();

  /// @errors    closed after the last one. After the last one that was started, when others were
  ///            not: why the context of the calls ended; stopped or overloaded, when the scheduler
  ///            took no more. When `ctx` ends first: its error, and nothing is lost
  op<result<R>> next(const context& ctx) { return {how, core_.get(), &ctx}; }
  op<result<R>> next(scoped_context&&) = delete;  // must outlive the wait
  op<result<R>> next() { return {how, core_.get(), nullptr}; }

  class iterator {
   public:
    using value_type = result<R>;
    using difference_type = std::ptrdiff_t;

    explicit iterator(results& of) : of_(&of) { ++*this; }
    result<R>& operator*() const noexcept { return *of_->current_; }
    iterator& operator++() {
      of_->fetch();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return !of_->current_.has_value(); }

   private:
    results* of_;
  };

  /// @blocks    the thread, like next().wait(), until the first result; ++ until the next one.
  ///            A worker lends its core meanwhile
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// Of the results taken so far. When next() has said that there are no more, nothing is missing:
  /// succeeded + failed + canceled + not_started is the number of inputs (of those that were
  /// taken, where the range does not say how many it has).
  group_report report() const { return core_->report(); }

 private:
  using taking = op<result<R>>;
  static detail::fan_results<R>& core_of(taking& o) noexcept {
    return *static_cast<detail::fan_results<R>*>(o.object());
  }
  static constexpr typename taking::verb how = {
      .list = [](taking& o) noexcept -> wait_list& { return core_of(o).waiting; },
      .try_complete = [](taking& o) noexcept { return core_of(o).is_ready(); },
      .enlist = [](taking& o, waiter& w) noexcept { core_of(o).enlist(o.link(w), w); },
      .withdraw = [](taking& o) noexcept { core_of(o).withdraw(o.link()); },
      .take = [](taking& o) { return core_of(o).take(); }};

  void fetch();

  std::unique_ptr<detail::fan_results<R>> core_;
  std::optional<result<R>> current_;  // the iterator's
};

// A reader that has caught up looks away for a moment: at the heels of the runners, each result
// would cost it, and them, a line that moves between the cores.
template <class R>
void results<R>::fetch() {
  constexpr duration moment = std::chrono::microseconds(1);
  if (!core_->is_ready()) {
    for (spin_budget budget(moment); budget.spin();) {
    }
  }
  result<result<R>> r = core_->is_ready() ? core_->take() : next().wait();
  current_.reset();
  if (r) current_.emplace(*std::move(r));
}

template <class R>
results<R>::~results() {
  if (core_ == nullptr) return;
  core_->cancel(errc::canceled);
  while (next().wait()) {
  }
  const std::lock_guard nobody_in_end(core_->waiting);
}

/// Calls `f` for each input, on the workers of `sched`, several at a time, and from several threads
/// at once. What it throws is its result's error. Inputs are any range; they are taken one by one,
/// as calls can start; from a channel until it is closed or the context ends. The context of the
/// calls ends with the scheduler, too. What a range throws comes as one more result, and ends it.
/// @pre       who reads the results on a worker leaves another one, or a spare, to run the calls
/// @lifetime  a range given as an lvalue must outlive the results; so must the scheduler
/// @cost      a few allocations at the start, none per input; about two contended
///            read-modify-writes per input
/// @errors    throws std::bad_alloc, std::invalid_argument for options out of range, and what the
///            range throws at its beginning
template <std::ranges::input_range In, class F>
auto fan_out(scheduler& sched, const context& ctx, In&& inputs, F f, fan_options options = {})
    -> results<typename detail::call<F&, std::ranges::range_reference_t<In>>::type> {
  using value = typename detail::call<F&, std::ranges::range_reference_t<In>>::type;
  auto core = std::make_unique<detail::fan_run<In, F, value>>(sched, ctx, std::forward<In>(inputs),
                                                              std::move(f), options);
  core->start();
  return results<value>(std::move(core));
}
template <std::ranges::input_range In, class F>
void fan_out(scheduler&, scoped_context&&, In&&, F, fan_options = {}) = delete;  // its end cancels

}  // namespace pinion
