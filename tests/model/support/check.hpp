// SPDX-License-Identifier: MIT
// Checks a test: runs its body in one interleaving after the other, until one fails or there are
// no more.
//
//     TEST(parker_model, a_wake_up_is_never_lost) {
//       EXPECT_TRUE(holds({}, [] {
//         parker p;
//         thread other([&] { p.unpark(); });
//         p.park();
//         other.join();
//       }));
//     }
//
// The body is run many times and must do the same each time. A failure comes with the shortest
// schedule that was found for it, and what each thread did; PINION_MODEL_REPLAY runs only that one.
//
//   PINION_MODEL_REPLAY=0,0,1   the decisions of a run that failed
//   PINION_MODEL_SEED=42        of the random modes
//   PINION_MODEL_SCALE=10       so many times as many executions of these
//   PINION_MODEL_SECONDS=10     a limit on the time of each check
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/model/support/options.hpp"
#include <gtest/gtest.h>

namespace pinion::model {

using body = std::function<void()>;

struct result {
  bool passed = true;
  bool complete = false;         // there is no execution within the bounds that was not run
  std::uint64_t executions = 0;  // run to their end
  std::uint64_t dropped = 0;     // equal to one that was run
  std::size_t longest = 0;       // steps
  double seconds = 0;
  std::string failure;  // the first line of the report
  std::string report;
  schedule decisions;  // of the failure, shrunk
  std::vector<site> sites;
};

/// Runs the body as the options say, and the environment.
result check(options, const body&);

/// The same decisions with as many of them zero, and as few in all, as still fail.
schedule shrink(const options&, const body&, schedule);

/// One line: how many executions, and whether that was all of them.
std::string summary(const result&);

/// For EXPECT_TRUE. Prints the summary.
testing::AssertionResult holds(const options&, const body&);

/// As holds(), and every execution there is within the bounds has been run.
testing::AssertionResult holds_always(const options&, const body&);

/// Some execution fails, and says `what`.
testing::AssertionResult fails(const options&, const body&, const std::string& what);

}  // namespace pinion::model
