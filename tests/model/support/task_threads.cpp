// SPDX-License-Identifier: MIT
// In place of a scheduler, for what is built on one: each task has a thread of its own from the
// moment it is handed in, so it may begin and go on in any order, and the steps of queues and of
// waking are not among those that are gone through.
//
// Only what patterns use is here. It accepts as many tasks as its queue limit says, and refuses the
// rest, as a scheduler does that ends.
#include <utility>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/runtime/scheduler.hpp"

namespace pinion {

class scheduler_core {
 public:
  explicit scheduler_core(const scheduler_options& o)
      : workers(o.workers), accepts(o.queue_limit == 0 ? ~std::size_t{0} : o.queue_limit) {}

  void start(detail::task_node& node) {
    nodes_.push_back(&node);
    threads_.emplace_back([&node] { node.act(node, detail::task_node::action::run); });
  }
  void end() {
    for (model::thread& t : threads_) t.join();
    for (detail::task_node* node : nodes_) place.give(node, node->size_class);
  }

 private:
  detail::lane::pools pools_;
  std::vector<detail::task_node*> nodes_;
  std::vector<model::thread> threads_;

 public:
  const std::size_t workers;
  std::size_t accepts;
  detail::lane place{pools_};  // one thread at a time hands in
};

scheduler::scheduler(scheduler_options options)
    : core_(std::make_unique<scheduler_core>(options)) {}
scheduler::~scheduler() {
  core_->end();
}
const context& scheduler::root() const noexcept {
  return context::background();  // it does not stop
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
  way.where = &core.place;
  way.how = core.accepts != 0 ? admission::kind::outside : admission::kind::refused;
  way.why = errc::stopped;
  if (core.accepts != 0) --core.accepts;
  return way;
}
void gate::leave(scheduler_core&, admission) noexcept {}
void gate::look_again(scheduler_core&, admission&) noexcept {}
void gate::accept(scheduler_core& core, admission, task_node& node, const post_options&) noexcept {
  core.start(node);
}
void gate::accept_later(scheduler_core&, admission, task_node&, const post_options&,
                        void*) noexcept {}
void gate::refuse(scheduler_core&, errc, const char*) noexcept {}
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
