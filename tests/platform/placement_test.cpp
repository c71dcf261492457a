// SPDX-License-Identifier: MIT
// Workers go to whole cores first and near each other, reach each other once, and every
// compromise is said aloud.
#include "pinion/platform/placement.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>
#include <string>

#include "tests/support/refusal.hpp"
#include <gtest/gtest.h>

namespace {

using pinion::pinning;
using pinion::placement;
using pinion::plan;
using pinion::pu;
using pinion::steal_distance;
using pinion::topology;
using pinion::worker_place;
using cpus = std::vector<unsigned>;

const char* const machines[] = {
    "core:1",
    "core:2",
    "core:1 pu:2",
    "core:4 pu:2",
    "cache:2 core:4",
    "l2:2 core:4",
    "numa:2 cache:2 core:4 pu:2",
    "pack:2 core:8 pu:2",
    "pack:2 numa:2 cache:2 l2:2 core:2 pu:2",
    "pack:2 numa:1 cache:8 core:8 pu:2",  // 2 sockets of 64 cores with 2 threads each
};
const pinning pinnings[] = {pinning::none(), pinning::core(), pinning::cache(), pinning::numa()};

// The PU that a worker tied to one is tied to.
const pu& home(const topology& t, const worker_place& w) {
  return *t.find(w.pus.at(0));
}

steal_distance distance(const pu& a, const pu& b) {
  if (a.core == b.core) return steal_distance::same_core;
  if (a.l2 == b.l2) return steal_distance::same_l2;
  if (a.cache == b.cache) return steal_distance::same_cache;
  if (a.numa_node == b.numa_node) return steal_distance::same_node;
  return steal_distance::remote;
}

void expect_all_others_once(const placement& p) {
  for (std::size_t i = 0; i < p.workers.size(); ++i) {
    ASSERT_EQ(p.workers[i].victims.size(), pinion::steal_distances);
    std::set<std::size_t> seen;
    std::size_t count = 0;
    for (const auto& tier : p.workers[i].victims) {
      seen.insert(tier.begin(), tier.end());
      count += tier.size();
    }
    EXPECT_EQ(count, p.workers.size() - 1);
    EXPECT_EQ(seen.size(), count);
    EXPECT_EQ(seen.count(i), 0u);
    EXPECT_TRUE(seen.empty() || *seen.rbegin() < p.workers.size());
  }
}

// What is in a tier is exactly that far away, so tiers are monotone and nobody is misplaced.
void expect_true_distances(const topology& t, const placement& p) {
  for (const worker_place& w : p.workers) {
    for (std::size_t d = 0; d < w.victims.size(); ++d) {
      for (const std::size_t v : w.victims[d]) {
        EXPECT_EQ(static_cast<std::size_t>(distance(home(t, w), home(t, p.workers[v]))), d);
      }
    }
  }
}

void expect_no_pu_twice_before_all_are_used(const topology& t, const placement& p) {
  std::map<unsigned, std::size_t> uses;
  for (const pu& unit : t.pus) {
    if (unit.usable) uses[unit.os_index] = 0;
  }
  for (const worker_place& w : p.workers) {
    ASSERT_EQ(w.pus.size(), 1u);
    ASSERT_EQ(uses.count(w.pus[0]), 1u) << "not usable: " << w.pus[0];
    ++uses[w.pus[0]];
  }
  const auto [least, most] = std::minmax_element(
      uses.begin(), uses.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  EXPECT_LE(most->second - least->second, 1u);
}

// No core has two workers while another has none.
void expect_whole_cores_first(const topology& t, const placement& p) {
  std::map<unsigned, std::size_t> on_core;
  for (const pu& unit : t.pus) {
    if (unit.usable) on_core[unit.core] = 0;
  }
  for (const worker_place& w : p.workers) ++on_core[home(t, w).core];
  std::size_t empty = 0, shared = 0;
  for (const auto& entry : on_core) {
    empty += entry.second == 0;
    shared += entry.second > 1;
  }
  EXPECT_TRUE(empty == 0 || shared == 0) << empty << " empty, " << shared << " shared";
}

void expect_sound(const topology& t, std::size_t workers) {
  const placement pinned = plan(t, workers, pinning::core());
  ASSERT_EQ(pinned.workers.size(), workers);
  expect_true_distances(t, pinned);
  expect_no_pu_twice_before_all_are_used(t, pinned);
  expect_whole_cores_first(t, pinned);
  for (const pinning& pin : pinnings) {
    const placement p = plan(t, workers, pin);
    expect_all_others_once(p);
    for (const worker_place& w : p.workers) {
      EXPECT_TRUE(std::is_sorted(w.pus.begin(), w.pus.end()));
      EXPECT_EQ(w.pus.empty(), pin.what == pinning::kind::none);
      EXPECT_FALSE(w.reason.empty());
      for (const unsigned cpu : w.pus) EXPECT_TRUE(t.find(cpu)->usable);
    }
  }
}

TEST(placement, is_sound_on_made_up_machines) {
  for (const char* machine : machines) {
    SCOPED_TRACE(machine);
    const topology t = topology::synthetic(machine);
    const std::size_t all = t.pus.size();
    for (const std::size_t workers :
         {std::size_t{1}, all / 2, all - 1, all, all + 1, 2 * all + 1}) {
      if (workers == 0 || workers > 300) continue;
      SCOPED_TRACE(workers);
      expect_sound(t, workers);
    }
  }
}

// Numbers with gaps, in another order, and some PUs that may not be used or are switched off.
topology scrambled(const char* machine, unsigned seed) {
  std::mt19937 random(seed);
  topology t = topology::synthetic(machine);
  cpus numbers(t.pus.size() * 3);
  std::iota(numbers.begin(), numbers.end(), 0u);
  std::shuffle(numbers.begin(), numbers.end(), random);
  for (std::size_t i = 0; i < t.pus.size(); ++i) {
    t.pus[i].os_index = numbers[i];
    t.pus[i].usable = random() % 3 != 0;
  }
  t.pus[random() % t.pus.size()].usable = true;
  return t;
}

TEST(placement, is_sound_with_sparse_numbers_masks_and_offline_cpus) {
  for (const char* machine : machines) {
    for (unsigned seed = 1; seed <= 5; ++seed) {
      SCOPED_TRACE(machine + (" seed " + std::to_string(seed)));
      const topology t = scrambled(machine, seed);
      for (const std::size_t workers :
           {std::size_t{1}, std::size_t{3}, t.available(), t.available() + 2}) {
        if (workers <= 130) expect_sound(t, workers);
      }
    }
  }
}

// --- How many.

TEST(placement, one_worker_a_core_unless_told_otherwise) {
  EXPECT_EQ(plan(topology::synthetic("core:4 pu:2"), 0, pinning::core()).workers.size(), 4u);
  EXPECT_EQ(plan(topology::synthetic("core:4 pu:2"), 0, pinning::none()).workers.size(), 4u);
  topology t = topology::synthetic("core:4");
  t.cpu_quota = 1.5;
  EXPECT_EQ(plan(t, 0, pinning::core()).workers.size(), 2u);
  t.cpu_quota = 0.2;
  EXPECT_EQ(plan(t, 0, pinning::core()).workers.size(), 1u);
  EXPECT_EQ(plan(t, 0, pinning::list({0, 2, 3})).workers.size(), 3u);
}

// --- Where.

cpus first_cpus(const placement& p) {
  cpus all;
  for (const worker_place& w : p.workers) all.push_back(w.pus.at(0));
  return all;
}

TEST(placement, few_workers_stay_in_one_cache) {
  const topology t = topology::synthetic("numa:2 cache:2 core:4 pu:2");
  EXPECT_EQ(first_cpus(plan(t, 4, pinning::core())), (cpus{0, 2, 4, 6}));
  EXPECT_EQ(first_cpus(plan(t, 6, pinning::core())), (cpus{0, 2, 4, 6, 8, 10}));
}

// Finds: starting with the first cache whatever the mask has left of it.
TEST(placement, the_cache_with_most_usable_cores_comes_first) {
  topology t = topology::synthetic("cache:3 core:4");
  for (const unsigned lost : {0u, 1u, 2u, 8u}) t.pus[lost].usable = false;
  EXPECT_EQ(first_cpus(plan(t, 4, pinning::core())), (cpus{4, 5, 6, 7}));
  EXPECT_EQ(first_cpus(plan(t, 5, pinning::core())), (cpus{4, 5, 6, 7, 9}));
}

TEST(placement, siblings_come_last_and_next_to_each_other) {
  const topology t = topology::synthetic("core:2 pu:2");
  EXPECT_EQ(first_cpus(plan(t, 2, pinning::core())), (cpus{0, 2}));
  EXPECT_EQ(first_cpus(plan(t, 3, pinning::core())), (cpus{0, 1, 2}));
  EXPECT_EQ(first_cpus(plan(t, 4, pinning::core())), (cpus{0, 1, 2, 3}));
}

TEST(placement, a_sibling_serves_where_the_first_thread_of_a_core_may_not) {
  topology t = topology::synthetic("core:2 pu:2");
  t.pus[0].usable = false;
  const placement p = plan(t, 2, pinning::core());
  EXPECT_EQ(first_cpus(p), (cpus{1, 2}));
  EXPECT_TRUE(p.warnings.empty());
}

TEST(placement, fast_cores_come_before_slow_ones_and_slow_ones_before_siblings) {
  topology t = topology::synthetic("core:4 pu:2");
  for (pu& p : t.pus) p.speed = p.core < 2 ? 1 : 2;  // the second half is fast
  EXPECT_EQ(first_cpus(plan(t, 2, pinning::core())), (cpus{4, 6}));
  EXPECT_EQ(first_cpus(plan(t, 4, pinning::core())), (cpus{0, 2, 4, 6}));
  EXPECT_EQ(first_cpus(plan(t, 5, pinning::core())), (cpus{0, 2, 4, 5, 6}));
}

TEST(placement, wider_pinning_gives_all_usable_cpus_of_the_group) {
  topology t = topology::synthetic("numa:2 cache:2 core:2");
  t.pus[1].usable = false;
  const placement by_cache = plan(t, 7, pinning::cache());
  EXPECT_EQ(by_cache.workers[0].pus, (cpus{0}));
  EXPECT_EQ(by_cache.workers[1].pus, (cpus{2, 3}));
  const placement by_node = plan(t, 7, pinning::numa());
  EXPECT_EQ(by_node.workers[0].pus, (cpus{0, 2, 3}));
  EXPECT_EQ(by_node.workers[6].pus, (cpus{4, 5, 6, 7}));
  EXPECT_EQ(by_node.workers[6].numa_node, 1u);
}

// Two workers that may both run on either of two cores are not at a core's distance.
TEST(placement, victims_are_no_nearer_than_the_pinning_says) {
  const topology t = topology::synthetic("numa:2 core:2 pu:2");
  const auto distances_of_first = [&](const pinning& pin) {
    std::vector<std::size_t> sizes;
    const placement p = plan(t, 8, pin);
    for (const auto& tier : p.workers[0].victims) sizes.push_back(tier.size());
    return sizes;
  };
  using sizes = std::vector<std::size_t>;
  EXPECT_EQ(distances_of_first(pinning::core()), (sizes{1, 0, 2, 0, 4}));
  EXPECT_EQ(distances_of_first(pinning::cache()), (sizes{0, 0, 3, 0, 4}));
  EXPECT_EQ(distances_of_first(pinning::numa()), (sizes{0, 0, 0, 3, 4}));
  EXPECT_EQ(distances_of_first(pinning::none()), (sizes{0, 0, 0, 0, 7}));
  const placement one_cache = plan(topology::synthetic("core:4"), 4, pinning::none());
  EXPECT_EQ(one_cache.workers[0].victims[2].size(), 3u);
}

// --- Lists.

TEST(placement, a_list_is_followed_in_its_order_and_reused_in_turn) {
  const topology t = topology::synthetic("core:4");
  const placement p = plan(t, 5, pinning::list({3, 1}));
  EXPECT_EQ(first_cpus(p), (cpus{3, 1, 3, 1, 3}));
  expect_all_others_once(p);
  expect_true_distances(t, p);
  EXPECT_EQ(first_cpus(plan(t, 1, pinning::list({2, 1}))), (cpus{2}));
}

std::string refusal_of(const topology& t, std::size_t workers, const pinning& pin) {
  return pinion::test::refusal_of([&] { (void)plan(t, workers, pin); });
}

TEST(placement, what_cannot_be_done_is_refused) {
  topology t = topology::synthetic("core:4");
  t.pus[2].usable = false;
  EXPECT_EQ(refusal_of(t, 2, pinning::list({0, 2})),
            "pinning::list names CPU 2, which this process may not use");
  EXPECT_EQ(refusal_of(t, 1, pinning::list({0, 7})),
            "pinning::list names CPU 7, which is not there");
  EXPECT_EQ(refusal_of(t, 2, pinning::list({})), "pinning::list is empty");
  EXPECT_EQ(refusal_of(t, 4'097, pinning::none()), "plan: 4097 workers, but the limit is 4096");
  EXPECT_EQ(refusal_of(topology{}, 1, pinning::core()), "plan: the topology has no usable PU");
}

// --- Warnings.

std::string warnings_of(const topology& t, std::size_t workers, const pinning& pin) {
  std::string all;
  for (const std::string& w : plan(t, workers, pin).warnings) all += w + "\n";
  return all;
}

TEST(placement, nothing_is_warned_of_when_all_is_well) {
  for (const char* machine : machines) {
    const topology t = topology::synthetic(machine);
    for (const pinning& pin : pinnings) EXPECT_EQ(warnings_of(t, 0, pin), "") << machine;
  }
}

TEST(placement, warns_of_more_workers_than_cpus) {
  const topology t = topology::synthetic("core:2");
  EXPECT_EQ(warnings_of(t, 4, pinning::none()), "4 workers, but 2 usable CPUs: they take turns\n");
  EXPECT_EQ(warnings_of(t, 4, pinning::core()),
            "4 workers, but 2 usable CPUs: they take turns\n"
            "worker 1 shares core 0 with worker 0 (2 such workers)\n");
}

TEST(placement, warns_of_more_workers_than_cores) {
  const topology t = topology::synthetic("core:2 pu:2");
  EXPECT_EQ(warnings_of(t, 3, pinning::cache()),
            "3 workers, but 2 usable cores: some run on SMT siblings and slow each other down\n");
  EXPECT_EQ(warnings_of(t, 3, pinning::core()),
            "3 workers, but 2 usable cores: some run on SMT siblings and slow each other down\n"
            "worker 1 shares core 0 with worker 0\n");
}

TEST(placement, warns_of_a_quota_below_the_workers) {
  topology t = topology::synthetic("core:4");
  t.cpu_quota = 1.5;
  EXPECT_EQ(warnings_of(t, 1, pinning::core()), "");
  EXPECT_EQ(warnings_of(t, 4, pinning::core()),
            "4 workers, but the CPU quota is 1.5 CPUs: they will be throttled when all run\n");
}

TEST(placement, warns_of_a_list_that_makes_workers_share) {
  const topology t = topology::synthetic("core:4 pu:2");
  EXPECT_EQ(warnings_of(t, 2, pinning::list({0, 1})), "worker 1 shares core 0 with worker 0\n");
  EXPECT_EQ(warnings_of(t, 3, pinning::list({0, 2, 2})), "worker 2 shares core 1 with worker 1\n");
}

TEST(placement, warns_of_isolated_cpus_that_nobody_is_tied_to) {
  topology t = topology::synthetic("core:4");
  t.pus[1].isolated = t.pus[2].isolated = true;
  const std::string warning =
      "some CPUs are isolated: the kernel spreads no threads over them; pin workers to cores\n";
  EXPECT_EQ(warnings_of(t, 2, pinning::none()), warning);
  EXPECT_EQ(warnings_of(t, 2, pinning::cache()), warning);
  EXPECT_EQ(warnings_of(t, 2, pinning::core()), "");
}

// --- For people.

TEST(placement, reads_as_a_table) {
  topology t = topology::synthetic("numa:2 core:2 pu:2");
  t.cpu_quota = 2;
  EXPECT_EQ(
      plan(t, 3, pinning::core()).to_string(),
      "worker  cpus  why\n"
      "0       0     core 0, cache 0, node 0\n"
      "1       2     core 1, cache 0, node 0\n"
      "2       4     core 2, cache 1, node 1\n"
      "warning: 3 workers, but the CPU quota is 2 CPUs: they will be throttled when all run\n");
  EXPECT_EQ(plan(t, 2, pinning::numa()).to_string(),
            "worker  cpus  why\n"
            "0       0-3   anywhere in node 0\n"
            "1       0-3   anywhere in node 0\n");
  EXPECT_EQ(plan(t, 1, pinning::none()).to_string(),
            "worker  cpus  why\n0       any   not pinned\n");
  t.pus[1].usable = false;
  EXPECT_EQ(plan(t, 1, pinning::numa()).to_string(),
            "worker  cpus   why\n"
            "0       0,2-3  anywhere in node 0\n");
}

TEST(placement, distances_have_names) {
  EXPECT_STREQ(to_string(steal_distance::same_core), "same core");
  EXPECT_STREQ(to_string(steal_distance::remote), "remote");
}

}  // namespace
