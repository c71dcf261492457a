// SPDX-License-Identifier: MIT
// What a run says: a line now and then, and one at the end, for people or for programs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/pinion/stress/ledger.hpp"
#include "tools/pinion/stress/options.hpp"

#include "pinion/platform/clock.hpp"

namespace pinion::stress {

/// What is known at one moment.
struct account {
  double seconds = 0;
  std::uint64_t submitted = 0;
  std::uint64_t lost = 0;  // known at the end only
  totals seen;
  duration longest_park{0};
  double resident_kib = 0;
  double slope_kib_s = 0;  // of the resident
  double in_use_kib = 0;
  std::map<std::string, std::uint64_t> by_load;  // submitted
  std::vector<std::string> findings;

  std::uint64_t accepted() const { return submitted - seen.refused; }
};

void print_start(const options&, std::size_t workers);
void print_line(const options&, const account&);
void print_end(const options&, const account&);

}  // namespace pinion::stress
