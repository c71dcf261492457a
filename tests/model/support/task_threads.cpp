// SPDX-License-Identifier: MIT
// In place of a scheduler, for what is built on one: each task has a thread of its own from the
// moment it is handed in, so it may begin and go on in any order, and the steps of queues and of
// waking are not among those that are gone through.
//
// Only what patterns use is here. It accepts as many tasks as its queue limit says, and refuses the
// rest, as a scheduler does that ends.
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion {

class scheduler_core final : public executor {
 public:
  explicit scheduler_core(const scheduler_options& o)
      : workers(o.workers), accepts(o.queue_limit == 0 ? ~std::size_t{0} : o.queue_limit) {}

  bool post(work_item& item) noexcept override {
    if (!accept()) return false;
    start([&item] { item.run(item); });
    return true;
  }
  time_source& time() noexcept override { return system_time(); }

  bool accept() noexcept { return accepts != 0 && accepts-- != 0; }
  void start(detail::task_node& node) {
    nodes_.push_back(&node);
    start([&node] { node.act(node, detail::task_node::action::run); });
  }
  void end() {
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      model::thread one = std::move(threads_[i]);
      one.join();
    }
    for (detail::task_node* node : nodes_) places_[0]->of.give(node, node->size_class);
  }

  /// One that nobody is at. Threads take turns between atomic operations only.
  detail::lane& take_place() {
    for (auto& p : places_) {
      if (!std::exchange(p->taken, true)) return p->of;
    }
    auto& made = *places_.emplace_back(std::make_unique<place>(pools_));
    return made.of;
  }
  void leave_place(const detail::lane* of) noexcept {
    for (auto& p : places_) {
      if (&p->of == of) p->taken = false;
    }
  }

 private:
  struct place {
    explicit place(detail::lane::pools& p) : of(p) {}
    detail::lane of;
    bool taken = true;
  };

  void start(std::function<void()> what) {
    model::thread one(std::move(what));
    threads_.push_back(std::move(one));
  }

  detail::lane::pools pools_;
  std::vector<std::unique_ptr<place>> places_;
  std::vector<detail::task_node*> nodes_;
  std::vector<model::thread> threads_;

 public:
  const std::size_t workers;
  std::size_t accepts;
};

scheduler::scheduler(scheduler_options options)
    : core_(std::make_unique<scheduler_core>(options)) {}
scheduler::~scheduler() {
  core_->end();
}
const context& scheduler::root() const noexcept {
  return context::background();  // it does not stop
}
scheduler::operator executor_ref() noexcept {
  return *core_;
}
std::size_t scheduler::workers() const noexcept {
  return core_->workers;
}
std::optional<std::size_t> scheduler::this_worker() const noexcept {
  return std::nullopt;  // nobody passes a task on to the next one of its worker
}

namespace detail {

admission gate::enter(scheduler_core& core, const context*, std::size_t) {
  admission way;
  way.how = core.accept() ? admission::kind::outside : admission::kind::refused;
  way.why = errc::stopped;
  if (way.how != admission::kind::refused) way.where = &core.take_place();
  return way;
}
void gate::leave(scheduler_core& core, admission way) noexcept {
  core.leave_place(way.where);
}
void gate::look_again(scheduler_core&, admission&) noexcept {}
void gate::accept(scheduler_core& core, admission way, task_node& node,
                  const post_options&) noexcept {
  core.leave_place(way.where);
  core.start(node);
}
void gate::accept_later(scheduler_core&, admission, task_node&, const post_options&,
                        void*) noexcept {}
void gate::refuse(scheduler_core&, errc, const char*) noexcept {}
errc gate::why_refused(const scheduler&) noexcept {
  return errc::stopped;
}
void* gate::take_timer(scheduler_core&, lane&) {
  return nullptr;
}
void gate::give_timer(lane&, void*) noexcept {}

void report_unobserved(error, const char*) noexcept {}
const context& current_root() noexcept {
  return context::background();
}

}  // namespace detail
}  // namespace pinion
