// SPDX-License-Identifier: MIT
#include "pinion/runtime/scheduler.hpp"

#include <cstdio>
#include <mutex>
#include <string>

#include "src/runtime/core.hpp"

namespace pinion {

using detail::task_memory;

scheduler::scheduler(scheduler_options options)
    : core_(std::make_unique<scheduler_core>(std::move(options))) {}

scheduler::~scheduler() {
  // relaxed: the child of a fork has had it set before it ran anything.
  if ((core_->life(std::memory_order_relaxed) & task_memory::forked) != 0) {
    static_cast<void>(core_.release());  // its threads do not exist; nothing can be joined
    return;
  }
  if (core_->must_not_wait()) {
    // The last owner is one of its own tasks: somebody else joins the thread it runs on.
    scheduler_core::end_from_inside(std::move(core_));
  } else {
    core_->end_all();
  }
}

const context& scheduler::root() const noexcept {
  return core_->root_cancel;
}
bool scheduler::close() noexcept {
  return core_->close();
}
void scheduler::attach() {
  core_->attach();
}

shutdown_op scheduler::drain(const context& ctx) {
  return {*core_, shutdown_op::how::drain, &ctx};
}
shutdown_op scheduler::drain() {
  return {*core_, shutdown_op::how::drain, nullptr};
}
shutdown_op scheduler::stop(const context& ctx) {
  return {*core_, shutdown_op::how::stop, &ctx};
}
shutdown_op scheduler::stop() {
  return {*core_, shutdown_op::how::stop, nullptr};
}

std::size_t scheduler::workers() const noexcept {
  return core_->seats.size();
}
const placement& scheduler::plan() const noexcept {
  return core_->places;
}

std::vector<std::string> scheduler::warnings() const {
  std::vector<std::string> all = core_->places.warnings;
  // relaxed: as in the destructor. One of the parent's threads may have had the lock.
  if ((core_->life(std::memory_order_relaxed) & task_memory::forked) != 0) return all;
  const std::lock_guard lock(core_->threads_lock);
  all.insert(all.end(), core_->refusals.begin(), core_->refusals.end());
  return all;
}

void scheduler::set_idle_policy(idle_policy policy) noexcept {
  core_->set_idle_policy(policy);
}

std::optional<std::size_t> scheduler::this_worker() const noexcept {
  const detail::seat* s = detail::current.seat_of(*core_);
  return s != nullptr ? std::optional(s->index) : std::nullopt;
}

scheduler::operator executor_ref() noexcept {
  return *core_;
}

namespace {

/// An item on its way to a worker. Given up, it hears of it.
struct item_node final : detail::task_node {
  using callable = work_item*;  // as seen by those who make nodes

  explicit item_node(work_item& carried) noexcept : item(carried) {
    act = run_or_drop;
    size_class = detail::lane::class_of(sizeof(item_node));
  }

  static outcome run_or_drop(task_node& base, action what) noexcept {
    work_item& item = static_cast<item_node&>(base).item;
    const bool runs = what == action::run || item.drop == nullptr;
    (runs ? item.run : item.drop)(item);
    return {runs, true};
  }

  work_item& item;
};

}  // namespace

// What an executor is asked to run may be the rest of work that has been accepted long ago: no
// queue limit holds it up.
bool scheduler_core::post(work_item& item) noexcept {
  try {
    const post_options plain;
    detail::entry way(*this, enter_unlimited(1), plain);
    if (way.refused()) return false;
    way.accept(way.make<item_node>(item));
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// --- Errors that nobody fetches.

void scheduler_core::unobserved(const error& e, const char* name) noexcept {
  unobserved_errors.fetch_add(1, std::memory_order_relaxed);  // relaxed: statistics
  const char* where = name != nullptr ? name : "task";
  if (options.on_unobserved_error != nullptr) return options.on_unobserved_error(e, where);
  try {
    std::fprintf(stderr, "%s: %s: %s\n", options.name.c_str(), where, e.what().c_str());
  } catch (...) {
    std::fprintf(stderr, "%s: %s: an error without text\n", options.name.c_str(), where);
  }
}

namespace detail {

void report_unobserved(error e, const char* name) noexcept {
  if (scheduler_core* core = current.core) core->unobserved(e, name);
}

const context& current_root() noexcept {
  const scheduler_core* core = current.core;
  return core != nullptr ? core->root_cancel : context::background();
}

error_hook gate::hook(const scheduler& on) noexcept {
  return hook(*on.core_);
}
scheduler_core& gate::core(scheduler& on) noexcept {
  return *on.core_;
}
errc gate::why_refused(const scheduler& on) noexcept {
  // relaxed: the refusal came before, by the same thread or with its result.
  const bool is_closed = (on.core_->life(std::memory_order_relaxed) & task_memory::closed) != 0;
  return is_closed ? errc::stopped : errc::overloaded;
}

}  // namespace detail
}  // namespace pinion
