// SPDX-License-Identifier: MIT
// The pool that everybody has written once: threads, one mutex, one condition variable, one deque
// of std::function. On two cores it is faster than most libraries; it is the one to beat.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "bench/compare/libraries/pool.hpp"
#include "bench/support/machine.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::bench {

class mutex_pool {
 public:
  static constexpr const char* name = "mutex_pool";
  static constexpr std::size_t tasks_max = 1'000'000;
  static constexpr bool keeps_workers = true;
  static constexpr bool can_choose_idling = false;

  explicit mutex_pool(const pool_shape& shape) {
    for (std::size_t i = 0; i < shape.workers; ++i) {
      threads_.emplace_back([this, cpus = shape.cpus_of(i)] {
        pin_this_thread(cpus);
        work();
      });
    }
  }
  ~mutex_pool() { join(); }

  struct posting_producer {
    template <class F>
    void post(F f) {
      pool.post(std::move(f));
    }
    void finish() {}
    mutex_pool& pool;
  };

  posting_producer outside() { return {*this}; }
  posting_producer inside() { return {*this}; }

  /// std::function wants copies, so the packaged_task is shared: as everybody writes it.
  template <class F>
  std::future<std::uint64_t> submit(F f) {
    auto task = std::make_shared<std::packaged_task<std::uint64_t()>>(std::move(f));
    auto result = task->get_future();
    post([task] { (*task)(); });
    return result;
  }

  template <class F>
  void post_stoppable(F f) {
    post([this, f = std::move(f)]() mutable {
      // relaxed: it carries nothing but itself.
      f([this] { return stop_wanted_.load(std::memory_order_relaxed); });
    });
  }

  void stop() {
    stop_wanted_.store(true, std::memory_order_relaxed);  // relaxed: see post_stoppable
    {
      const std::lock_guard lock(mutex_);
      tasks_.clear();
    }
    join();
  }

  template <class F>
  void post(F f) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.emplace_back(std::move(f));
    }
    wake_.notify_one();
  }

 private:
  void work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  void join() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool ending_ = false;
  os::atomic<bool> stop_wanted_{false};
  std::vector<std::thread> threads_;
};

static_assert(pool<mutex_pool>);

}  // namespace pinion::bench
