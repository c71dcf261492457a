// SPDX-License-Identifier: MIT
// A thread knows whose code it runs, and tells that executor when it blocks.
#include "pinion/sync/executor.hpp"

#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "pinion/sync/time_source.hpp"

namespace {

using pinion::blocking;
using pinion::executor_ref;
using pinion::executor_scope;
using pinion::this_executor;

// Writes down the brackets it sees.
class recorder final : public pinion::executor {
 public:
  bool post(pinion::work_item& item) noexcept override { return item.run(item), true; }
  void begin_blocking() noexcept override { log += '('; }
  void end_blocking() noexcept override { log += ')'; }
  pinion::time_source& time() noexcept override { return pinion::system_time(); }

  std::string log;
};

TEST(executor, a_thread_of_nobody_blocks_and_keeps_time_and_takes_no_work) {
  const executor_ref mine = this_executor();
  EXPECT_EQ(mine, this_executor());
  pinion::work_item item;
  EXPECT_FALSE(mine->post(item));
  EXPECT_EQ(&mine->time(), &pinion::system_time());
  EXPECT_EQ(blocking([] { return 7; }), 7);
}

TEST(executor, a_scope_says_whose_thread_this_is) {
  recorder outer, inner;
  const executor_ref before = this_executor();
  {
    executor_scope of_outer(outer);
    EXPECT_EQ(this_executor(), executor_ref(outer));
    {
      executor_scope of_inner(inner);
      EXPECT_EQ(this_executor(), executor_ref(inner));
    }
    EXPECT_EQ(this_executor(), executor_ref(outer));
    std::thread([&] { EXPECT_EQ(this_executor(), before); }).join();
  }
  EXPECT_EQ(this_executor(), before);
}

TEST(executor, blocking_brackets_the_call_even_when_it_throws) {
  recorder mine;
  executor_scope scope(mine);
  int here = 0;
  static_assert(std::is_same_v<decltype(blocking([&]() -> int& { return here; })), int&>);
  EXPECT_EQ(&blocking([&]() -> int& { return mine.log += 'f', here; }), &here);
  EXPECT_EQ(mine.log, "(f)");
  EXPECT_THROW(blocking([] { throw std::runtime_error("boom"); }), std::runtime_error);
  EXPECT_EQ(mine.log, "(f)()");
}

}  // namespace
