// SPDX-License-Identifier: MIT
// The memory of a coroutine comes from where it should, and finds its way back from anywhere.
#include "pinion/runtime/frame.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <latch>
#include <memory_resource>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include "tests/support/allocations.hpp"
#include "tests/support/schedulers.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/when_all.hpp"

namespace pinion {
namespace {

using test::with_workers;

task<int> number(int n) {
  co_return n;
}

using arena = std::pmr::polymorphic_allocator<>;

task<int> in_arena(std::allocator_arg_t, arena, int n) {
  co_return n + co_await number(1);
}

TEST(frame, takes_its_frame_from_an_allocator_that_is_its_first_argument) {
  std::array<std::byte, 4096> bytes;
  std::pmr::monotonic_buffer_resource buffer(bytes.data(), bytes.size(),
                                             std::pmr::null_memory_resource());
  scheduler sched(with_workers(1));
  void* const before = buffer.allocate(1, 1);
  EXPECT_EQ(sched.submit(in_arena(std::allocator_arg, &buffer, 6)).wait().value(), 7);
  void* const after = buffer.allocate(1, 1);
  EXPECT_GT(static_cast<std::byte*>(after) - static_cast<std::byte*>(before), 64);
}

task<int> many_in_arena(std::pmr::memory_resource& from) {
  std::array<int, 10> values{};
  co_await when_all(std::span(values), [&](std::size_t i) {
    return in_arena(std::allocator_arg, &from, static_cast<int>(i));
  });
  int sum = 0;
  for (const int n : values) sum += n;
  co_return sum;
}

task<int> made_numbers() {
  std::array<int, 10> values{};
  co_await when_all(std::span(values), [](std::size_t i) { return number(static_cast<int>(i)); });
  co_return values[9];
}

// Finds: a frame that is kept for the next child when there is none. It counts as in use, and so
// the memory of its scheduler stays.
TEST(frame, nothing_is_kept_of_a_join_whose_scheduler_has_ended) {
  const auto run = [] {
    std::thread([] {
      scheduler sched(with_workers(2));
      for (int i = 0; i < 10; ++i) EXPECT_EQ(sched.submit(made_numbers()).wait().value(), 9);
    }).join();
  };
  run();
  const std::size_t before = test::blocks_in_use.load();
  run();
  EXPECT_EQ(test::blocks_in_use.load(), before);
}

// Memory that tells when it is given back.
class telling_resource : public std::pmr::memory_resource {
 public:
  explicit telling_resource(std::function<void()> whom) : whom_(std::move(whom)) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override {
    whom_();
    std::pmr::new_delete_resource()->deallocate(p, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  const std::function<void()> whom_;
};

task<> nothing() {
  co_return;
}

// Finds: a step left by the end of a child, and taken by another coroutine that its allocator runs.
TEST(frame, a_coroutine_may_run_where_a_made_child_gives_its_frame_back) {
  std::latch entered{1}, leave{1};
  auto options = with_workers(1);
  options.queue_limit = 1;
  options.when_full = reject::caller_runs;
  scheduler full(options);
  full.post([&] {
    entered.count_down();
    leave.wait();
  });
  entered.wait();
  full.post([] {});
  int run_here = 0;
  telling_resource from([&] { run_here += full.post(nothing()) ? 1 : 0; });
  {
    scheduler sched(with_workers(1));
    EXPECT_EQ(sched.submit(many_in_arena(from)).wait().value(), 55);
  }
  EXPECT_EQ(run_here, 10);
  EXPECT_EQ(full.stats().ran, 10u);
  leave.count_down();
}

TEST(frame, a_made_child_gives_its_frame_back_to_its_allocator) {
  int given_back = 0;
  telling_resource from([&] { ++given_back; });
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(many_in_arena(from)).wait().value(), 55);
  EXPECT_EQ(given_back, 10);
}

TEST(frame, a_frame_may_outlive_the_scheduler_whose_pools_it_is_from) {
  std::optional<task<int>> left;
  {
    scheduler sched(with_workers(1));
    sched.submit([&] { left = number(7); }).wait().value();
    sched.post([] {});  // this thread has a record there now
    auto another = number(8);
    sched.submit([&] { left = std::move(another); }).wait().value();
  }
  scheduler sched(with_workers(1));
  EXPECT_EQ(sched.submit(std::move(*left)).wait().value(), 8);
}

}  // namespace
}  // namespace pinion
