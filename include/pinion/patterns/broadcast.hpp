// SPDX-License-Identifier: MIT
// Broadcast: one channel into many, each value to all.
//
//     std::vector<receiver<quote>> feeds = broadcast(sched, ctx, quotes, 3, {.capacity = 64});
//
//                                        ┌──> [ output ] ──> receiver
//     [ input ] ──> one task: a copy for ┼──> [ output ] ──> receiver
//                                        └──> [ output ] ──> receiver
//
// The next value is taken when every output has this one. Outputs that are full are waited for
// together, not one after the other: none has to be read for another to go on by one value.
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
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

/// What the task of a broadcast works on.
///
///     outputs   [ full | full | full | has the value | has the value ]
///     sends     [ copy | copy | copy ]           places do not matter, so they are swapped
template <class T>
class broadcast_run {
 public:
  broadcast_run(scheduler& on, const context& parent, receiver<T>&& input,
                std::vector<outlet<T>>&& outputs, std::function<void(T&&)>&& undelivered)
      : from(std::move(input)),
        ctx(with_either(parent, on.root())),
        on_undelivered_(std::move(undelivered)),
        outputs_(std::move(outputs)) {
    sends.reserve(outputs_.size());
  }

  bool has_outputs() const noexcept { return !outputs_.empty(); }

  /// To every output that has room; `sends` are those to the others. False: a copy has thrown.
  bool offer(const T& value) noexcept {
    try {
      for (std::size_t i = 0; i < outputs_.size();) i += offer_to(i, T(value));
      return true;
    } catch (...) {
      cut_short(error(std::current_exception()));
      return false;
    }
  }

  /// That send is over.
  void settle(std::size_t i, const result<>& sent) noexcept {
    const std::size_t last = sends.size() - 1;
    if (!sent) give_up(on_undelivered_, sends[i].payload());
    if (i != last) std::swap(outputs_[i], outputs_[last]);
    take_out_of(sends, i);
    if (!sent) take_out_of(outputs_, last);
  }

  void cut_short(const error& why) noexcept {
    for (auto& left : sends) give_up(on_undelivered_, left.payload());
    for (auto& to : outputs_) to.cut_short(why);
  }
  void end(const error& why) noexcept {
    for (auto& to : outputs_) to.end(why);
  }

  receiver<T> from;
  const scoped_context ctx;
  std::vector<send_op<T>> sends;

 private:
  /// How many places to go on.
  std::size_t offer_to(std::size_t i, T copy) noexcept {
    const auto sent = outputs_[i].try_send(std::move(copy));
    if (sent) return 1;
    if (sent.error() != errc::not_ready) {
      give_up(on_undelivered_, copy);
      take_out_of(outputs_, i);
      return 0;
    }
    const std::size_t full = sends.size();
    if (i != full) std::swap(outputs_[i], outputs_[full]);
    sends.push_back(outputs_[full].send(ctx, std::move(copy)));
    return 1;
  }

  const std::function<void(T&&)> on_undelivered_;
  std::vector<outlet<T>> outputs_;
};

template <class T>
task<> copy_to_all(std::unique_ptr<broadcast_run<T>> run) {
  for (unsigned n = 1; run->has_outputs(); ++n) {
    auto receiving = run->from.recv(run->ctx);
    const auto value = co_await receiving;
    if (!value) {
      if (value.error() == errc::closed) {
        run->end(value.error());
      } else {
        run->cut_short(value.error());
      }
      co_return;
    }
    if (!run->offer(*value)) co_return;
    while (!run->sends.empty()) {
      auto any = select_among(run->ctx, std::span(run->sends));
      const auto won = co_await any;
      if (!won) {
        run->cut_short(won.error());
        co_return;
      }
      run->settle(won->index, won->value);
    }
    if (n % items_per_turn == 0) co_await yield();
  }
}

}  // namespace detail

/// Each output gets every value, in order, until the input is closed; then `closed`, with the
/// input's cause. One whose receivers are gone no longer counts, and when none is left the input is
/// let go. A slow one holds the others back, or has values dropped, as `each.policy` says.
///
/// When `ctx` ends, the scheduler stops or a copy throws, all outputs are closed with that as their
/// cause, after what they hold. What an output did not get of the values that were taken goes to
/// `each.on_undelivered`.
/// @lifetime  the scheduler outlives it: its task is live until the end, so a drain waits for it
/// @cost      a few allocations at the start; per value those of its copies
/// @errors    throws std::bad_alloc, std::invalid_argument as channel
template <std::copy_constructible T>
std::vector<receiver<T>> broadcast(scheduler& sched, const context& ctx, receiver<T> input,
                                   std::size_t outputs,
                                   channel_options<T> each = {.capacity = 16}) {
  std::vector<receiver<T>> ends;
  std::vector<detail::outlet<T>> outlets;
  ends.reserve(outputs);
  outlets.reserve(outputs);
  for (std::size_t i = 0; i < outputs; ++i) {
    const channel<T> one(each);
    ends.emplace_back(one);
    outlets.emplace_back(one);
  }
  auto run = std::make_unique<detail::broadcast_run<T>>(
      sched, ctx, std::move(input), std::move(outlets), std::move(each.on_undelivered));
  static_cast<void>(sched.post(detail::copy_to_all(std::move(run)), {.name = "broadcast"}));
  return ends;
}
template <std::copy_constructible T>
std::vector<receiver<T>> broadcast(scheduler&, scoped_context&&, receiver<T>, std::size_t,
                                   channel_options<T> = {}) = delete;  // its end cancels

}  // namespace pinion
