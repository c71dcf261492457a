// SPDX-License-Identifier: MIT
// Channel stages: a pipeline as in Go, whose stages are tasks with a channel between each two.
//
//     receiver<line> lines = channel_source(sched, ctx, [&] { return next_line(in); });
//     receiver<entry> all = channel_stage(sched, ctx, std::move(lines), parse, {.concurrency = 4});
//     for (entry& e : all)
//       if (!store(e)) break;                     // leaving is enough: all of it ends
//
//     source ──> [ channel ] ──> stage ──> [ channel ] ──> stage ──> [ channel ] ──> receiver
//              closed downward, from stage to stage ───>
//              <─── let go upward: a send fails when nobody is left to receive it
//
// Each part is an ordinary channel: it can be selected, merged, copied to many. For items that
// shall be counted, or keep their order while several are worked on, there is the pipeline with
// tokens.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "pinion/patterns/outlet.hpp"
#include "pinion/patterns/pipeline_stage.hpp"
#include "pinion/platform/short_lock.hpp"
#include "pinion/runtime/resume_on.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/channel.hpp"
#include "pinion/sync/context.hpp"

namespace pinion {

template <class T>
struct channel_stage_options {
  std::size_t concurrency = 1;  // calls at once; 0: as many as workers. More than one keep no order
  channel_options<T> out = {.capacity = 16};
};

namespace detail {

/// Where a function makes its item before it is sent.
template <class T>
class item_place {
 public:
  item_place() noexcept {}
  item_place(const item_place&) = delete;
  item_place& operator=(const item_place&) = delete;
  ~item_place() { clear(); }

  template <class F>
  item_fate make(F&& f, error& why) noexcept {
    const item_fate fate = make_item(std::forward<F>(f), std::addressof(item_), why);
    full_ = fate == item_fate::kept;
    return fate;
  }
  T& item() noexcept { return item_; }
  void clear() noexcept {
    if (std::exchange(full_, false)) std::destroy_at(&item_);
  }

 private:
  bool full_ = false;
  union {
    T item_;
  };
};

/// What the tasks of one stage share; it goes with the last of them, and closes its channel then.
template <class T, class F>
class channel_stage_run {
 public:
  channel_stage_run(scheduler& on, const context& parent, F&& f, const channel<T>& to,
                    const std::function<void(T&&)>& undelivered)
      : ctx_(with_either(parent, on.root())),
        f_(std::move(f)),
        on_undelivered_(undelivered),
        to_(to) {}

  const context& ctx() const noexcept { return ctx_; }

  template <class... Item>
  item_fate make(item_place<T>& place, error& why, Item&&... from) noexcept {
    return place.make(
        [&]() -> decltype(auto) { return call_stage(f_, ctx(), std::forward<Item>(from)...); },
        why);
  }

  send_op<T> send(item_place<T>& place) {
    auto sending = to_.send(ctx_, std::move(place.item()));
    place.clear();
    return sending;
  }
  void not_sent(send_op<T>& sending, const error& why) noexcept {
    give_up(on_undelivered_, sending.payload());
    cut_short(why);
  }

  /// Why a task takes no more: with closed, what others have in hand still goes through.
  void end(const error& why) noexcept {
    if (why != errc::closed) return cut_short(why);
    const std::lock_guard lock(lock_);
    to_.end(why);
  }
  /// The other tasks stop, too, those that wait for an input included.
  void cut_short(const error& why) noexcept {
    to_.cut_short(why);
    ctx_.cancel(why);
  }

 private:
  scoped_context ctx_;
  F f_;
  const std::function<void(T&&)> on_undelivered_;
  short_lock lock_;  // of several tasks that end
  outlet<T> to_;
};

/// The same with where its items come from.
template <class In, class T, class F>
struct between_channels : channel_stage_run<T, F> {
  template <class... Args>
  explicit between_channels(receiver<In>&& in, Args&&... args)
      : channel_stage_run<T, F>(std::forward<Args>(args)...), from(std::move(in)) {}
  receiver<In> from;
};

template <class T, class F>
task<> feed(std::unique_ptr<channel_stage_run<T, F>> run) {
  for (unsigned n = 1; !run->ctx().is_done(); ++n) {
    error why = errc::closed;
    item_place<T> place;
    if (run->make(place, why) != item_fate::kept) {
      run->end(why);
      co_return;
    }
    auto sending = run->send(place);
    const auto sent = co_await sending;
    if (!sent) {
      run->not_sent(sending, sent.error());
      co_return;
    }
    if (n % items_per_turn == 0) co_await yield();
  }
  run->end(run->ctx().cause().as(run->ctx().status()));
}

template <class In, class T, class F>
task<> pass_on(std::shared_ptr<between_channels<In, T, F>> run) {
  for (unsigned n = 1;; ++n) {
    auto receiving = run->from.recv(run->ctx());
    auto item = co_await receiving;
    if (!item) {
      run->end(item.error());
      co_return;
    }
    error why = errc::ok;
    item_place<T> place;
    const item_fate fate = run->make(place, why, *std::move(item));
    if (fate == item_fate::failed) {
      run->cut_short(why);
      co_return;
    }
    if (fate == item_fate::kept) {
      auto sending = run->send(place);
      const auto sent = co_await sending;
      if (!sent) {
        run->not_sent(sending, sent.error());
        co_return;
      }
    }
    if (n % items_per_turn == 0) co_await yield();
  }
}

template <class F, class... Item>
using stage_item = item_of<stage_result<F, Item...>>;

/// It gives items that can go through a channel.
template <class F, class... Item>
concept channel_function = stage_function<F, Item...> && pipeline_item<stage_item<F, Item...>>;

}  // namespace detail

/// A task that sends what `f()`, or `f(ctx)`, gives: an item, an empty optional at the end, or a
/// result, whose error closed is the end, too, and any other the cause of it. `f` is no coroutine.
///
/// It ends when `f` does, when nobody is left to receive what it sends, when `ctx` ends, and when
/// the scheduler stops. An item that was made and could not be sent goes to `out.on_undelivered`.
/// @lifetime  the scheduler, and what `f` refers to, outlive the task: wait for its end with a
///            drain, or by reading until closed
/// @cost      a few allocations at the start, none per item
/// @errors    throws std::bad_alloc, std::invalid_argument as channel
template <class F>
requires detail::channel_function<F>
auto channel_source(scheduler& sched, const context& ctx, F f,
                    channel_options<detail::stage_item<F>> out = {.capacity = 16})
    -> receiver<detail::stage_item<F>> {
  using item = detail::stage_item<F>;
  const std::function<void(item &&)> undelivered = out.on_undelivered;
  const channel<item> to(std::move(out));
  receiver<item> end(to);
  auto run = std::make_unique<detail::channel_stage_run<item, F>>(sched, ctx, std::move(f), to,
                                                                  undelivered);
  static_cast<void>(sched.post(detail::feed(std::move(run)), {.name = "channel_source"}));
  return end;
}
template <class F>
requires detail::channel_function<F>
auto channel_source(scheduler&, scoped_context&&, F,
                    channel_options<detail::stage_item<F>> = {}) = delete;  // its end cancels

/// Tasks that take items from a channel and send what `f(item)`, or `f(ctx, item)`, gives: the next
/// stage's item, an empty optional (the item is dropped), or a result. An error or an exception of
/// one item ends the stage: its output is closed with that as its cause, and its input is let go,
/// so that those before it stop at their next item.
///
/// When the input is closed the output is, after the last item, with the input's cause. For its
/// other ends, what is undelivered, and lifetimes see channel_source().
/// @order     what was done with an item is visible to the next stage. With a concurrency of one
///            items keep their order, and a call sees what the one before it did
/// @cost      a few allocations at the start, none per item
/// @errors    throws std::bad_alloc, std::invalid_argument as channel
template <class In, class F>
requires detail::channel_function<F, In>
auto channel_stage(scheduler& sched, const context& ctx, receiver<In> from, F f,
                   channel_stage_options<detail::stage_item<F, In>> options = {})
    -> receiver<detail::stage_item<F, In>> {
  using item = detail::stage_item<F, In>;
  const std::function<void(item &&)> undelivered = options.out.on_undelivered;
  const channel<item> to(std::move(options.out));
  receiver<item> end(to);
  const auto run = std::make_shared<detail::between_channels<In, item, F>>(
      std::move(from), sched, ctx, std::move(f), to, undelivered);
  const std::size_t tasks = options.concurrency != 0 ? options.concurrency : sched.workers();
  for (std::size_t i = 0; i < tasks; ++i) {
    if (!sched.post(detail::pass_on(run), {.name = "channel_stage"})) break;
  }
  return end;
}
template <class In, class F>
requires detail::channel_function<F, In>
auto channel_stage(scheduler&, scoped_context&&, receiver<In>, F,
                   channel_stage_options<detail::stage_item<F, In>> = {}) = delete;

}  // namespace pinion
