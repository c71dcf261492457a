// SPDX-License-Identifier: MIT
// What does a result cost, from handing over the task to adding up what it gave, on one consumer?
// Each library returns results its own way: Pinion and oneTBB through a queue, the others as
// futures. `mutex_pool_queue` is the mutex pool with a locked queue of results instead, because
// the price of a future would otherwise hide the price of the pool. Decides the results ring.
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "bench/compare/works.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::bench {
namespace {

constexpr auto task_result = [](std::uint64_t i) noexcept { return i; };

template <class Pool>
concept has_way_back = requires(Pool p) {
  p.sum_results(std::size_t{1}, task_result);
};

class mutex_pool_queue : public mutex_pool {
 public:
  static constexpr const char* name = "mutex_pool_queue";
  using mutex_pool::mutex_pool;

  template <class F>
  std::uint64_t sum_results(std::size_t count, F f) {
    results_queue queue;
    for (std::size_t i = 0; i < count; ++i) {
      post([&queue, f, i] { queue.push(f(i)); });
    }
    std::uint64_t sum = 0;
    for (std::size_t received = 0; received < count;) {
      for (const std::uint64_t value : queue.take_all()) {
        sum += value;
        ++received;
      }
    }
    return sum;
  }

 private:
  class results_queue {
   public:
    void push(std::uint64_t value) {
      bool was_empty = false;
      {
        const std::lock_guard lock(mutex_);
        was_empty = values_.empty();
        values_.push_back(value);
        if (was_empty) some_.notify_one();  // under the lock: the consumer may end with the queue
      }
    }
    const std::vector<std::uint64_t>& take_all() {
      taken_.clear();
      std::unique_lock lock(mutex_);
      some_.wait(lock, [this] { return !values_.empty(); });
      taken_.swap(values_);
      return taken_;
    }

   private:
    std::mutex mutex_;
    std::condition_variable some_;
    std::vector<std::uint64_t> values_;
    std::vector<std::uint64_t> taken_;  // the consumer's
  };
};

// All futures first, then all results: what the futures of the standard lead to.
template <pool Pool>
std::uint64_t sum_futures(Pool& pool, std::size_t count) {
  using future = decltype(pool.submit(+[] { return std::uint64_t{}; }));
  std::vector<future> results;
  std::uint64_t sum = 0;
  constexpr std::size_t threads_at_once = 64;
  const std::size_t at_once = Pool::keeps_workers ? count : std::min(count, threads_at_once);
  results.reserve(at_once);
  for (std::size_t i = 0; i < count;) {
    for (; results.size() < at_once && i < count; ++i) {
      results.push_back(pool.submit([i = std::uint64_t{i}] { return task_result(i); }));
    }
    for (auto& result : results) sum += result.get();
    results.clear();
  }
  return sum;
}

template <pool Pool>
duration collect(Pool& pool, std::size_t count) {
  const time_point start = os::now();
  std::uint64_t sum = 0;
  if constexpr (has_way_back<Pool>) {
    sum = pool.sum_results(count, task_result);
  } else {
    sum = sum_futures(pool, count);
  }
  const duration elapsed = os::now() - start;
  const std::uint64_t expected = std::uint64_t{count} * (count - 1) / 2;
  if (sum != expected) throw std::logic_error("fan_out_fan_in: a result was lost or came twice");
  return elapsed;
}

template <pool Pool>
measurement fan_out_fan_in(const pool_shape& shape) {
  Pool pool(shape);
  const std::size_t count = tasks_for<Pool>(1'000'000);
  collect(pool, count / 10);  // warm-up
  const duration elapsed = collect(pool, count);
  return {elapsed, static_cast<double>(count)};
}

template <pool Pool>
void add_forms() {
  for (const form& f : forms<Pool>(usual_workers())) {
    add_benchmark(name_of<Pool>("fan_out_fan_in", f.shape, f.suffix),
                  [shape = f.shape] { return fan_out_fan_in<Pool>(shape); });
  }
}

}  // namespace

void add_fan_out_fan_in() {
  for_each_library(libraries{}, []<pool Pool>() { add_forms<Pool>(); });
  add_forms<mutex_pool_queue>();
}

}  // namespace pinion::bench
