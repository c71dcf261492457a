// SPDX-License-Identifier: MIT
// What a stress run is to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pinion::stress {

struct options {
  double seconds = 60;
  double every = 10;                // between two lines
  double stuck_after = 10;          // without a move of somebody who should move
  std::size_t threads = 16;         // outside threads that hand in work
  std::size_t workers = 0;          // of the scheduler they share; 0: its default
  std::vector<std::string> loads;   // empty: all
  std::vector<std::string> faults;  // empty: none
  std::string plant;                // an error to make on purpose, to see it found
  std::uint64_t seed = 0;
  bool as_json = false;
};

/// Something that may be asked for by name.
struct named {
  const char* name;
  const char* what;
};

}  // namespace pinion::stress
