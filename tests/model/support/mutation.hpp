// SPDX-License-Identifier: MIT
// Mutation scoring: does a test notice when the code is a little wrong?
//
// Every atomic operation says where it is written and with which order. So the code can be run as
// if one order were weaker, or one fence or wake-up were not there, without touching it. A mutant
// that no execution fails for has survived: the order is stronger than it must be, or the test is
// blind, or the two cannot be told apart. The list of survivors says which, with an argument each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/model/support/check.hpp"

namespace pinion::model {

/// One body, and how to run it.
struct trial {
  options how;
  body run;
  std::string only = {};  // for the mutants of this function alone; empty: for all
};

/// For what is too large to go through once a mutant: some executions of each body, half of them by
/// random priorities.
std::vector<trial> sampled(std::uint64_t executions, const std::vector<body>&);

struct score {
  std::size_t mutants = 0;
  std::size_t killed = 0;
  std::uint64_t executions = 0;
  std::string failure;                 // of the code as it is
  std::vector<std::string> survivors;  // as the list of survivors names them
};

/// Runs the mutants of what is written in `files` (ends of paths) through the trials, until one
/// kills. The environment does not change how many executions that are.
score mutate(std::vector<trial>, const std::vector<std::string>& files);

/// For EXPECT_TRUE: every survivor is on the list, and nothing that was killed is. Prints the
/// score.
testing::AssertionResult survivors_are_known(const std::vector<trial>&,
                                             const std::vector<std::string>& files);

}  // namespace pinion::model
