// SPDX-License-Identifier: MIT
// The door to the topology library: it is included here and nowhere else.
#include <memory>
#include <string>
#include <type_traits>

#include <hwloc.h>
#include <hwloc/distances.h>

#include "src/platform/topology_sources.hpp"

#if HWLOC_API_VERSION >= 0x00020400
#include <hwloc/cpukinds.h>
#endif

namespace pinion::detail {

namespace {

struct destroyer {
  void operator()(hwloc_topology_t t) const noexcept { ::hwloc_topology_destroy(t); }
};
using hwloc_machine = std::unique_ptr<std::remove_pointer_t<hwloc_topology_t>, destroyer>;

struct bitmap_deleter {
  void operator()(hwloc_bitmap_t b) const noexcept { ::hwloc_bitmap_free(b); }
};
using bitmap = std::unique_ptr<std::remove_pointer_t<hwloc_bitmap_t>, bitmap_deleter>;

// Only the levels that are used: devices and instruction caches take most of the time to find.
// The part that asks each processor by moving the calling thread onto it stays out.
hwloc_machine load() {
  hwloc_topology_t raw = nullptr;
  if (::hwloc_topology_init(&raw) != 0) return nullptr;
  hwloc_machine m(raw);
  ::hwloc_topology_set_all_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_NONE);
  for (const auto type :
       {HWLOC_OBJ_PACKAGE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_CORE}) {
    ::hwloc_topology_set_type_filter(raw, type, HWLOC_TYPE_FILTER_KEEP_ALL);
  }
  // What a NUMA node hangs on where it is less than a package; without it the node covers too much.
  ::hwloc_topology_set_type_filter(raw, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
  unsigned long flags = HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED;
#if HWLOC_API_VERSION >= 0x00020500
  flags |= HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING;
#endif
  ::hwloc_topology_set_flags(raw, flags);
#if HWLOC_API_VERSION >= 0x00020100
  ::hwloc_topology_set_components(raw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
#endif
  if (::hwloc_topology_load(raw) != 0) return nullptr;
  return m;
}

unsigned ancestor(hwloc_topology_t t, hwloc_obj_t unit, hwloc_obj_type_t type) {
  const hwloc_obj_t found = ::hwloc_get_ancestor_obj_by_type(t, type, unit);
  return found == nullptr ? unknown : found->logical_index;
}

// The first node whose memory is near the unit. There may be several, say of slow and fast memory.
unsigned node_of(hwloc_topology_t t, hwloc_obj_t unit) {
  hwloc_obj_t node = nullptr;
  while ((node = ::hwloc_get_next_obj_by_type(t, HWLOC_OBJ_NUMANODE, node)) != nullptr) {
    if (::hwloc_bitmap_isset(node->cpuset, unit->os_index) != 0) return node->logical_index;
  }
  return unknown;
}

unsigned speed_of([[maybe_unused]] hwloc_topology_t t, [[maybe_unused]] hwloc_obj_t unit) {
#if HWLOC_API_VERSION >= 0x00020400
  const int kind = ::hwloc_cpukinds_get_by_cpuset(t, unit->cpuset, 0);
  int efficiency = -1;
  if (kind >= 0) {
    ::hwloc_cpukinds_get_info(t, static_cast<unsigned>(kind), nullptr, &efficiency, nullptr,
                              nullptr, 0);
  }
  if (efficiency > 0) return static_cast<unsigned>(efficiency);
#endif
  return 0;
}

void read_online(hwloc_topology_t t, topology& to) {
  hwloc_obj_t unit = nullptr;
  while ((unit = ::hwloc_get_next_obj_by_type(t, HWLOC_OBJ_PU, unit)) != nullptr) {
    pu p;
    p.os_index = unit->os_index;
    p.core = ancestor(t, unit, HWLOC_OBJ_CORE);
    p.l2 = ancestor(t, unit, HWLOC_OBJ_L2CACHE);
    p.cache = ancestor(t, unit, HWLOC_OBJ_L3CACHE);
    p.package = ancestor(t, unit, HWLOC_OBJ_PACKAGE);
    p.numa_node = node_of(t, unit);
    p.speed = speed_of(t, unit);
    to.pus.push_back(p);
  }
}

// Those that the machine has but that are switched off: nothing more is known of them.
void read_offline(hwloc_topology_t t, topology& to) {
  const bitmap offline(::hwloc_bitmap_alloc());
  const hwloc_obj_t root = ::hwloc_get_root_obj(t);
  if (offline == nullptr || root->complete_cpuset == nullptr) return;
  ::hwloc_bitmap_andnot(offline.get(), root->complete_cpuset, root->cpuset);
  if (::hwloc_bitmap_weight(offline.get()) < 0) return;  // without end
  for (int i = ::hwloc_bitmap_first(offline.get()); i >= 0;
       i = ::hwloc_bitmap_next(offline.get(), i)) {
    pu p;
    p.os_index = static_cast<unsigned>(i);
    p.core = p.l2 = p.cache = p.numa_node = p.package = unknown;
    p.usable = false;
    to.pus.push_back(p);
  }
}

void read_distances(hwloc_topology_t t, topology& to) {
  unsigned count = 1;
  hwloc_distances_s* found = nullptr;
  if (::hwloc_distances_get_by_type(t, HWLOC_OBJ_NUMANODE, &count, &found,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0 ||
      count == 0) {
    return;
  }
  const int nodes = ::hwloc_get_nbobjs_by_type(t, HWLOC_OBJ_NUMANODE);
  if (found->nbobjs == static_cast<unsigned>(nodes)) {
    to.distances.assign(found->nbobjs, std::vector<unsigned>(found->nbobjs));
    for (unsigned i = 0; i < found->nbobjs; ++i) {
      for (unsigned k = 0; k < found->nbobjs; ++k) {
        to.distances[found->objs[i]->logical_index][found->objs[k]->logical_index] =
            static_cast<unsigned>(found->values[i * found->nbobjs + k]);
      }
    }
  }
  ::hwloc_distances_release(t, found);
}

}  // namespace

std::optional<machine_reading> read_hwloc() {
  const hwloc_machine m = load();
  if (m == nullptr) return std::nullopt;
  machine_reading r;
  r.is_this_machine = ::hwloc_topology_is_thissystem(m.get()) != 0;
  r.machine.source = r.is_this_machine ? "hwloc" : "hwloc, another machine";
  read_online(m.get(), r.machine);
  if (r.machine.pus.empty()) return std::nullopt;
  read_offline(m.get(), r.machine);
  read_distances(m.get(), r.machine);
  return r;
}

}  // namespace pinion::detail
