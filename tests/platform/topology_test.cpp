// SPDX-License-Identifier: MIT
// The machine is read as it is, from folders of files that stand for machines, and made up as told.
#include "pinion/platform/topology.hpp"

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "tests/support/refusal.hpp"
#include <gtest/gtest.h>
#include <stdlib.h>

#include "pinion/platform/thread.hpp"
#include "src/platform/topology_sources.hpp"

namespace {

using pinion::pu;
using pinion::topology;
using pinion::detail::parse_cpu_list;
using cpus = std::vector<unsigned>;

std::string cpu_folder(unsigned n) {
  return std::string("/sys/devices/system/cpu/cpu") + std::to_string(n);
}

// A folder of files that stands for the root of a system.
class fake_root {
 public:
  fake_root() {
    std::string name = std::filesystem::temp_directory_path() / "pinion-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~fake_root() { std::filesystem::remove_all(path_); }
  fake_root(const fake_root&) = delete;
  fake_root& operator=(const fake_root&) = delete;

  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = path_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << '\n';
  }
  const std::string& path() const { return path_; }

  void write_cpu(unsigned n, const std::string& siblings, const std::string& package) const {
    const std::string folder = cpu_folder(n);
    write(folder + "/topology/thread_siblings_list", siblings);
    write(folder + "/topology/physical_package_id", package);
  }
  void write_cache(unsigned cpu, unsigned index, const std::string& type, unsigned level,
                   const std::string& shared) const {
    const std::string folder = cpu_folder(cpu) + "/cache/index" + std::to_string(index);
    write(folder + "/type", type);
    write(folder + "/level", std::to_string(level));
    write(folder + "/shared_cpu_list", shared);
  }

 private:
  std::string path_;
};

topology read(const fake_root& root) {
  auto found = pinion::detail::read_sysfs(root.path());
  if (!found) throw std::runtime_error("nothing found");
  pinion::detail::complete(found->machine);
  return found->machine;
}

std::vector<unsigned> column(const topology& t, unsigned pu::*group) {
  std::vector<unsigned> values;
  for (const pu& p : t.pus) values.push_back(p.*group);
  return values;
}

// --- Lists of CPUs.

TEST(topology, cpu_lists_are_read_as_the_kernel_writes_them) {
  EXPECT_EQ(parse_cpu_list("0-3,8,10-11\n"), (cpus{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(parse_cpu_list("5"), cpus{5});
  EXPECT_EQ(parse_cpu_list("\n"), cpus{});
  EXPECT_EQ(parse_cpu_list(""), cpus{});
  EXPECT_EQ(parse_cpu_list(" 7 , 3 - 4 ,3"), (cpus{3, 4, 7}));
  EXPECT_EQ(parse_cpu_list("1024-1026,65535"), (cpus{1024, 1025, 1026, 65535}));
}

TEST(topology, malformed_cpu_lists_are_refused) {
  for (const char* bad : {"3-1", "a", "1,,2", "1,", ",1", "-3", "3-", "1-2-3", "0x3", "1 2", "+1",
                          "65536", "0-99999999", "4294967296", "0-3:1/2"}) {
    EXPECT_EQ(parse_cpu_list(bad), std::nullopt) << bad;
  }
}

// --- The kernel's files.

// Two packages of one core with two threads each, numbered as the kernel does: siblings are far
// apart. CPU 5 is switched off.
void write_two_packages(const fake_root& root) {
  root.write("/sys/devices/system/cpu/present", "0-5");
  root.write("/sys/devices/system/cpu/online", "0-4");
  root.write("/sys/devices/system/cpu/isolated", "3");
  root.write_cpu(0, "0,2", "0");
  root.write_cpu(1, "1,3", "1");
  root.write_cpu(2, "0,2", "0");
  root.write_cpu(3, "1,3", "1");
  root.write_cpu(4, "4", "1");
  for (const unsigned cpu : {0u, 1u, 2u, 3u, 4u}) {
    const std::string siblings = cpu == 4 ? "4" : cpu % 2 == 0 ? "0,2" : "1,3";
    root.write_cache(cpu, 0, "Data", 1, siblings);
    root.write_cache(cpu, 1, "Instruction", 1, siblings);
    root.write_cache(cpu, 2, "Unified", 2, siblings);
    root.write_cache(cpu, 4, "Instruction", 2, "0-4");
    root.write_cache(cpu, 3, "Unified", 3, cpu == 0 || cpu == 2 ? "0,2" : "1,3-4");
  }
  root.write("/sys/devices/system/node/online", "0-1");
  root.write("/sys/devices/system/node/node0/cpulist", "0,2");
  root.write("/sys/devices/system/node/node0/distance", "10 21");
  root.write("/sys/devices/system/node/node1/cpulist", "1,3-4");
  root.write("/sys/devices/system/node/node1/distance", "21 10");
}

TEST(topology, sysfs_tells_cores_caches_nodes_and_packages) {
  const fake_root root;
  write_two_packages(root);
  const topology t = read(root);
  EXPECT_EQ(column(t, &pu::os_index), (cpus{0, 1, 2, 3, 4, 5}));
  const auto online = [&](unsigned pu::*group) {
    auto values = column(t, group);
    values.pop_back();
    return values;
  };
  EXPECT_EQ(online(&pu::core), (cpus{0, 1, 0, 1, 2}));
  EXPECT_EQ(online(&pu::l2), (cpus{0, 1, 0, 1, 2}));
  EXPECT_EQ(online(&pu::cache), (cpus{0, 1, 0, 1, 1}));
  EXPECT_EQ(online(&pu::numa_node), (cpus{0, 1, 0, 1, 1}));
  EXPECT_EQ(online(&pu::package), (cpus{0, 1, 0, 1, 1}));
  EXPECT_EQ(t.distances, (std::vector<cpus>{{10, 21}, {21, 10}}));
  EXPECT_EQ(pinion::detail::read_isolated(root.path()), cpus{3});
}

TEST(topology, offline_cpus_are_not_usable_and_share_no_core) {
  const fake_root root;
  write_two_packages(root);
  const topology t = read(root);
  for (const pu& p : t.pus) EXPECT_EQ(p.usable, p.os_index != 5);
  EXPECT_EQ(t.pus.back().core, 3u);
  EXPECT_EQ(t.available(), 5u);
  EXPECT_EQ(t.available_cores(), 3u);
}

TEST(topology, newer_kernels_name_the_siblings_otherwise) {
  const fake_root root;
  root.write("/sys/devices/system/cpu/online", "0-3");
  for (const unsigned cpu : {0u, 1u, 2u, 3u}) {
    const std::string folder = cpu_folder(cpu);
    root.write(folder + "/topology/core_cpus_list", cpu < 2 ? "0-1" : "2-3");
    root.write(folder + "/cpu_capacity", cpu < 2 ? "1024" : "400");
  }
  const topology t = read(root);
  EXPECT_EQ(column(t, &pu::core), (cpus{0, 0, 1, 1}));
  EXPECT_EQ(column(t, &pu::speed), (cpus{1024, 1024, 400, 400}));
}

TEST(topology, what_sysfs_does_not_say_is_made_up_sensibly) {
  const fake_root root;
  root.write("/sys/devices/system/cpu/online", "0,2,4");  // and nothing else
  const topology t = read(root);
  EXPECT_EQ(column(t, &pu::os_index), (cpus{0, 2, 4}));
  EXPECT_EQ(column(t, &pu::core), (cpus{0, 1, 2}));
  EXPECT_EQ(column(t, &pu::l2), (cpus{0, 1, 2}));
  EXPECT_EQ(column(t, &pu::cache), (cpus{0, 0, 0}));  // one package: one last-level cache
  EXPECT_EQ(column(t, &pu::numa_node), (cpus{0, 0, 0}));
}

TEST(topology, shared_l2_is_the_last_level_where_there_is_no_other) {
  const fake_root root;
  root.write("/sys/devices/system/cpu/online", "0-3");
  for (const unsigned cpu : {0u, 1u, 2u, 3u}) {
    root.write_cpu(cpu, std::to_string(cpu), "0");
    root.write_cache(cpu, 0, "Unified", 2, cpu < 2 ? "0-1" : "2-3");
  }
  const topology t = read(root);
  EXPECT_EQ(column(t, &pu::l2), (cpus{0, 0, 1, 1}));
  EXPECT_EQ(column(t, &pu::cache), (cpus{0, 0, 1, 1}));
}

TEST(topology, nodes_without_cpus_and_gaps_in_their_numbers_do_no_harm) {
  const fake_root root;
  root.write("/sys/devices/system/cpu/online", "0-3");
  root.write("/sys/devices/system/node/online", "0,4,8");
  root.write("/sys/devices/system/node/node0/cpulist", "2-3");
  root.write("/sys/devices/system/node/node0/distance", "10 30 20");
  root.write("/sys/devices/system/node/node4/cpulist", "");  // memory only
  root.write("/sys/devices/system/node/node4/distance", "30 10 40");
  root.write("/sys/devices/system/node/node8/cpulist", "0-1");
  root.write("/sys/devices/system/node/node8/distance", "20 40 11");
  root.write("/sys/devices/system/node/possible", "0-8");
  const topology t = read(root);
  EXPECT_EQ(column(t, &pu::numa_node), (cpus{0, 0, 1, 1}));
  EXPECT_EQ(t.distances, (std::vector<cpus>{{11, 20}, {20, 10}}));
}

TEST(topology, garbage_in_the_files_is_as_good_as_no_file) {
  const fake_root root;
  root.write("/sys/devices/system/cpu/online", "0-1");
  root.write("/sys/devices/system/cpu/present", "zero to one");
  root.write_cpu(0, "x", "-1");
  root.write_cpu(1, "", "");
  root.write_cache(0, 0, "Unified", 3, "");
  root.write("/sys/devices/system/node/online", "0");
  root.write("/sys/devices/system/node/node0/cpulist", "?");
  root.write("/sys/devices/system/node/node0/distance", "ten");
  const topology t = read(root);
  EXPECT_EQ(column(t, &pu::core), (cpus{0, 1}));
  EXPECT_EQ(column(t, &pu::package), (cpus{0, 0}));
  EXPECT_EQ(t.distances, (std::vector<cpus>{{10}}));
}

TEST(topology, no_files_at_all_is_said_so) {
  const fake_root root;
  EXPECT_EQ(pinion::detail::read_sysfs(root.path()), std::nullopt);
  EXPECT_TRUE(pinion::detail::read_isolated(root.path()).empty());
}

// --- The quota of the control group.

constexpr const char* v2_mount = "31 23 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw";
constexpr const char* v1_mount =
    "32 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct";

double quota(const fake_root& root) {
  return pinion::detail::read_cpu_quota(root.path());
}

TEST(topology, quota_of_the_unified_tree) {
  const fake_root root;
  root.write("/proc/self/cgroup", "0::/app.slice/app.service");
  root.write("/proc/self/mountinfo", v2_mount);
  root.write("/sys/fs/cgroup/app.slice/app.service/cpu.max", "150000 100000");
  EXPECT_EQ(quota(root), 1.5);
  root.write("/sys/fs/cgroup/app.slice/app.service/cpu.max", "max 100000");
  EXPECT_EQ(quota(root), 0);
}

// Finds: looking at the own group alone.
TEST(topology, the_smallest_quota_on_the_way_up_counts) {
  const fake_root root;
  root.write("/proc/self/cgroup", "0::/a/b/c");
  root.write("/proc/self/mountinfo", v2_mount);
  root.write("/sys/fs/cgroup/a/b/c/cpu.max", "400000 100000");
  root.write("/sys/fs/cgroup/a/b/cpu.max", "max 100000");
  root.write("/sys/fs/cgroup/a/cpu.max", "250000 100000");
  EXPECT_EQ(quota(root), 2.5);
  root.write("/sys/fs/cgroup/cpu.max", "100000 100000");
  EXPECT_EQ(quota(root), 1);
}

TEST(topology, quota_of_the_old_hierarchy) {
  const fake_root root;
  root.write("/proc/self/cgroup",
             "12:cpuset:/elsewhere\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x");
  root.write("/proc/self/mountinfo", std::string(v2_mount) + "\n" + v1_mount);
  root.write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "50000");
  root.write("/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000");
  root.write("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "-1");
  root.write("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000");
  EXPECT_EQ(quota(root), 0.5);
}

// In a container the group's own path is not seen below the mount point, but is what is mounted.
TEST(topology, quota_inside_a_container) {
  const fake_root root;
  root.write("/proc/self/cgroup", "4:cpu:/docker/abc/inner");
  root.write("/proc/self/mountinfo",
             "32 23 0:28 /docker/abc /sys/fs/cgroup/cpu\\040x ro - cgroup cgroup rw,cpu");
  root.write("/sys/fs/cgroup/cpu x/cpu.cfs_quota_us", "300000");
  root.write("/sys/fs/cgroup/cpu x/cpu.cfs_period_us", "100000");
  EXPECT_EQ(quota(root), 3);
  root.write("/sys/fs/cgroup/cpu x/inner/cpu.cfs_quota_us", "200000");
  root.write("/sys/fs/cgroup/cpu x/inner/cpu.cfs_period_us", "100000");
  EXPECT_EQ(quota(root), 2);
}

TEST(topology, groups_that_cannot_be_seen_are_passed_over) {
  const fake_root root;
  root.write("/proc/self/cgroup", "0::/../../outside/deep");
  root.write("/proc/self/mountinfo", v2_mount);
  EXPECT_EQ(quota(root), 0);
  root.write("/sys/fs/cgroup/cpu.max", "200000 100000");
  EXPECT_EQ(quota(root), 2);
}

TEST(topology, broken_quota_files_mean_no_limit) {
  const fake_root root;
  EXPECT_EQ(quota(root), 0);
  root.write("/proc/self/cgroup", "nonsense\n0::/a");
  root.write("/proc/self/mountinfo", std::string("nonsense\n") + v2_mount);
  for (const char* text : {"", "100000", "0 100000", "100000 0", "-5 100000", "a b"}) {
    root.write("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(quota(root), 0) << text;
  }
}

// --- What can be used.

TEST(topology, available_is_the_mask_or_the_quota_rounded_up) {
  topology t = topology::synthetic("core:4 pu:2");
  EXPECT_EQ(t.available(), 8u);
  EXPECT_EQ(t.available_cores(), 4u);
  t.pus[3].usable = false;
  EXPECT_EQ(t.available(), 7u);
  EXPECT_EQ(t.available_cores(), 4u);
  t.pus[2].usable = false;
  EXPECT_EQ(t.available_cores(), 3u);
  const struct {
    double quota;
    std::size_t available;
  } cases[] = {{0.1, 1}, {1, 1}, {1.5, 2}, {2.0, 2}, {2.0000001, 2}, {5.01, 6}, {100, 6}, {0, 6}};
  for (const auto& c : cases) {
    t.cpu_quota = c.quota;
    EXPECT_EQ(t.available(), c.available) << c.quota;
  }
  t.cpu_quota = 0;
  for (pu& p : t.pus) p.usable = false;
  EXPECT_EQ(t.available(), 1u);
  EXPECT_EQ(topology{}.available(), 1u);
  EXPECT_EQ(topology{}.available_cores(), 1u);
}

TEST(topology, pus_are_found_by_os_index) {
  const topology t = topology::synthetic("core:2 pu:2");
  ASSERT_NE(t.find(3), nullptr);
  EXPECT_EQ(t.find(3)->core, 1u);
  EXPECT_EQ(t.find(4), nullptr);
}

// --- This machine.

void expect_dense(const topology& t, unsigned pu::*group) {
  unsigned next = 0;
  for (const pu& p : t.pus) {
    EXPECT_LE(p.*group, next);
    next = std::max(next, p.*group + 1);
  }
}

TEST(topology, detect_finds_the_cpus_this_thread_may_use) {
  const topology t = topology::detect();
  cpus usable;
  for (const pu& p : t.pus) {
    if (p.usable) usable.push_back(p.os_index);
  }
  EXPECT_EQ(usable, pinion::cpus_of_this_thread());
  EXPECT_FALSE(t.source.empty());
  for (unsigned pu::*group : {&pu::core, &pu::l2, &pu::cache, &pu::numa_node, &pu::package}) {
    expect_dense(t, group);
  }
  EXPECT_GE(t.available(), 1u);
}

TEST(topology, detect_respects_the_mask_and_leaves_it_alone) {
  const cpus all = pinion::cpus_of_this_thread();
  pinion::thread({}, [&] {
    ASSERT_FALSE(pinion::pin_this_thread({&all.back(), 1}));
    const topology t = topology::detect();
    EXPECT_EQ(t.available(), 1u);
    EXPECT_TRUE(t.find(all.back())->usable);
    EXPECT_EQ(pinion::cpus_of_this_thread(), cpus{all.back()});
  }).join();
}

TEST(topology, both_sources_agree_on_this_machine) {
  auto library = pinion::detail::read_hwloc();
  auto files = pinion::detail::read_sysfs("");
  if (!library) GTEST_SKIP() << "built without hwloc";
  ASSERT_TRUE(files);
  pinion::detail::complete(library->machine);
  pinion::detail::complete(files->machine);
  for (unsigned pu::*group : {&pu::os_index, &pu::core, &pu::l2, &pu::numa_node, &pu::package}) {
    EXPECT_EQ(column(library->machine, group), column(files->machine, group));
  }
  EXPECT_EQ(library->machine.distances, files->machine.distances);
}

// A variable of the environment, for the time of a test.
class scoped_variable {
 public:
  scoped_variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~scoped_variable() { unsetenv(name_); }
  scoped_variable(const scoped_variable&) = delete;
  scoped_variable& operator=(const scoped_variable&) = delete;

 private:
  const char* name_;
};

// Finds: a filter that drops the groups which NUMA nodes hang on.
TEST(topology, hwloc_can_be_told_of_another_machine) {
  if (!pinion::detail::read_hwloc()) GTEST_SKIP() << "built without hwloc";
  const scoped_variable made_up("HWLOC_SYNTHETIC", "pack:2 numa:2 l3:2 l2:2 core:1 pu:2");
  const topology t = topology::detect();
  EXPECT_EQ(t.source, "hwloc, another machine");
  EXPECT_EQ(t.pus.size(), 32u);
  EXPECT_EQ(t.available(), 32u);  // neither mask nor quota of this process apply there
  EXPECT_EQ(t.available_cores(), 16u);
  const topology same = topology::synthetic("pack:2 numa:2 cache:2 l2:2 core:1 pu:2");
  for (unsigned pu::*group :
       {&pu::os_index, &pu::core, &pu::l2, &pu::cache, &pu::numa_node, &pu::package}) {
    EXPECT_EQ(column(t, group), column(same, group));
  }
}

TEST(topology, hwloc_reads_a_machine_from_a_file) {
  if (!pinion::detail::read_hwloc()) GTEST_SKIP() << "built without hwloc";
  const fake_root root;
  root.write("/machine.xml", R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
  <object type="Machine" os_index="0" cpuset="0x00000005" complete_cpuset="0x0000000d"
    allowed_cpuset="0x00000005" nodeset="0x00000001" complete_nodeset="0x00000001"
    allowed_nodeset="0x00000001" gp_index="1">
    <object type="NUMANode" os_index="0" cpuset="0x00000005" complete_cpuset="0x0000000d"
      nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="2" local_memory="1024"/>
    <object type="Core" os_index="0" cpuset="0x00000001" complete_cpuset="0x00000001"
      nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="3">
      <object type="PU" os_index="0" cpuset="0x00000001" complete_cpuset="0x00000001"
        nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="4"/>
    </object>
    <object type="Core" os_index="1" cpuset="0x00000004" complete_cpuset="0x00000004"
      nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="5">
      <object type="PU" os_index="2" cpuset="0x00000004" complete_cpuset="0x00000004"
        nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="6"/>
    </object>
  </object>
</topology>)");
  const scoped_variable file("HWLOC_XMLFILE", (root.path() + "/machine.xml").c_str());
  const topology t = topology::detect();
  EXPECT_EQ(column(t, &pu::os_index), (cpus{0, 2, 3}));
  EXPECT_EQ(column(t, &pu::core), (cpus{0, 1, 2}));
  EXPECT_TRUE(t.pus[0].usable && t.pus[1].usable);
  EXPECT_FALSE(t.pus[2].usable);  // complete_cpuset has it: switched off
}

// --- Machines that are made up.

TEST(topology, synthetic_levels_nest) {
  const topology t = topology::synthetic("numa:2 cache:2 core:2 pu:2");
  EXPECT_EQ(column(t, &pu::core), (cpus{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7}));
  EXPECT_EQ(column(t, &pu::l2), column(t, &pu::core));
  EXPECT_EQ(column(t, &pu::cache), (cpus{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3}));
  EXPECT_EQ(column(t, &pu::numa_node), (cpus{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(column(t, &pu::package), cpus(16, 0));
  EXPECT_EQ(t.distances, (std::vector<cpus>{{10, 12}, {12, 10}}));
}

TEST(topology, synthetic_packages_and_shared_l2) {
  const topology t = topology::synthetic("  pack:2 l2:2   core:2 ");
  EXPECT_EQ(column(t, &pu::core), (cpus{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(column(t, &pu::l2), (cpus{0, 0, 1, 1, 2, 2, 3, 3}));
  EXPECT_EQ(column(t, &pu::cache), (cpus{0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(column(t, &pu::package), (cpus{0, 0, 0, 0, 1, 1, 1, 1}));
  EXPECT_EQ(t.distances, (std::vector<cpus>{{10, 20}, {20, 10}}));
}

std::string refusal_of(const std::string& description) {
  return pinion::test::refusal_of([&] { topology::synthetic(description); });
}

TEST(topology, bad_descriptions_are_refused_with_the_word_and_the_limit) {
  const auto names = [](const std::string& refusal, const std::string& part) {
    return refusal.find(part) != refusal.npos;
  };
  for (const char* word : {"core:0", "core:1025", "core:", "core", "core:x", "core:-1", "core:4x",
                           "core:99999999999"}) {
    const std::string refusal = refusal_of(word);
    EXPECT_TRUE(names(refusal, std::string("'") + word + "'")) << refusal;
    EXPECT_TRUE(names(refusal, "1..1024")) << refusal;
  }
  EXPECT_TRUE(names(refusal_of("socket:2"), "'socket:2' is none of pack, numa,"));
  EXPECT_TRUE(names(refusal_of("core:4 numa:2"), "'numa:2' comes after a level inside it"));
  EXPECT_TRUE(names(refusal_of("core:4 core:2"), "'core:2' comes after"));
  EXPECT_TRUE(names(refusal_of("core:1024 pu:1024"), "'pu:1024' makes more than 8192 PUs"));
  EXPECT_TRUE(names(refusal_of(""), "names no level"));
  EXPECT_TRUE(names(refusal_of("core:4,pu:2"), "'core:4,pu:2'"));
}

}  // namespace
