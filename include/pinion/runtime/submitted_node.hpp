// SPDX-License-Identifier: MIT
// Submitted node: a queued callable together with the state that its future waits for, in one
// piece of memory.
//
// The worker runs the callable, destroys it and completes the state; the memory goes back when
// the future is gone as well, from whatever thread that is.
#pragma once

#include <exception>
#include <type_traits>
#include <utility>

#include "pinion/runtime/gate.hpp"
#include "pinion/runtime/task_node.hpp"
#include "pinion/sync/future.hpp"

namespace pinion::detail {

/// In the place of a context: the job gets its scheduler's root, which needs no reference.
struct root_context {
  explicit root_context(const context*) noexcept {}
  bool is_done() const noexcept { return false; }
  const context& get() const noexcept { return current_root(); }
};
struct own_context {
  explicit own_context(const context* c) noexcept : ctx(*c) {}
  bool is_done() const noexcept { return ctx.is_done(); }
  const context& get() const noexcept { return ctx; }
  const context ctx;
};

template <class F, class Context>
class submitted_node final : public task_node, private future_state<job_result<F>> {
 public:
  using value_type = job_result<F>;
  using callable = F;

  template <class G>
  submitted_node(scheduler_core& core, const post_options& options, const context* ctx,
                 G&& g) noexcept(std::is_nothrow_constructible_v<F, G>)
      : state(actions), memory_(gate::memory(core)), hook_(gate::hook(core)), ctx_(ctx) {
    name = options.name;
    ::new (&f_) F(std::forward<G>(g));
    act = &submitted_node::run_or_drop;
    size_class = lane::class_of(sizeof(submitted_node));
  }

  future<value_type> get_future() noexcept { return future<value_type>(*this); }

 private:
  using state = future_state<value_type>;

  ~submitted_node() {}  // f_ is gone already

  static outcome run_or_drop(task_node& base, action what) noexcept {
    auto& self = static_cast<submitted_node&>(base);
    const bool start = what == action::run && !self.ctx_.is_done();
    result<value_type> r = start ? call(self) : errc::not_started;
    self.f_.~F();
    self.complete(std::move(r));
    return {start, false};
  }

  static result<value_type> call(submitted_node& self) noexcept {
    try {
      return call_for_result(self.f_, self.ctx_.get());
    } catch (...) {
      return error(std::current_exception());
    }
  }

  static void dispose(future_state_base& base) noexcept {
    auto& self = static_cast<submitted_node&>(static_cast<state&>(base));
    task_memory& memory = self.memory_;
    const std::uint8_t its_class = self.size_class;
    self.~submitted_node();
    gate::give_back(memory, &self, its_class);
  }

  static void report(future_state_base& base, const error& e) noexcept {
    auto& self = static_cast<submitted_node&>(static_cast<state&>(base));
    const error_hook tell = self.hook_ != nullptr ? self.hook_ : &print_unobserved_error;
    tell(e, self.name != nullptr ? self.name : "task");
  }
  static bool is_run_here(future_state_base& base) noexcept {
    return gate::is_run_here(static_cast<submitted_node&>(static_cast<state&>(base)));
  }
  static constexpr future_actions actions{.dispose = &submitted_node::dispose,
                                          .report = &submitted_node::report,
                                          .is_run_here = &submitted_node::is_run_here};

  task_memory& memory_;
  const error_hook hook_;  // the scheduler may be gone
  const Context ctx_;
  union {  // destroyed as soon as it has run, not when the future goes
    F f_;
  };
};

}  // namespace pinion::detail
