// SPDX-License-Identifier: MIT
// std::async per task: the standard library's own way to get a result from another thread.
#pragma once

#include <array>
#include <cstddef>
#include <future>
#include <utility>
#include <vector>

#include "bench/compare/libraries/pool.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::bench {

class std_async {
 public:
  static constexpr const char* name = "std_async";
  static constexpr std::size_t tasks_max = 10'000;
  static constexpr bool keeps_workers = false;
  static constexpr bool can_choose_idling = false;

  explicit std_async(const pool_shape&) {}

  /// Dropping such a future waits for its task, so a bounded number is kept.
  class waiting_producer {
   public:
    template <class F>
    void post(F f) {
      running_[next_++ % running_.size()] = std::async(std::launch::async, std::move(f));
    }
    void finish() {
      for (std::future<void>& f : running_) f = {};
    }

   private:
    std::array<std::future<void>, 64> running_;
    std::size_t next_ = 0;
  };

  waiting_producer outside() { return {}; }
  waiting_producer inside() { return {}; }

  template <class F>
  auto submit(F f) {
    return std::async(std::launch::async, std::move(f));
  }

  template <class F>
  void post_stoppable(F f) {
    stoppable_.push_back(std::async(std::launch::async, [this, f = std::move(f)]() mutable {
      // relaxed: it carries nothing but itself.
      f([this] { return stop_wanted_.load(std::memory_order_relaxed); });
    }));
  }

  void stop() {
    stop_wanted_.store(true, std::memory_order_relaxed);  // relaxed: see post_stoppable
    stoppable_.clear();
  }

 private:
  os::atomic<bool> stop_wanted_{false};
  std::vector<std::future<void>> stoppable_;
};

static_assert(pool<std_async>);

}  // namespace pinion::bench
