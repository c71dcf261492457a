// SPDX-License-Identifier: MIT
// How long does it take to cancel a tree of ten thousand contexts? One root, ninety-nine below it,
// a hundred below each of those; nobody waits. Decides what a walk may touch of each context.
#include <memory>
#include <vector>

#include "bench/compare/works.hpp"
#include "bench/support/ticks.hpp"

#include "pinion/sync/context.hpp"

namespace pinion::bench {
namespace {

constexpr std::size_t branches = 99;
constexpr std::size_t leaves = 100;  // of each branch

duration cancel_once() {
  scoped_context root = with_cancel(context::background());
  std::vector<scoped_context> below;
  below.reserve(branches * (leaves + 1));
  for (std::size_t i = 0; i < branches; ++i) {
    below.push_back(with_cancel(root));
    const context branch = below.back();
    for (std::size_t k = 0; k < leaves; ++k) below.push_back(with_cancel(branch));
  }
  const std::uint64_t start = ticks();
  root.cancel();
  return since(start, ticks() - ticks_cost());
}

measurement cancel_tree() {
  histogram seen;
  for (std::size_t i = 0; i < 5; ++i) (void)cancel_once();
  for (std::size_t i = 0; i < scaled(200, 20); ++i) seen.record(cancel_once());
  return measurement::of_latencies(seen);
}

}  // namespace

void add_cancel_tree() {
  add_benchmark(name_of<pinion_pool>("cancel_tree", {usual_workers()}), cancel_tree);
}

}  // namespace pinion::bench
