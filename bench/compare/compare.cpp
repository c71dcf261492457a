// SPDX-License-Identifier: MIT
// The program that does the same work on Pinion and on what one would use instead.
//
// It runs what it is asked for, once, in one process, and prints what it saw. Comparing is done by
// the script that runs it again and again, one library after the other.
#include <cstring>
#include <string>

#include "bench/compare/tree.hpp"
#include "bench/compare/works.hpp"

namespace pinion::bench {
namespace {

struct options {
  std::string tree;
  std::string treesum;
};

options& given() {
  static options all;
  return all;
}

bool take(const char* argument, const std::string& name, std::string& into) {
  if (std::strncmp(argument, name.c_str(), name.size()) != 0) return false;
  into = argument + name.size();
  return true;
}

void take_options(int& argc, char** argv) {
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const bool taken =
        take(argv[i], "--tree=", given().tree) || take(argv[i], "--treesum=", given().treesum);
    if (!taken) argv[kept++] = argv[i];
  }
  argc = kept;
}

void add_all() {
  add_submit_external();
  add_spawn_inside();
  add_coroutines();
  add_fan_out_fan_in();
  add_channel();
  add_pipeline();
  add_task_group();
  add_round_trip_hot();
  add_wake_parked();
  add_submit_wait();
  add_post_cost();
  add_cancel_to_quiet();
  add_cancel_tree();
  add_timer_arm_cancel();
  add_select_ready();
  add_select_blocked();
  add_host_slowdown();
#if defined(PINION_BENCH_TREESUM)
  add_treesum();
#endif
  add_treesum_program();
}

}  // namespace

const std::string& tree_root() {
  return given().tree;
}
const std::string& treesum_program() {
  return given().treesum;
}

}  // namespace pinion::bench

int main(int argc, char** argv) {
  pinion::bench::take_options(argc, argv);
  pinion::bench::add_all();
  return pinion::bench::run_benchmarks(argc, argv);
}
