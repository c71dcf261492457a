// SPDX-License-Identifier: MIT
// One std::thread per task: what a program does before it has a pool.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "bench/compare/libraries/pool.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::bench {

class std_thread {
 public:
  static constexpr const char* name = "std_thread";
  static constexpr std::size_t tasks_max = 10'000;
  static constexpr bool keeps_workers = false;
  static constexpr bool can_choose_idling = false;

  explicit std_thread(const pool_shape&) {}

  /// Joins the oldest thread when as many run as a sensible program would allow itself.
  class joining_producer {
   public:
    template <class F>
    void post(F f) {
      std::thread& place = running_[next_++ % running_.size()];
      if (place.joinable()) place.join();
      place = std::thread(std::move(f));
    }
    void finish() {
      for (std::thread& t : running_) {
        if (t.joinable()) t.join();
      }
    }

   private:
    std::array<std::thread, 64> running_;
    std::size_t next_ = 0;
  };

  joining_producer outside() { return {}; }
  joining_producer inside() { return {}; }

  /// The thread's result, fetched by joining it.
  class joined_result {
   public:
    template <class F>
    explicit joined_result(F f) {
      thread_ = std::thread([value = value_.get(), f = std::move(f)]() mutable { *value = f(); });
    }
    std::uint64_t get() {
      thread_.join();
      return *value_;
    }

   private:
    std::unique_ptr<std::uint64_t> value_ = std::make_unique<std::uint64_t>();
    std::thread thread_;
  };

  template <class F>
  joined_result submit(F f) {
    return joined_result(std::move(f));
  }

  template <class F>
  void post_stoppable(F f) {
    stoppable_.emplace_back([this, f = std::move(f)]() mutable {
      // relaxed: it carries nothing but itself.
      f([this] { return stop_wanted_.load(std::memory_order_relaxed); });
    });
  }

  void stop() {
    stop_wanted_.store(true, std::memory_order_relaxed);  // relaxed: see post_stoppable
    for (std::thread& t : stoppable_) t.join();
    stoppable_.clear();
  }

 private:
  os::atomic<bool> stop_wanted_{false};
  std::vector<std::thread> stoppable_;
};

static_assert(pool<std_thread>);

}  // namespace pinion::bench
