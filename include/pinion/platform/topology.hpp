// SPDX-License-Identifier: MIT
// The machine as plain data: which processing units there are, which this process may use, and
// what they share.
//
//     package > NUMA node > last-level cache > L2 cache > core > PU (what the system calls a CPU)
//
// Reading it touches no thread and changes no affinity. Where it was read from makes no difference
// to the form: no type of a topology library is seen here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pinion {

/// One processing unit. All numbers but os_index count from 0 without gaps, over the machine.
struct pu {
  unsigned os_index = 0;   // as the operating system numbers it; may have gaps
  unsigned core = 0;       // units with equal core are SMT siblings
  unsigned l2 = 0;         // ... with equal l2 share an L2 cache
  unsigned cache = 0;      // ... with equal cache share the last-level cache
  unsigned numa_node = 0;  // index into topology::distances
  unsigned package = 0;
  unsigned speed = 0;     // relative: higher is faster; equal on all but hybrid machines
  bool usable = true;     // online, and in the affinity mask of the thread that read it
  bool isolated = false;  // kept free of ordinary threads by the kernel's command line
};

struct topology {
  std::vector<pu> pus;   // ascending os_index
  double cpu_quota = 0;  // CPUs' worth of time that the cgroup allows; 0: no limit
  std::vector<std::vector<unsigned>> distances;  // [NUMA node][NUMA node], as firmware says
  std::string source;  // who said so: "hwloc", "kernel files", "affinity mask", ...

  /// Reads the machine, once for each call. Honours the environment variables of hwloc where it
  /// is built with it: a machine made up that way is used as if it were there.
  ///
  /// Never fails for what it cannot find out: at the worst it knows the usable PUs alone.
  /// @cost      some milliseconds
  /// @errors    throws std::bad_alloc
  static topology detect();

  /// A made-up machine, for tests and to look at plans: levels from the outside to the inside,
  /// each with how many of it there are in one of the level before. OS indices count the PUs in
  /// that order.
  ///
  ///     topology::synthetic("pack:2 numa:1 cache:4 core:8 pu:2")
  ///
  /// Levels left out: one in each of the level before, but an L2 cache for each core.
  /// @errors    throws std::invalid_argument naming the word and the limit
  static topology synthetic(std::string_view description);

  /// CPUs this process can really use: min(usable PUs, quota rounded up), at least 1.
  std::size_t available() const noexcept;

  /// The same in whole cores: SMT siblings count once. As many workers as this never share one.
  std::size_t available_cores() const;

  const pu* find(unsigned os_index) const noexcept;
};

}  // namespace pinion
