// SPDX-License-Identifier: MIT
// Pinion, as a program would use it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "bench/compare/libraries/pool.hpp"

#include "pinion/patterns/fan_out.hpp"
#include "pinion/patterns/task_group.hpp"
#include "pinion/runtime/scheduler.hpp"

namespace pinion::bench {

class pinion_pool {
 public:
  static constexpr const char* name = "pinion";
  static constexpr std::size_t tasks_max = 1'000'000;
  static constexpr bool keeps_workers = true;
  static constexpr bool can_choose_idling = true;

  explicit pinion_pool(const pool_shape& shape) : scheduler_(options_for(shape)) {}

  struct posting_producer {
    template <class F>
    void post(F f) {
      to.post(std::move(f));
    }
    void finish() {}
    scheduler& to;
  };

  posting_producer outside() { return {scheduler_}; }
  posting_producer inside() { return {scheduler_}; }

  template <class F>
  auto submit(F f) {
    return result_of{scheduler_.submit(std::move(f))};
  }

  /// By a task.
  template <class F>
  void spawn_group(std::size_t count, F f) {
    task_group group(scheduler_, scheduler_.root());
    for (std::size_t i = 0; i < count; ++i) group.spawn(f);
    group.join().wait().value();
  }

  template <class F>
  void post_stoppable(F f) {
    scheduler_.post(
        [f = std::move(f)](const context& ctx) mutable { f([&ctx] { return ctx.is_done(); }); });
  }

  void stop() { (void)scheduler_.stop().wait(); }

  /// Results as a stream, of which no more than the buffer holds are under way.
  template <class F>
  std::uint64_t sum_results(std::size_t count, F f) {
    fan_options options;
    options.buffer = 1024;
    std::uint64_t sum = 0;
    for (const result<std::uint64_t>& r :
         fan_out(scheduler_, context::background(), numbers{count}, f, options)) {
      sum += r.value();
    }
    return sum;
  }

 private:
  // 0 to count - 1.
  struct numbers {
    struct iterator {
      using value_type = std::uint64_t;
      using difference_type = std::ptrdiff_t;
      std::uint64_t operator*() const noexcept { return at; }
      iterator& operator++() noexcept { return ++at, *this; }
      iterator operator++(int) noexcept { return {at++}; }
      bool operator==(const iterator&) const noexcept = default;
      std::uint64_t at = 0;
    };
    iterator begin() const noexcept { return {0}; }
    iterator end() const noexcept { return {count}; }
    std::size_t count;
  };

  struct result_of {
    std::uint64_t get() { return work.wait().value(); }
    future<std::uint64_t> work;
  };

  static scheduler_options options_for(const pool_shape& shape) {
    scheduler_options options;
    options.workers = shape.workers;
    options.pin = shape.cpus.empty() ? pinning::none() : pinning::list(shape.cpus);
    switch (shape.idling) {
      case idling::usual:
        break;
      case idling::spin:
        options.idle = idle_policy::spin();
        break;
      case idling::adaptive:
        options.idle = idle_policy::adaptive(std::chrono::microseconds(20));
        break;
      case idling::park:
        options.idle = idle_policy::park();
        break;
    }
    return options;
  }

  scheduler scheduler_;
};

static_assert(pool<pinion_pool>);

}  // namespace pinion::bench
