// SPDX-License-Identifier: MIT
// The plan that puts workers on a machine, and says why.
//
// Nothing here touches a thread: plan() computes, and whoever starts the threads applies the plan.
// A worker gets a core of its own as long as there are cores, SMT siblings after that; workers are
// kept as near to each other as possible and numbered along the machine, so that neighbours in
// number are neighbours in cache.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "pinion/platform/topology.hpp"

namespace pinion {

/// To what each worker is tied.
struct pinning {
  enum class kind { none, core, cache, numa, list };
  kind what = kind::core;
  std::vector<unsigned> pus = {};  // for kind::list: one OS index per worker, reused in turn

  static pinning none() { return {kind::none}; }    // the system places workers
  static pinning core() { return {kind::core}; }    // one core each, SMT siblings last
  static pinning cache() { return {kind::cache}; }  // anywhere below one last-level cache
  static pinning numa() { return {kind::numa}; }    // anywhere in one NUMA node
  static pinning list(std::vector<unsigned> os_indices) {
    return {kind::list, std::move(os_indices)};
  }
};

/// How far it is from one worker to another. Each is an index into worker_place::victims.
enum class steal_distance : std::size_t { same_core, same_l2, same_cache, same_node, remote };
inline constexpr std::size_t steal_distances = 5;
const char* to_string(steal_distance) noexcept;

/// Where one worker goes and why, for people and for the scheduler.
struct worker_place {
  std::vector<unsigned> pus;  // OS indices it may run on, ascending; empty: not pinned
  unsigned core = 0;          // where it is meant to be, even when it is not pinned as closely
  unsigned cache = 0;
  unsigned numa_node = 0;  // where its memory is touched first
  /// The other workers, each once: victims[d] are those at steal_distance d. Always
  /// steal_distances long; some are empty.
  std::vector<std::vector<std::size_t>> victims;
  std::string reason;  // e.g. "core 3, cache 0, node 0"
};

struct placement {
  std::vector<worker_place> workers;
  std::vector<std::string> warnings;  // e.g. "4 workers, but the CPU quota is 1.5 CPUs: ..."

  /// A table for people: a line for each worker, then the warnings.
  std::string to_string() const;
};

/// Decides without starting anything. `workers == 0` means one for each PU of the list, or else
/// topology::available_cores().
/// @errors    throws std::invalid_argument when there are too many workers, or when the list is
///            empty or names a PU that is not there or not usable
placement plan(const topology&, std::size_t workers, const pinning&);

}  // namespace pinion
