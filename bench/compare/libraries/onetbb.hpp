// SPDX-License-Identifier: MIT
// oneTBB: an arena of its own with the asked number of workers and no place for the caller.
#pragma once

#include <cstddef>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "bench/compare/libraries/pool.hpp"
#include "bench/support/machine.hpp"
#include <oneapi/tbb/concurrent_queue.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include "pinion/platform/os.hpp"

namespace pinion::bench {

class onetbb {
 public:
  static constexpr const char* name = "onetbb";
  static constexpr std::size_t tasks_max = 1'000'000;
  static constexpr bool keeps_workers = true;
  static constexpr bool can_choose_idling = false;

  // The limit counts the caller's thread too.
  explicit onetbb(const pool_shape& shape)
      : limit_(tbb::global_control::max_allowed_parallelism, shape.workers + 1),
        arena_(static_cast<int>(shape.workers), 0),
        pins_(arena_, shape) {}
  ~onetbb() noexcept { wait_for_stoppable(); }  // a group must be waited for before it goes

  struct enqueuing_producer {
    template <class F>
    void post(F f) {
      arena.enqueue(std::move(f));
    }
    void finish() {}
    tbb::task_arena& arena;
  };

  /// A task group is how tasks make tasks; its end waits for them, and helps meanwhile.
  class spawning_producer {
   public:
    template <class F>
    void post(F f) {
      group_->run(std::move(f));
    }
    void finish() { group_->wait(); }

   private:
    std::unique_ptr<tbb::task_group> group_ = std::make_unique<tbb::task_group>();
  };

  enqueuing_producer outside() { return {arena_}; }
  spawning_producer inside() { return {}; }

  /// oneTBB has no future: a promise, held by pointer because its functors must copy.
  template <class F>
  std::future<std::uint64_t> submit(F f) {
    auto promise = std::make_shared<std::promise<std::uint64_t>>();
    auto result = promise->get_future();
    arena_.enqueue([promise, f = std::move(f)] { promise->set_value(f()); });
    return result;
  }

  /// By a task.
  template <class F>
  void spawn_group(std::size_t count, F f) {
    tbb::task_group group;
    for (std::size_t i = 0; i < count; ++i) group.run(f);
    group.wait();
  }

  template <class F>
  void post_stoppable(F f) {
    arena_.enqueue(stoppable_.defer([this, f = std::move(f)] {
      // relaxed: it carries nothing but itself.
      f([this] { return stop_wanted_.load(std::memory_order_relaxed); });
    }));
  }

  void stop() {
    stop_wanted_.store(true, std::memory_order_relaxed);  // relaxed: see post_stoppable
    stoppable_.cancel();
    wait_for_stoppable();
  }

  /// Results through its bounded queue, which is what its users do instead of futures.
  template <class F>
  std::uint64_t sum_results(std::size_t count, F f) {
    tbb::concurrent_bounded_queue<std::uint64_t> results;
    for (std::size_t i = 0; i < count; ++i) {
      arena_.enqueue([&results, f, i] { results.push(f(i)); });
    }
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      std::uint64_t value = 0;
      results.pop(value);
      sum += value;
    }
    return sum;
  }

 private:
  class pins final : public tbb::task_scheduler_observer {
   public:
    pins(tbb::task_arena& arena, const pool_shape& shape)
        : task_scheduler_observer(arena), shape_(shape) {
      if (!shape.cpus.empty()) observe(true);
    }
    ~pins() override { observe(false); }
    void on_scheduler_entry(bool is_worker) override {
      const int place = tbb::this_task_arena::current_thread_index();
      if (is_worker && place >= 0) pin_this_thread(shape_.cpus_of(static_cast<std::size_t>(place)));
    }

   private:
    const pool_shape shape_;
  };

  void wait_for_stoppable() {
    arena_.execute([this] { stoppable_.wait(); });
  }

  tbb::global_control limit_;
  tbb::task_arena arena_;
  pins pins_;
  tbb::task_group stoppable_;
  os::atomic<bool> stop_wanted_{false};
};

static_assert(pool<onetbb>);

}  // namespace pinion::bench
