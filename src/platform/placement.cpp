// SPDX-License-Identifier: MIT
#include "pinion/platform/placement.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <tuple>

namespace pinion {

namespace {

constexpr std::size_t workers_max = 4'096;

using homes = std::vector<const pu*>;  // where each worker is meant to be

std::string text(std::size_t n) {
  return std::to_string(n);
}

// "1 worker", "2 workers".
std::string count(std::size_t n, const std::string& what) {
  return text(n) + " " + what + (n == 1 ? "" : "s");
}

// --- Choosing.

homes usable_pus(const topology& machine) {
  homes usable;
  for (const pu& p : machine.pus) {
    if (p.usable) usable.push_back(&p);
  }
  return usable;
}

// How many usable cores there are in each group of a kind.
std::map<unsigned, std::size_t> cores_in(const homes& usable, unsigned pu::*group) {
  std::map<unsigned, std::set<unsigned>> cores;
  for (const pu* p : usable) cores[p->*group].insert(p->core);
  std::map<unsigned, std::size_t> sizes;
  for (const auto& [g, members] : cores) sizes[g] = members.size();
  return sizes;
}

std::map<unsigned, std::size_t> rank_within_core(const homes& usable) {
  std::map<unsigned, std::size_t> seen_in_core;
  std::map<unsigned, std::size_t> rank;
  for (const pu* p : usable) rank[p->os_index] = seen_in_core[p->core]++;
  return rank;
}

// The order in which PUs get a worker: whole cores before siblings, fast ones before slow ones,
// and then along the machine, from the node and the cache with most usable cores, so that few
// workers meet in one cache.
homes in_order_of_use(homes usable) {
  auto rank = rank_within_core(usable);
  auto in_node = cores_in(usable, &pu::numa_node);
  auto in_cache = cores_in(usable, &pu::cache);
  const auto key = [&](const pu* p) {
    return std::tuple(rank[p->os_index], ~p->speed, ~in_node[p->numa_node], p->numa_node,
                      ~in_cache[p->cache], p->cache, p->l2, p->core);
  };
  std::sort(usable.begin(), usable.end(),
            [&](const pu* a, const pu* b) { return key(a) < key(b); });
  return usable;
}

// Along the machine, so that neighbours in number are neighbours in cache.
void number_along_machine(homes& chosen) {
  const auto key = [](const pu* p) {
    return std::tuple(p->numa_node, p->cache, p->l2, p->core, p->os_index);
  };
  std::sort(chosen.begin(), chosen.end(),
            [&](const pu* a, const pu* b) { return key(a) < key(b); });
}

homes choose(const topology& machine, std::size_t workers) {
  const homes order = in_order_of_use(usable_pus(machine));
  if (order.empty()) throw std::invalid_argument("plan: the topology has no usable PU");
  homes chosen;
  for (std::size_t i = 0; i < workers; ++i) chosen.push_back(order[i % order.size()]);
  number_along_machine(chosen);
  return chosen;
}

homes look_up(const topology& machine, std::size_t workers, const std::vector<unsigned>& list) {
  if (list.empty()) throw std::invalid_argument("pinning::list is empty");
  homes chosen;
  for (const unsigned os_index : list) {
    const pu* p = machine.find(os_index);
    if (p == nullptr || !p->usable) {
      throw std::invalid_argument(
          "pinning::list names CPU " + text(os_index) +
          (p == nullptr ? ", which is not there" : ", which this process may not use"));
    }
    chosen.push_back(p);
  }
  for (std::size_t i = list.size(); i < workers; ++i) chosen.push_back(chosen[i % list.size()]);
  chosen.resize(workers);
  return chosen;
}

// --- Distances.

steal_distance between(const pu& a, const pu& b) noexcept {
  if (a.core == b.core) return steal_distance::same_core;
  if (a.l2 == b.l2) return steal_distance::same_l2;
  if (a.cache == b.cache) return steal_distance::same_cache;
  if (a.numa_node == b.numa_node) return steal_distance::same_node;
  return steal_distance::remote;
}

// Workers that are not tied to a core may be anywhere in what they are tied to: no two of them are
// nearer than that.
steal_distance least_distance(const homes& usable, pinning::kind what) {
  switch (what) {
    case pinning::kind::core:
    case pinning::kind::list:
      return steal_distance::same_core;
    case pinning::kind::cache:
      return steal_distance::same_cache;
    case pinning::kind::numa:
      return steal_distance::same_node;
    case pinning::kind::none:
      break;
  }
  steal_distance farthest = steal_distance::same_core;
  for (const pu* p : usable) farthest = std::max(farthest, between(*usable.front(), *p));
  return farthest;
}

std::vector<std::vector<std::size_t>> victims_of(std::size_t worker, const homes& all,
                                                 steal_distance least) {
  std::vector<std::vector<std::size_t>> victims(steal_distances);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i == worker) continue;
    const steal_distance d = std::max(between(*all[worker], *all[i]), least);
    victims[static_cast<std::size_t>(d)].push_back(i);
  }
  return victims;
}

// --- Places.

std::vector<unsigned> members(const homes& usable, unsigned pu::*group, unsigned of) {
  std::vector<unsigned> found;
  for (const pu* p : usable) {
    if (p->*group == of) found.push_back(p->os_index);
  }
  std::sort(found.begin(), found.end());
  return found;
}

worker_place place_of(const pu& home, const homes& usable, pinning::kind what) {
  worker_place place;
  place.core = home.core;
  place.cache = home.cache;
  place.numa_node = home.numa_node;
  const std::string node = "node " + text(home.numa_node);
  switch (what) {
    case pinning::kind::none:
      place.reason = "not pinned";
      break;
    case pinning::kind::cache:
      place.pus = members(usable, &pu::cache, home.cache);
      place.reason = "anywhere below cache " + text(home.cache) + ", " + node;
      break;
    case pinning::kind::numa:
      place.pus = members(usable, &pu::numa_node, home.numa_node);
      place.reason = "anywhere in " + node;
      break;
    case pinning::kind::core:
    case pinning::kind::list:
      place.pus = {home.os_index};
      place.reason = "core " + text(home.core) + ", cache " + text(home.cache) + ", " + node;
      break;
  }
  return place;
}

// --- Warnings.

std::string number_of(double cpus) {
  std::ostringstream out;
  out << cpus;
  return out.str();
}

void warn_of_too_few(const topology& machine, const homes& usable, std::size_t workers,
                     std::vector<std::string>& warnings) {
  const std::size_t cores = cores_in(usable, &pu::core).size();
  if (workers > usable.size()) {
    warnings.push_back(count(workers, "worker") + ", but " + count(usable.size(), "usable CPU") +
                       ": they take turns");
  } else if (workers > cores) {
    warnings.push_back(count(workers, "worker") + ", but " + count(cores, "usable core") +
                       ": some run on SMT siblings and slow each other down");
  }
  if (machine.cpu_quota > 0 && machine.cpu_quota < static_cast<double>(workers)) {
    warnings.push_back(count(workers, "worker") + ", but the CPU quota is " +
                       number_of(machine.cpu_quota) + " CPUs: they will be throttled when all run");
  }
}

// Names the first worker that has to share, and how many do.
void warn_of_sharing(const homes& all, pinning::kind what, std::vector<std::string>& warnings) {
  if (what != pinning::kind::core && what != pinning::kind::list) return;
  std::map<unsigned, std::size_t> first_on;
  std::string example;
  std::size_t sharing = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto [first, is_first] = first_on.emplace(all[i]->core, i);
    if (is_first) continue;
    ++sharing;
    if (example.empty()) {
      example = "worker " + text(i) + " shares core " + text(all[i]->core) + " with worker " +
                text(first->second);
    }
  }
  if (sharing > 1) example += " (" + text(sharing) + " such workers)";
  if (sharing > 0) warnings.push_back(example);
}

// The kernel moves no thread between isolated CPUs, so those it may choose among stay together.
void warn_of_isolation(const placement& plan, const homes& usable,
                       std::vector<std::string>& warnings) {
  std::set<unsigned> isolated;
  for (const pu* p : usable) {
    if (p->isolated) isolated.insert(p->os_index);
  }
  if (isolated.empty()) return;
  const auto is_free_among_isolated = [&](const worker_place& w) {
    if (w.pus.empty()) return usable.size() > 1;
    const auto is_isolated = [&](unsigned os_index) { return isolated.count(os_index) != 0; };
    return w.pus.size() > 1 && std::any_of(w.pus.begin(), w.pus.end(), is_isolated);
  };
  if (std::any_of(plan.workers.begin(), plan.workers.end(), is_free_among_isolated)) {
    warnings.push_back(
        "some CPUs are isolated: the kernel spreads no threads over them; pin workers to cores");
  }
}

std::string list_of(const std::vector<unsigned>& pus) {
  std::string out;
  for (std::size_t i = 0; i < pus.size(); ++i) {
    std::size_t last = i;
    while (last + 1 < pus.size() && pus[last + 1] == pus[last] + 1) ++last;
    if (i > 0) out += ',';
    out += text(pus[i]);
    if (last > i) out.append("-").append(text(pus[last]));
    i = last;
  }
  return out.empty() ? "any" : out;
}

}  // namespace

const char* to_string(steal_distance d) noexcept {
  switch (d) {
    case steal_distance::same_core:
      return "same core";
    case steal_distance::same_l2:
      return "same L2 cache";
    case steal_distance::same_cache:
      return "same last-level cache";
    case steal_distance::same_node:
      return "same NUMA node";
    case steal_distance::remote:
      return "remote";
  }
  return "unknown";
}

placement plan(const topology& machine, std::size_t workers, const pinning& pin) {
  const bool listed = pin.what == pinning::kind::list;
  if (workers == 0) workers = listed ? pin.pus.size() : machine.available_cores();
  if (workers > workers_max) {
    throw std::invalid_argument("plan: " + text(workers) + " workers, but the limit is " +
                                text(workers_max));
  }
  const homes all = listed ? look_up(machine, workers, pin.pus) : choose(machine, workers);
  const homes usable = usable_pus(machine);
  const steal_distance least = least_distance(usable, pin.what);
  placement p;
  for (std::size_t i = 0; i < all.size(); ++i) {
    p.workers.push_back(place_of(*all[i], usable, pin.what));
    p.workers.back().victims = victims_of(i, all, least);
  }
  warn_of_too_few(machine, usable, workers, p.warnings);
  warn_of_sharing(all, pin.what, p.warnings);
  warn_of_isolation(p, usable, p.warnings);
  return p;
}

std::string placement::to_string() const {
  constexpr std::size_t gap = 2;
  std::vector<std::string> cpus{"cpus"};
  for (const worker_place& w : workers) cpus.push_back(list_of(w.pus));
  std::size_t width = 0;
  for (const std::string& c : cpus) width = std::max(width, c.size());
  const auto padded = [](std::string s, std::size_t to) {
    s.resize(std::max(s.size(), to) + gap, ' ');
    return s;
  };
  std::string out = padded("worker", 0) + padded(cpus[0], width) + "why\n";
  for (std::size_t i = 0; i < workers.size(); ++i) {
    out += padded(text(i), std::string_view("worker").size()) + padded(cpus[i + 1], width) +
           workers[i].reason + "\n";
  }
  for (const std::string& w : warnings) out += "warning: " + w + "\n";
  return out;
}

}  // namespace pinion
