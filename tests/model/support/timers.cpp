// SPDX-License-Identifier: MIT
// The process's own time source in a model test: timers are accepted, and never due.
#include <utility>

#include "pinion/sync/time_source.hpp"

namespace pinion {

namespace {

class endless_time final : public time_source {
 public:
  time_point now() const noexcept override { return os::now(); }
  bool arm(timer_node& node) noexcept override {
    node.next = &node;
    return true;
  }
  bool disarm(timer_node& node) noexcept override {
    return std::exchange(node.next, nullptr) != nullptr;
  }
};

constinit endless_time the_time;

}  // namespace

time_source& system_time() noexcept {
  return the_time;
}

}  // namespace pinion
