// SPDX-License-Identifier: MIT
// Pipeline: items pass through stages; stages run at the same time on different items.
//
//     auto work = source([&] { return read(in); })              // optional<block>; empty: the end
//               | stage(mode::parallel, compress)               // block -> block
//               | sink(mode::serial_in_order, [&](block b) { write(out, b); });
//     auto report = std::move(work).run(sched, ctx, {.max_in_flight = 8}).wait();
//
// An item has a token from the source's call to the end of the sink, and there are as many tokens
// as may be in flight: a slow stage holds back the source, and no buffer grows. Whoever takes an
// item carries it as far as it gets; at a serial stage that is taken, or whose turn it is not, the
// item waits alone, and its carrier finds something else to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "pinion/patterns/group_report.hpp"
#include "pinion/patterns/pipeline_stage.hpp"
#include "pinion/sync/channel.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/future.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

class scheduler;

/// Each item is in one of these: produced == delivered + dropped + failed + abandoned.
struct pipeline_report {
  std::uint64_t produced = 0;   // by the source; a call that failed counts, too
  std::uint64_t delivered = 0;  // to the end of the sink
  std::uint64_t dropped = 0;    // by a stage that gave an empty optional
  std::uint64_t failed = 0;     // with an error of their own
  std::uint64_t abandoned = 0;  // on their way when the run was canceled
  std::vector<error> errors;    // of those that failed: the first ones, in order of completion
};

struct pipeline_options {
  std::size_t max_in_flight = 0;  // items between source and end of sink; 0: 4 per worker
  on_error policy = on_error::cancel_siblings;
  pipeline_report* report = nullptr;  // filled in before the future is ready, whatever the end
};

/// A complete pipeline, ready to run.
class [[nodiscard]] pipeline {
 public:
  using stages = std::vector<std::unique_ptr<detail::pipeline_stage>>;

  explicit pipeline(stages all) noexcept : stages_(std::move(all)) {}

  /// Starts it. What the source and the stages refer to must live until the future is ready, and
  /// so must the scheduler; dropping the future before cancels the run and waits for its end. A
  /// worker that waits for the future carries items itself; with reject::caller_runs and a full
  /// queue the caller does, in here.
  ///
  /// When the run is canceled, or the scheduler stops, no function is called any more, those that
  /// wait under their context are woken, and what is on its way is destroyed. An item that was
  /// delivered stays delivered.
  /// @order     what a stage did with an item is visible to the next one. What a serial stage did
  ///            is visible to its next call. What all did is visible when the future is ready
  /// @cost      some allocations at the start, none per item; a short lock at each serial stage.
  ///            Items of less than about a quarter of a microsecond are carried by one worker,
  ///            while a second one watches
  /// @errors    the first error, unless keep_going; canceled, deadline_exceeded; stopped when the
  ///            scheduler is, overloaded when its queue is full and it refuses. Throws
  ///            std::bad_alloc, and std::invalid_argument for options out of range
  future<pipeline_report> run(scheduler&, const context&, pipeline_options = {}) &&;
  future<pipeline_report> run(scheduler&, scoped_context&&, pipeline_options = {}) && = delete;

 private:
  stages stages_;
};

/// Source and stages so far; its items are of type T.
template <class T>
class [[nodiscard]] flow {
 public:
  explicit flow(pipeline::stages all) noexcept : stages_(std::move(all)) {}

  /// The stages with one more.
  pipeline::stages with(std::unique_ptr<detail::pipeline_stage> next) && {
    stages_.push_back(std::move(next));
    return std::move(stages_);
  }

 private:
  pipeline::stages stages_;
};

namespace detail {

template <class F>
struct stage_spec {
  mode how;
  F f;
};
template <class F>
struct sink_spec {
  mode how;
  F f;
};

}  // namespace detail

/// `f()`, or `f(ctx)`, called one at a time, gives the next item. An empty optional is the end, and
/// so is the error closed. Any other error ends it, too: the call counts as an item that failed.
template <class F>
requires detail::stage_function<F>
auto source(F f) -> flow<detail::item_of<detail::stage_result<F>>> {
  pipeline::stages first;
  first.push_back(std::make_unique<detail::source_stage<F>>(std::move(f)));
  return flow<detail::item_of<detail::stage_result<F>>>(std::move(first));
}

/// Items from a channel, until it is closed. A worker that waits for one lends its core meanwhile.
template <class T>
flow<T> source(receiver<T> from) {
  return source([from = std::move(from)](const context& ctx) mutable -> result<T> {
    return from.recv(ctx).wait();
  });
}

/// `f(item)`, or `f(ctx, item)`, gives the next stage's item, or optional (empty: drop it), or
/// result (error: it failed). A dropped or failed item does not hold up those behind it.
template <class F>
detail::stage_spec<F> stage(mode how, F f) {
  return {how, std::move(f)};
}

/// `f(item)`, or `f(ctx, item)`, has the item at the end. Gives nothing, or result<>.
template <class F>
detail::sink_spec<F> sink(mode how, F f) {
  return {how, std::move(f)};
}

template <class T, class F>
requires detail::stage_function<F, T>
auto operator|(flow<T>&& so_far, detail::stage_spec<F> next)
    -> flow<detail::item_of<detail::stage_result<F, T>>> {
  using item = detail::item_of<detail::stage_result<F, T>>;
  static_assert(!std::is_void_v<item>, "a stage gives the next item; the last one is a sink");
  return flow<item>(std::move(so_far).with(
      std::make_unique<detail::item_stage<T, F>>(next.how, std::move(next.f))));
}

template <class T, class F>
requires detail::stage_function<F, T> pipeline operator|(flow<T>&& so_far,
                                                         detail::sink_spec<F> last) {
  static_assert(std::is_void_v<detail::item_of<detail::stage_result<F, T>>>,
                "a sink gives nothing, or result<>");
  return pipeline(std::move(so_far).with(
      std::make_unique<detail::item_stage<T, F>>(last.how, std::move(last.f))));
}

}  // namespace pinion
