// SPDX-License-Identifier: MIT
// The works of the comparison: the same code for each library, under names of one form.
//
//     compare/<work>/<library>/workers:<n>[/<parameter>:<value>][/pinned or /unpinned]
//
// Pinned means that worker i is tied to the i-th CPU of the process; the threads that hand over
// work are placed by the system, but in the latency works, which say so. Libraries that start a
// thread per task have the unpinned form only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "bench/compare/libraries/libraries.hpp"
#include "bench/support/harness.hpp"
#include "bench/support/machine.hpp"

namespace pinion::bench {

// Throughput: how much a library does in a second.
void add_submit_external();
void add_spawn_inside();
void add_coroutines();
void add_fan_out_fan_in();
void add_channel();
void add_pipeline();
void add_task_group();
void add_treesum();
void add_treesum_program();
void add_timer_arm_cancel();
void add_select_ready();
void add_select_blocked();

// Latency: how long one thing takes.
void add_round_trip_hot();
void add_wake_parked();
void add_submit_wait();
void add_post_cost();
void add_cancel_to_quiet();
void add_cancel_tree();

// What the rest of the program pays.
void add_host_slowdown();

/// One worker a CPU: what every library would choose by itself.
inline std::size_t usual_workers() {
  return usable_cpus().size();
}

/// How many tasks `Pool` gets when those that can get `full`.
template <pool Pool>
std::size_t tasks_for(std::size_t full) {
  return scaled(std::min(full, Pool::tasks_max), 1000);
}

template <pool Pool>
std::string name_of(const std::string& work, const pool_shape& shape,
                    const std::string& parameters = "") {
  return "compare/" + work + "/" + Pool::name + "/workers:" + std::to_string(shape.workers) +
         parameters;
}

/// The throughput forms of a pool: workers on a CPU each, and workers where the system puts them.
struct form {
  std::string suffix;
  pool_shape shape;
};
template <pool Pool>
std::vector<form> forms(std::size_t workers) {
  std::vector<form> all = {{"/unpinned", {workers}}};
  if (Pool::keeps_workers) all.push_back({"/pinned", {workers, usable_cpus()}});
  return all;
}

/// The latency form: one worker on the last CPU, and the thread that hands over on the first.
inline pool_shape one_worker_apart() {
  return {1, {usable_cpus().back()}};
}

/// None for libraries that start a thread per task: it would inherit the CPU, and wait for it.
template <pool Pool>
std::vector<unsigned> submitter_cpus() {
  if (!Pool::keeps_workers) return {};
  return {usable_cpus().front()};
}

}  // namespace pinion::bench
