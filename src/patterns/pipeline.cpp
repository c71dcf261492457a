// SPDX-License-Identifier: MIT
#include "pinion/patterns/pipeline.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>

#include "pinion/runtime/scheduler.hpp"
#include "src/patterns/pipeline_control.hpp"

namespace pinion {

namespace {

using detail::item_fate;

constexpr std::size_t errors_max = 64;

std::size_t tokens_for(const pipeline_options& o, const scheduler& on) {
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
  constexpr std::size_t per_worker = 4;
  if (o.max_in_flight <= most) {
    return o.max_in_flight != 0 ? o.max_in_flight : per_worker * on.workers();
  }
  throw std::invalid_argument("pipeline_options::max_in_flight is " +
                              std::to_string(o.max_in_flight) + ", must be 2^31 - 1 at most");
}

/// A run: the state of its future, the functions, the tokens.
class pipeline_run final : public detail::future_state<pipeline_report>,
                           private detail::pipeline_control {
 public:
  pipeline_run(scheduler& on, const context& parent, const pipeline_options& options,
               pipeline::stages stages)
      : future_state(actions),
        pipeline_control(std::move(stages), tokens_for(options, on), parent, on.root()),
        scheduler_(on),
        policy_(options.policy),
        copy_to_(options.report),
        hook_(detail::gate::hook(on)) {
    errors_.reserve(errors_max);
  }

  void begin() noexcept { pipeline_control::start(); }

 private:
  class runner;

  static pipeline_run& of(future_state_base& base) noexcept {
    return static_cast<pipeline_run&>(static_cast<future_state&>(base));
  }
  static void dispose(future_state_base& base) noexcept { of(base).let_go(); }
  static bool help(future_state_base& base) noexcept {
    pipeline_run& self = of(base);
    if (self.scheduler_.this_worker()) self.run_waiting();
    return self.ready();
  }
  static bool cancel(future_state_base& base) noexcept {
    of(base).ctx_.cancel();
    return false;
  }
  static void abandon(future_state_base& base) noexcept {
    pipeline_run& self = of(base);
    self.is_abandoned_ = true;
    self.ctx_.cancel();
    self.run_waiting();  // its runner may be posted to the very worker that waits now
  }
  static void report(future_state_base& base, const error& e) noexcept {
    const pipeline_run& self = of(base);
    if (self.is_abandoned_ && e == errc::canceled) return;  // as was asked for
    const error_hook tell = self.hook_ != nullptr ? self.hook_ : &print_unobserved_error;
    tell(e, "pipeline");
  }
  static constexpr detail::future_actions actions{
      .dispose = dispose, .report = report, .try_run = help, .cancel = cancel, .abandon = abandon};

  void retain() noexcept {
    keepers_.fetch_add(1, std::memory_order_relaxed);  // relaxed: who calls it keeps it
  }
  // Not inlined: with a sanitizer, GCC takes the base that it is reached by for the whole object.
  [[gnu::noinline]] void let_go() noexcept {
    // acq_rel: the last one sees all that the others did.
    if (keepers_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  item_fate failed(const error& why) noexcept override;
  bool post_runner() noexcept override;
  void ended() noexcept override;

  result<pipeline_report> outcome(const counts&) noexcept;

  scheduler& scheduler_;
  const on_error policy_;
  pipeline_report* const copy_to_;
  const error_hook hook_;  // the scheduler may be gone

  os::atomic<std::uint32_t> keepers_{1};  // the future, and runners that are posted or run

  short_lock errors_lock_;
  std::vector<error> errors_;         // guarded by errors_lock_; never grows beyond its memory
  error not_posted_ = errc::stopped;  // why nobody goes on
  bool is_abandoned_ = false;         // the consumer's
};

/// On its way to a worker. Dropped before it ran, it says so.
class pipeline_run::runner {
 public:
  explicit runner(pipeline_run& of) noexcept : of_(&of) { of.retain(); }
  runner(runner&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  runner& operator=(runner&&) = delete;
  ~runner() {
    if (of_ == nullptr) return;
    of_->give_up_posted();
    of_->let_go();
  }

  void operator()() noexcept {
    pipeline_run& run = *std::exchange(of_, nullptr);
    if (run.scheduler_.this_worker()) {
      run.run_posted();
    } else {
      run.run_in_caller();
    }
    run.let_go();
  }

 private:
  pipeline_run* of_;
};

item_fate pipeline_run::failed(const error& why) noexcept {
  if (canceled() && (why.is_cancel() || why.is_timeout())) return item_fate::abandoned;
  bool is_first = false;
  {
    const std::lock_guard lock(errors_lock_);
    is_first = errors_.empty();
    if (errors_.size() < errors_max) errors_.push_back(why);  // within its memory
  }
  if (is_first && policy_ == on_error::cancel_siblings) ctx_.cancel(why);
  return item_fate::failed;
}

bool pipeline_run::post_runner() noexcept {
  runner one(*this);
  try {
    if (scheduler_.post(std::move(one), {.name = "pipeline"})) return true;
    not_posted_ = detail::gate::why_refused(scheduler_);
    return false;
  } catch (const std::bad_alloc&) {
    not_posted_ = error(std::current_exception());
    return true;  // for later ones there may be memory
  }
}

// What has not been delivered is destroyed here, then the functions, and last of all the future
// says so.
void pipeline_run::ended() noexcept {
  complete(outcome(give_up_the_rest()));
}

result<pipeline_report> pipeline_run::outcome(const counts& n) noexcept {
  pipeline_report all{.produced = n.produced,
                      .delivered = n.delivered,
                      .dropped = n.dropped,
                      .failed = n.failed,
                      .abandoned = n.abandoned,
                      .errors = std::move(errors_)};
  const error first = all.errors.empty() ? errc::ok : all.errors.front();
  const bool complete = source_is_empty() && all.abandoned == 0;
  try {
    if (copy_to_ != nullptr) *copy_to_ = all;
  } catch (const std::bad_alloc&) {
    copy_to_->errors.clear();  // the counts are there
  }
  if (first != errc::ok && policy_ == on_error::cancel_siblings) return first;
  if (complete) return all;
  return detail::gate::why_ended(ctx_, scheduler_.root(), not_posted_);
}

}  // namespace

future<pipeline_report> pipeline::run(scheduler& on, const context& ctx,
                                      pipeline_options options) && {
  auto* const state = new pipeline_run(on, ctx, options, std::move(stages_));
  future<pipeline_report> answer(*state);
  state->begin();
  return answer;
}

}  // namespace pinion
