// SPDX-License-Identifier: MIT
// Where a topology comes from. Each source fills in what it knows; the rest is made up in one
// place, so that all of them mean the same.
//
// A root is put before every path that is read, so that a folder of files can stand for a machine.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pinion/platform/topology.hpp"

namespace pinion::detail {

/// In pu::core, l2, cache, numa_node and package: the source does not say.
inline constexpr unsigned unknown = ~0U;

/// Any numbers will do in the groups of a source, as long as those who share have the same.
struct machine_reading {
  topology machine;
  bool is_this_machine = true;  // else affinity mask and quota do not apply
};

/// The topology library. Nothing: it is not built in, or cannot read the machine.
std::optional<machine_reading> read_hwloc();

/// The kernel's files. Nothing: there are none.
std::optional<machine_reading> read_sysfs(const std::string& root);

/// OS indices of the CPUs that the kernel keeps free of ordinary threads.
std::vector<unsigned> read_isolated(const std::string& root);

/// CPUs' worth of time that the cgroup of this process and its parents allow; 0: no limit.
double read_cpu_quota(const std::string& root);

/// Sorts by OS index, fills in what is unknown and numbers all groups from 0 without gaps.
void complete(topology&);

/// "0-3,8,10-11" and the like, as the kernel writes them; ascending. Nothing: malformed.
std::optional<std::vector<unsigned>> parse_cpu_list(std::string_view);

/// A whole small file; nothing when it cannot be read.
std::optional<std::string> read_file(const std::string& path);

}  // namespace pinion::detail
