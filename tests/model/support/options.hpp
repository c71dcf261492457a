// SPDX-License-Identifier: MIT
// How a check goes about it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/model/support/operation.hpp"

namespace pinion::model {

enum class mode : std::uint8_t {
  depth_first,  // all of them, or all up to a number of preemptions
  random,       // a random walk each time: for what is too large
  priorities,  // random priorities that change a few times: finds what needs few, but rare, changes
};

/// A decision list: which thread went on, which store was read, what failed. Zero is the usual:
/// the running thread, the newest store, no failure.
using schedule = std::vector<std::uint8_t>;

/// How many times in one execution something may go wrong that need not. Each is a decision.
struct faults {
  unsigned spurious = 0;     // a wait ends, or a weak compare-exchange fails, for no reason
  unsigned timeouts = 0;     // a wait runs into its deadline although others could go on
  unsigned allocations = 0;  // operator new throws
  unsigned threads = 0;      // a thread cannot be started
  unsigned freezes = 0;      // a thread of the test stands still until it is joined
};

inline constexpr int unbounded = -1;

struct options {
  mode how = mode::depth_first;
  int preemptions = unbounded;           // depth first: how often a thread is stopped unasked
  std::uint64_t executions = 1'000'000;  // at most
  double seconds = 0;                    // at most; 0: no limit
  std::uint64_t seed = 1;                // of random and priorities
  bool is_scaled = true;                 // the environment may set these two
  unsigned changes = 2;                  // priorities: how often one changes in an execution
  std::size_t steps = 5'000;             // an execution that takes more is taken for endless
  unsigned stale_reads = 2;              // so often in a row is the same old store read
  unsigned cpus = 1;                     // what os::cpus() says; one means: nobody spins
  unsigned random_numbers = 1;           // os::random() gives one of so many
  faults may_fail = {};

  schedule replay = {};  // this execution only
  mutant changed = {};   // run the code as if this were changed
};

}  // namespace pinion::model
