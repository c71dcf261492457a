// SPDX-License-Identifier: MIT
// The subcommands of the `pinion` program: one for each question.
//
// Each adds its options to the program's and gives back what is to be done once they are read.
#pragma once

#include <functional>
#include <stdexcept>

#include <CLI/App.hpp>

namespace pinion::tools {

/// What the user asked for makes no sense: one line on stderr, exit code 2.
class bad_input : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct command {
  CLI::App* options;
  std::function<int()> run;  // the program's exit code
};

command add_stress(CLI::App&);
command add_topo(CLI::App&);

}  // namespace pinion::tools
