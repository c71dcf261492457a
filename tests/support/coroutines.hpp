// SPDX-License-Identifier: MIT
// The least that a test needs to run a coroutine: an executor that waits to be told, and a
// coroutine that starts at once and belongs to nobody.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <utility>
#include <vector>

#include "pinion/sync/executor.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion::test {

/// Keeps what it was posted until told to run it.
class later final : public executor {
 public:
  bool post(work_item& item) noexcept override { return items_.push_back(&item), true; }
  time_source& time() noexcept override { return system_time(); }

  /// On the calling thread. How many.
  std::size_t run() {
    const executor_scope scope(*this);
    auto items = std::move(items_);
    items_.clear();
    for (auto* item : items) item->run(*item);
    return items.size();
  }

 private:
  std::vector<work_item*> items_;
};

struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

}  // namespace pinion::test
