// SPDX-License-Identifier: MIT
// pinion stress: runs the library under load and faults, and counts what is lost.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tools/pinion/commands.hpp"
#include "tools/pinion/stress/faults.hpp"
#include "tools/pinion/stress/loads.hpp"
#include "tools/pinion/stress/options.hpp"
#include "tools/pinion/stress/run.hpp"
#include "tools/pinion/stress/watchdog.hpp"
#include <fmt/core.h>

namespace pinion::tools {
namespace {

std::vector<std::string> names_of_loads() {
  std::vector<std::string> names;
  for (const auto& k : stress::all_loads()) names.emplace_back(k.name);
  return names;
}

std::vector<std::string> names_of_faults() {
  std::vector<std::string> names;
  for (const auto& f : stress::all_faults()) names.emplace_back(f.name);
  return names;
}

std::string explanation() {
  std::string text = "Loads:\n";
  for (const auto& k : stress::all_loads()) text += fmt::format("  {:8} {}\n", k.name, k.what);
  text += "Faults:\n";
  for (const auto& f : stress::all_faults()) text += fmt::format("  {:8} {}\n", f.name, f.what);
  return text +
         "Exit code: 0 when nothing was found; 1 for anything lost, duplicated or out of order, "
         "for\n"
         "memory that grows, for workers that sleep through work, and when somebody is stuck: "
         "then\n"
         "the stacks of all threads are printed.";
}

// Not a number is no number of seconds either, although it is below no limit.
CLI::Validator seconds_from(double least) {
  const auto check = [least](const std::string& text) {
    double s = 0;
    const bool is_number = CLI::detail::lexical_cast(text, s);
    return is_number && s >= least && s <= 1e7
               ? std::string()
               : fmt::format("must be {} to 10000000, not {}", least, text);
  };
  return CLI::Validator(check, "SECONDS");
}

CLI::Validator digits() {
  const auto check = [](const std::string& text) {
    const bool good = !text.empty() && text.find_first_not_of("0123456789") == text.npos;
    return good ? std::string() : "must be a number of digits only, not " + text;
  };
  return CLI::Validator(check, "");
}

int run(stress::options o) {
  if (o.loads.empty()) o.loads = names_of_loads();
  if (o.seed == 0) o.seed = std::random_device{}();
  stress::pulse& beats = stress::pulse::make_shared();
  const stress::ending end =
      stress::run_watched(beats, o.stuck_after, [&] { return stress::run(o, beats); });
  if (!end.what.empty()) stress::print_ending(o, end);
  return end.code;
}

}  // namespace

command add_stress(CLI::App& app) {
  const auto o = std::make_shared<stress::options>();
  CLI::App* const sub =
      app.add_subcommand("stress", "Runs the library under load and faults; counts what is lost");
  sub->footer(explanation());
  sub->add_option("--seconds", o->seconds, "how long")
      ->check(seconds_from(0.1))
      ->capture_default_str();
  sub->add_option("--threads", o->threads, "outside threads that hand in work")
      ->check(CLI::Range(1, 250))
      ->capture_default_str();
  sub->add_option("--workers", o->workers, "of the scheduler they share; 0: one for each core")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
  sub->add_option("--load", o->loads, "which loads, the threads in turn; default: all")
      ->delimiter(',')
      ->check(CLI::IsMember(names_of_loads()));
  sub->add_option("--faults", o->faults, "which faults; default: none")
      ->delimiter(',')
      ->check(CLI::IsMember(names_of_faults()));
  sub->add_option("--every", o->every, "seconds between two lines")
      ->check(seconds_from(0.1))
      ->capture_default_str();
  sub->add_option("--stuck-after", o->stuck_after, "seconds without a move that are too many")
      ->check(seconds_from(0.5))
      ->capture_default_str();
  sub->add_option("--seed", o->seed, "of a run before; 0: a new one")->check(digits());
  sub->add_option("--plant", o->plant, "an error to make on purpose, to see it found")
      ->check(CLI::IsMember({"lost", "duplicate", "order", "leak", "drip", "asleep", "stuck"}));
  sub->add_flag("--json", o->as_json, "one object a line, for programs");
  return {sub, [o] { return run(*o); }};
}

}  // namespace pinion::tools
