// SPDX-License-Identifier: MIT
#include "pinion/platform/topology.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "pinion/platform/thread.hpp"
#include "src/platform/topology_sources.hpp"

namespace pinion {

namespace detail {

namespace {

// An L2 cache that several cores share is the last level where no other is known.
bool shares_l2(const std::vector<pu>& pus) {
  std::map<unsigned, unsigned> core_of;
  for (const pu& p : pus) {
    if (core_of.emplace(p.l2, p.core).first->second != p.core) return true;
  }
  return false;
}

void fill_in_unknown(std::vector<pu>& pus) {
  unsigned next = 0;  // a number of a core that no source has given
  for (const pu& p : pus) {
    if (p.core != unknown) next = std::max(next, p.core + 1);
  }
  for (pu& p : pus) {
    if (p.package == unknown) p.package = 0;
    if (p.numa_node == unknown) p.numa_node = 0;
    if (p.core == unknown) p.core = next++;
    // Above all numbers that stand for a known cache, so that the two are not confused.
    if (p.l2 == unknown) p.l2 = unknown / 2 + p.core;
  }
  const bool l2_is_last = shares_l2(pus);
  for (pu& p : pus) {
    if (p.cache == unknown) p.cache = l2_is_last ? p.l2 : unknown / 2 + p.package;
  }
}

void number_densely(std::vector<pu>& pus, unsigned pu::*group) {
  std::map<unsigned, unsigned> dense;
  for (pu& p : pus) {
    p.*group = dense.emplace(p.*group, static_cast<unsigned>(dense.size())).first->second;
  }
}

constexpr unsigned near = 10;  // what firmware says of a node and itself

// Keeps the distances of the nodes that have PUs, in the order in which they are numbered.
void number_nodes(topology& t) {
  std::vector<unsigned> kept;
  for (const pu& p : t.pus) {
    if (std::find(kept.begin(), kept.end(), p.numa_node) == kept.end()) kept.push_back(p.numa_node);
  }
  const auto known = [&](unsigned node) { return node < t.distances.size(); };
  std::vector<std::vector<unsigned>> distances;
  if (std::all_of(kept.begin(), kept.end(), known)) {
    for (const unsigned from : kept) {
      std::vector<unsigned> row;
      for (const unsigned to : kept) row.push_back(t.distances[from][to]);
      distances.push_back(std::move(row));
    }
  }
  if (distances.empty() && kept.size() == 1) distances = {{near}};
  t.distances = std::move(distances);
  number_densely(t.pus, &pu::numa_node);
}

}  // namespace

void complete(topology& t) {
  std::sort(t.pus.begin(), t.pus.end(),
            [](const pu& a, const pu& b) { return a.os_index < b.os_index; });
  fill_in_unknown(t.pus);
  number_nodes(t);
  for (unsigned pu::*group : {&pu::core, &pu::l2, &pu::cache, &pu::package}) {
    number_densely(t.pus, group);
  }
}

namespace {

std::optional<machine_reading> read_machine() {
  if (auto found = read_hwloc()) return found;
  return read_sysfs("");
}

pu unknown_pu(unsigned os_index) {
  pu p;
  p.os_index = os_index;
  p.core = p.l2 = p.cache = p.numa_node = p.package = unknown;
  return p;
}

// What this thread may not use is not usable; what it may use is there, whatever the source says.
void apply_mask(topology& t, const std::vector<unsigned>& mask) {
  if (mask.empty()) return;
  std::set<unsigned> missing(mask.begin(), mask.end());
  for (pu& p : t.pus) p.usable = p.usable && missing.erase(p.os_index) != 0;
  for (const unsigned os_index : missing) {
    if (t.find(os_index) == nullptr) t.pus.push_back(unknown_pu(os_index));
  }
}

}  // namespace

#if !defined(PINION_HAVE_HWLOC)
std::optional<machine_reading> read_hwloc() {
  return std::nullopt;
}
#endif

}  // namespace detail

topology topology::detect() {
  using namespace detail;
  machine_reading found = read_machine().value_or(machine_reading{});
  topology& t = found.machine;
  if (t.source.empty()) t.source = "affinity mask";
  if (found.is_this_machine) {
    apply_mask(t, cpus_of_this_thread());
    for (const unsigned os_index : read_isolated("")) {
      for (pu& p : t.pus) p.isolated |= p.os_index == os_index;
    }
    t.cpu_quota = read_cpu_quota("");
  }
  if (t.pus.empty()) t.pus.push_back(unknown_pu(0));
  complete(t);
  return std::move(t);
}

namespace {

std::size_t within_quota(std::size_t n, double quota) noexcept {
  // Quotas are ratios of whole numbers: what is this close above a whole number was meant as it.
  constexpr double rounding = 1e-6;
  if (quota > 0 && quota < static_cast<double>(n)) {
    n = static_cast<std::size_t>(std::ceil(quota - rounding));
  }
  return std::max<std::size_t>(n, 1);
}

}  // namespace

std::size_t topology::available() const noexcept {
  const auto usable = std::count_if(pus.begin(), pus.end(), [](const pu& p) { return p.usable; });
  return within_quota(static_cast<std::size_t>(usable), cpu_quota);
}

std::size_t topology::available_cores() const {
  std::set<unsigned> cores;
  for (const pu& p : pus) {
    if (p.usable) cores.insert(p.core);
  }
  return within_quota(cores.size(), cpu_quota);
}

const pu* topology::find(unsigned os_index) const noexcept {
  const auto i =
      std::find_if(pus.begin(), pus.end(), [=](const pu& p) { return p.os_index == os_index; });
  return i == pus.end() ? nullptr : &*i;
}

}  // namespace pinion
