// SPDX-License-Identifier: MIT
// A clock that stands still until told otherwise, and tells how many timers it holds. As simple
// as can be: what deadlines are tested against.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <set>
#include <thread>

#include "pinion/platform/clock.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion::test {

class test_clock final : public time_source {
 public:
  time_point now() const noexcept override {
    std::lock_guard lock(mutex_);
    return now_;
  }

  bool arm(timer_node& timer) noexcept override {
    std::lock_guard lock(mutex_);
    if (timer.when <= now_) return false;
    armed_.insert(&timer);
    return true;
  }

  bool disarm(timer_node& timer) noexcept override {
    std::unique_lock lock(mutex_);
    if (armed_.erase(&timer) != 0) return true;
    if (firing_thread_ == std::this_thread::get_id()) return false;
    fired_.wait(lock, [&] { return firing_ != &timer; });
    return false;
  }

  /// Fires what is due, on this thread.
  void advance(duration d) {
    std::unique_lock lock(mutex_);
    now_ = add_saturating(now_, d);
    while (!armed_.empty() && (*armed_.begin())->when <= now_) {
      firing_ = *armed_.begin();
      firing_thread_ = std::this_thread::get_id();
      armed_.erase(armed_.begin());
      lock.unlock();
      firing_->fire(*firing_);
      lock.lock();
      firing_ = nullptr;
      firing_thread_ = {};
      fired_.notify_all();
    }
  }

  std::size_t armed() const {
    std::lock_guard lock(mutex_);
    return armed_.size();
  }

 private:
  struct sooner {
    bool operator()(const timer_node* a, const timer_node* b) const {
      return a->when != b->when ? a->when < b->when : a < b;
    }
  };

  mutable std::mutex mutex_;
  std::condition_variable fired_;
  std::set<timer_node*, sooner> armed_;
  timer_node* firing_ = nullptr;
  std::thread::id firing_thread_;
  time_point now_ = time_point(std::chrono::hours(1));
};

}  // namespace pinion::test
