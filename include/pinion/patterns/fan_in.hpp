// SPDX-License-Identifier: MIT
// Fan-in: many channels into one.
//
//     receiver<event> all = fan_in<event>(sched, ctx, {mouse, keys, network});
//     for (event& e : all) handle(e);                    // until the last of them is closed
//
//     [ input ] ──┐
//     [ input ] ──┼─> one task: one of those that have a value ──> [ output ] ──> receiver
//     [ input ] ──┘
//
// One task stands in line at all inputs that are open, and takes from one of those that have a
// value, each with the same chance: so each input keeps its order and none starves. A value that
// the output has no room for waits in the task's hand; nothing else is buffered.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "pinion/patterns/outlet.hpp"
#include "pinion/runtime/resume_on.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/channel.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/select_among.hpp"

namespace pinion {

namespace detail {

/// What the task of a fan-in works on.
template <class T>
struct fan_in_run {
  fan_in_run(scheduler& on, const context& parent, std::vector<receiver<T>>&& from,
             const channel<T>& to, const std::function<void(T&&)>& undelivered)
      : ctx(with_either(parent, on.root())),
        on_undelivered(undelivered),
        inputs(std::move(from)),
        out(to) {
    cases.reserve(inputs.size());
    for (auto& input : inputs) cases.push_back(input.recv());
    for (std::size_t i = cases.size(); i-- != 0;)
      if (cases[i].never_ready()) remove(i, errc::would_deadlock);  // it was moved from
  }

  /// That input has ended.
  void remove(std::size_t i, const error& why) noexcept {
    out.end(why);
    take_out_of(cases, i);
    take_out_of(inputs, i);
  }

  const scoped_context ctx;
  const std::function<void(T&&)> on_undelivered;
  std::vector<receiver<T>> inputs;
  std::vector<receive_op<T>> cases;  // one for each input
  outlet<T> out;
};

template <class T>
task<> merge(std::unique_ptr<fan_in_run<T>> run) {
  for (unsigned n = 1; !run->cases.empty(); ++n) {
    auto any = select_among(run->ctx, std::span(run->cases));
    auto won = co_await any;
    if (!won) {
      run->out.cut_short(won.error());
      co_return;
    }
    if (!won->value) {
      run->remove(won->index, won->value.error());
      continue;
    }
    auto sending = run->out.send(run->ctx, *std::move(won->value));
    const auto sent = co_await sending;
    if (!sent) {
      give_up(run->on_undelivered, sending.payload());
      run->out.cut_short(sent.error());
      co_return;
    }
    if (n % items_per_turn == 0) co_await yield();
  }
  run->out.end(errc::closed);
}

}  // namespace detail

/// Values of all inputs, each input's in its order, until the last input is closed; then `closed`,
/// with the cause of the first input that had one. No input that has values is passed over for
/// long: whoever is ready has the same chance each time.
///
/// When `ctx` ends, or the scheduler stops, the output is closed with that as its cause, after what
/// it holds. When its last receiver is gone, the next value ends it. The inputs are let go in any
/// case. Every value that was taken is received, or goes to `out.on_undelivered`.
/// @lifetime  the scheduler outlives it: its task is live until the end, so a drain waits for it
/// @cost      a few allocations at the start, none per value. A wait while no input has a value
///            takes a place in the line of each
/// @errors    throws std::bad_alloc, std::invalid_argument as channel
template <class T>
receiver<T> fan_in(scheduler& sched, const context& ctx, std::vector<receiver<T>> inputs,
                   channel_options<T> out = {.capacity = 16}) {
  const std::function<void(T &&)> undelivered = out.on_undelivered;
  const channel<T> to(std::move(out));
  receiver<T> all(to);
  auto run =
      std::make_unique<detail::fan_in_run<T>>(sched, ctx, std::move(inputs), to, undelivered);
  static_cast<void>(sched.post(detail::merge(std::move(run)), {.name = "fan_in"}));
  return all;
}
template <class T>
receiver<T> fan_in(scheduler&, scoped_context&&, std::vector<receiver<T>>,
                   channel_options<T> = {}) = delete;  // its end cancels

}  // namespace pinion
