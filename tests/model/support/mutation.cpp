// SPDX-License-Identifier: MIT
#include "tests/model/support/mutation.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string_view>

#include "tests/support/metric.hpp"

namespace pinion::model {

namespace {

bool is_in(const site& s, const std::vector<std::string>& files) {
  const std::string_view path = s.at.file;
  return std::any_of(files.begin(), files.end(),
                     [&](const std::string& end) { return path.ends_with(end); });
}

// Sites of all trials, in the order in which they are written. The code as it is must pass.
std::vector<site> sites_of(const std::vector<trial>& trials, const std::vector<std::string>& files,
                           std::string& failure) {
  std::vector<site> sites;
  for (const trial& t : trials) {
    const result r = check(t.how, t.run);
    if (!r.passed) failure = r.report;
    for (const site& s : r.sites)
      if (is_in(s, files) && std::none_of(sites.begin(), sites.end(), [&](const site& other) {
            return other.is(s.what, s.at);
          }))
        sites.push_back(s);
  }
  std::sort(sites.begin(), sites.end(), [](const site& a, const site& b) {
    return std::pair(std::string_view(a.at.file), a.at.line) <
           std::pair(std::string_view(b.at.file), b.at.line);
  });
  return sites;
}

std::vector<order> weaker_orders(const site& s) {
  switch (s.how) {
    case order::relaxed:
      return {};
    case order::acquire:
    case order::release:
      return {order::relaxed};
    case order::acq_rel:
      return {order::acquire, order::release};
    case order::seq_cst:
      break;
  }
  switch (s.what) {
    case operation::load:
    case operation::failed_exchange:
      return {order::acquire, order::relaxed};
    case operation::store:
      return {order::release, order::relaxed};
    default:
      return {order::acq_rel, order::acquire, order::release};
  }
}

std::vector<mutant> mutants_of(const site& s) {
  std::vector<mutant> all;
  if (s.what == operation::wake) return {{s, s.how, true}};
  if (s.what == operation::fence) all.push_back({s, s.how, true});
  for (const order o : weaker_orders(s)) all.push_back({s, o, false});
  return all;
}

// Stable when lines move: the file, the function, and which of its operations of that kind.
std::string name_of(const mutant& m, const std::vector<site>& sites) {
  const std::string_view path = m.of.at.file;
  std::size_t number = 1;
  for (const site& s : sites)
    if (s.what == m.of.what && std::string_view(s.at.function) == m.of.at.function &&
        std::string_view(s.at.file) == path && s.at.line < m.of.at.line)
      ++number;
  std::ostringstream out;
  out << path.substr(path.rfind('/') + 1) << ' ' << m.of.at.function << ' ' << to_text(m.of.what)
      << ' ' << number << ": " << (m.of.what == operation::wake ? "" : to_text(m.of.how));
  if (m.dropped)
    out << (m.of.what == operation::wake ? "dropped" : " dropped");
  else
    out << " to " << to_text(m.to);
  return out.str();
}

bool is_killed(const mutant& m, const std::vector<trial>& trials, std::uint64_t& executions) {
  return std::any_of(trials.begin(), trials.end(), [&](const trial& t) {
    if (!t.only.empty() && t.only != m.of.at.function) return false;
    options o = t.how;
    o.changed = m;
    const result r = check(o, t.run);
    executions += r.executions;
    return !r.passed;
  });
}

struct survivor {
  std::string name;
  bool is_seldom_met;  // it is killed, or it is not
};

// Names in backticks at the beginning of an item.
std::vector<survivor> known_survivors() {
  std::vector<survivor> all;
  std::ifstream in(PINION_MODEL_SURVIVORS);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("- `") && !line.starts_with("* `")) continue;
    all.push_back({line.substr(3, line.find('`', 3) - 3), line.front() == '*'});
  }
  return all;
}

}  // namespace

std::vector<trial> sampled(std::uint64_t executions, const std::vector<body>& bodies) {
  std::vector<trial> trials;
  for (const mode how : {mode::priorities, mode::random})
    for (const body& run : bodies) {
      options o;
      o.how = how;
      o.executions = executions / 2;
      o.changes = 3;
      trials.push_back({o, run, {}});
    }
  return trials;
}

score mutate(std::vector<trial> trials, const std::vector<std::string>& files) {
  // What survives is on a list: more executions, or others, would find what is on it.
  for (trial& t : trials) t.how.is_scaled = false;
  score s;
  const std::vector<site> sites = sites_of(trials, files, s.failure);
  for (const site& one : sites)
    for (const mutant& m : mutants_of(one)) {
      ++s.mutants;
      if (is_killed(m, trials, s.executions))
        ++s.killed;
      else
        s.survivors.push_back(name_of(m, sites));
    }
  return s;
}

testing::AssertionResult survivors_are_known(const std::vector<trial>& trials,
                                             const std::vector<std::string>& files) {
  const score s = mutate(trials, files);
  std::cout << "[ MUTANTS  ] " << s.killed << " of " << s.mutants << " killed" << std::endl;
  const std::vector<survivor> known = known_survivors();
  std::string wrong = s.failure;
  std::size_t explained = 0;
  for (const std::string& name : s.survivors) {
    const bool is_known =
        std::any_of(known.begin(), known.end(), [&](const survivor& k) { return k.name == name; });
    std::cout << "[ SURVIVOR ] " << name << (is_known ? "" : " (not on the list)") << std::endl;
    if (!is_known) wrong += "\n  no argument for: " + name;
    explained += is_known;
  }
  for (const auto& [name, is_seldom_met] : known) {
    const bool is_ours = std::any_of(files.begin(), files.end(), [&, &of = name](const auto& file) {
      return of.starts_with(file + ' ');
    });
    const bool survives =
        std::find(s.survivors.begin(), s.survivors.end(), name) != s.survivors.end();
    if (is_ours && !is_seldom_met && !survives)
      wrong += "\n  is killed, but has an argument: " + name;
  }
  test::metric("mutants", s.mutants);
  test::metric("mutants_killed", s.killed);
  test::metric("mutants_explained", explained);
  test::metric("model_executions", s.executions);
  if (wrong.empty()) return testing::AssertionSuccess();
  return testing::AssertionFailure() << wrong;
}

}  // namespace pinion::model
