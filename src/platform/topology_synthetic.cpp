// SPDX-License-Identifier: MIT
// Machines that exist on paper only.
#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <string>

#include "src/platform/topology_sources.hpp"

namespace pinion {

namespace {

constexpr std::array<std::string_view, 6> level_names = {"pack", "numa", "cache",
                                                         "l2",   "core", "pu"};
constexpr std::size_t l2_level = 3;
constexpr unsigned count_max = 1'024;
constexpr unsigned pus_max = 8'192;

// How many of each level there are in one of the level before; 0: not given.
using level_counts = std::array<unsigned, level_names.size()>;

[[noreturn]] void reject(std::string_view word, const std::string& why) {
  throw std::invalid_argument("synthetic topology: '" + std::string(word) + "' " + why);
}

std::size_t level_of(std::string_view word, std::string_view name) {
  for (std::size_t i = 0; i < level_names.size(); ++i) {
    if (level_names[i] == name) return i;
  }
  reject(word, "is none of pack, numa, cache, l2, core, pu with a count, such as core:4");
}

unsigned count_of(std::string_view word, std::string_view digits) {
  unsigned n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (error != std::errc() || end != digits.data() + digits.size() || n < 1 || n > count_max) {
    reject(word, "does not have a count in 1.." + std::to_string(count_max));
  }
  return n;
}

level_counts parse(std::string_view description) {
  level_counts counts{};
  std::size_t next_level = 0;
  unsigned pus = 1;
  std::string_view rest = description;
  while (true) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.empty()) break;
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    const auto colon = word.find(':');
    const std::size_t level = level_of(word, word.substr(0, colon));
    if (level < next_level) reject(word, "comes after a level inside it, or twice");
    next_level = level + 1;
    counts[level] = count_of(word, colon == word.npos ? "" : word.substr(colon + 1));
    pus *= counts[level];
    if (pus > pus_max) reject(word, "makes more than " + std::to_string(pus_max) + " PUs");
  }
  if (next_level == 0) reject(description, "names no level");
  return counts;
}

// Which of all units of a level the PU number `index` is in.
unsigned unit_of(const level_counts& counts, std::size_t level, unsigned index) {
  for (std::size_t inside = level + 1; inside < counts.size(); ++inside) {
    index /= std::max(counts[inside], 1U);
  }
  return index;
}

// As firmware commonly has it: 10 within a node, 12 within a package, 20 beyond.
std::vector<std::vector<unsigned>> distances_of(unsigned nodes, unsigned nodes_per_package) {
  std::vector<std::vector<unsigned>> d(nodes, std::vector<unsigned>(nodes, 20));
  for (unsigned i = 0; i < nodes; ++i) {
    for (unsigned k = 0; k < nodes; ++k) {
      if (i / nodes_per_package == k / nodes_per_package) d[i][k] = 12;
    }
    d[i][i] = 10;
  }
  return d;
}

}  // namespace

topology topology::synthetic(std::string_view description) {
  const level_counts counts = parse(description);
  unsigned total = 1;
  for (const unsigned n : counts) total *= std::max(n, 1U);
  topology t;
  t.source = "synthetic";
  for (unsigned i = 0; i < total; ++i) {
    pu p;
    p.os_index = i;
    p.package = unit_of(counts, 0, i);
    p.numa_node = unit_of(counts, 1, i);
    p.cache = unit_of(counts, 2, i);
    p.l2 = counts[l2_level] == 0 ? detail::unknown : unit_of(counts, l2_level, i);
    p.core = unit_of(counts, 4, i);
    t.pus.push_back(p);
  }
  const unsigned per_package = std::max(counts[1], 1U);
  t.distances = distances_of(std::max(counts[0], 1U) * per_package, per_package);
  detail::complete(t);
  return t;
}

}  // namespace pinion
