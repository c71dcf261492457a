// SPDX-License-Identifier: MIT
// The whole scheduler under the checker.
#include <string>

#include "tests/model/support/model.hpp"
#include "tests/model/support/system.hpp"

#include "pinion/runtime/scheduler.hpp"

namespace {

using namespace pinion::model;

void post_and_end() {
  cell<int> ran = 0;
  {
    pinion::scheduler_options o;
    o.workers = 1;
    pinion::scheduler s(o);
    s.post([&] { ran.write(1); });
    (void)s.drain().wait();
    require(ran.read() == 1, "ran before the end");
  }
}

TEST(scheduler_model, one_worker) {
  warm_up();
  EXPECT_TRUE(holds({.how = mode::random, .executions = 1000}, post_and_end));
}

}  // namespace
