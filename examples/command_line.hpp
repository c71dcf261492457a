// SPDX-License-Identifier: MIT
// What the command lines of the examples share. Bad input is one line on stderr and exit code 2;
// what fails later is one line and exit code 1. What is made up is made up from a seed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <exception>
#include <random>
#include <stdexcept>
#include <string>

#include "duration_text.hpp"
#include <CLI/CLI.hpp>

#include "pinion/platform/clock.hpp"

namespace examples {

/// An option for a duration, as people type it; what `value` holds is the default.
inline CLI::Option* add_duration(CLI::App& app, const std::string& name, pinion::duration& value,
                                 const std::string& shown, const std::string& what) {
  const auto take = [name, &value](const std::string& text) {
    const auto parsed = parse_duration(text);
    if (!parsed) {
      throw CLI::ValidationError(
          name, text + " is no duration of up to 292 years like 250us, 500ms, 10s or 2m");
    }
    value = *parsed;
  };
  return app.add_option_function<std::string>(name, take, what)
      ->default_str(shown)
      ->type_name("TIME");
}

/// Parses, then runs `body`, which gives the exit code, or throws a CLI::ParseError when it finds
/// that the input is bad. What is printed has to arrive.
template <class F>
int run(CLI::App& app, int argc, char** argv, F body) {
  const auto failed = [&app](const std::exception& why, int code) {
    std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), why.what());
    return code;
  };
  try {
    app.parse(argc, argv);
    const int code = body();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      throw std::runtime_error("cannot write the result");
    }
    return code;
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& bad) {
    return failed(bad, 2);
  } catch (const std::exception& wrong) {
    return failed(wrong, 1);
  }
}

/// Numbers that look random and are the same for the same seed, on every machine.
class lots {
 public:
  explicit lots(std::uint32_t seed) : engine_(seed) {}
  /// 0 .. below - 1
  std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(engine_() % below); }

 private:
  std::mt19937 engine_;
};

}  // namespace examples
