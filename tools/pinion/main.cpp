// SPDX-License-Identifier: MIT
// The `pinion` program: looks at a machine, and at the library on it.
//
// Exit code: 0 on success, 1 when something was found or went wrong, 2 for bad input, which gets
// one line on stderr.
#include <array>
#include <exception>

#include "tools/pinion/commands.hpp"
#include <CLI/CLI.hpp>
#include <fmt/core.h>

namespace pinion::tools {
namespace {

int complain(int code, const std::exception& e) {
  fmt::print(stderr, "pinion: {}\n", e.what());
  return code;
}

int main(int argc, char** argv) {
  CLI::App app{"Looks at a machine, and at the Pinion library on it.", "pinion"};
  app.require_subcommand(1);
  const std::array commands{add_stress(app), add_topo(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return complain(2, e);
  }
  try {
    for (const command& c : commands) {
      if (c.options->parsed()) return c.run();
    }
  } catch (const bad_input& e) {
    return complain(2, e);
  } catch (const std::exception& e) {
    return complain(1, e);
  }
  return 2;
}

}  // namespace
}  // namespace pinion::tools

int main(int argc, char** argv) {
  return pinion::tools::main(argc, argv);
}
