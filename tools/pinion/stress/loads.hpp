// SPDX-License-Identifier: MIT
// Loads: the ways in which an outside thread uses the library.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tools/pinion/stress/findings.hpp"
#include "tools/pinion/stress/ledger.hpp"
#include "tools/pinion/stress/sleepers.hpp"

#include "pinion/runtime/scheduler.hpp"

namespace pinion::stress {

using generator = std::minstd_rand;

/// What all producers share.
struct surroundings {
  scheduler& shared;
  sleeper_list& watched;  // for loads with a scheduler of their own
  findings& found;
  bool tasks_throw = false;
  std::string plant;  // an error to make on purpose
};

/// One producer's. round() is called over and over by one thread. What it handed in may still be
/// under way when it returns, so a load lives until its scheduler is quiet.
class load {
 public:
  load(surroundings& s, stream& own, generator& g) : around_(s), own_(own), chance_(g) {}
  load(const load&) = delete;
  load& operator=(const load&) = delete;
  virtual ~load() = default;
  virtual void round() = 0;

 protected:
  scheduler& shared() noexcept { return around_.shared; }
  item next() { return item(own_, own_.take(1)); }
  std::uint64_t below(std::uint64_t limit) { return chance_() % limit; }
  void expect(bool good, const char* what) {
    if (!good) around_.found.add(own_.name() + ": " + what);
  }

  surroundings& around_;
  stream& own_;
  generator& chance_;
};

struct load_kind {
  const char* name;
  const char* what;
  std::unique_ptr<load> (*make)(surroundings&, stream&, generator&);
};

template <class Load>
load_kind kind_of(const char* name, const char* what) {
  return {name, what, [](surroundings& s, stream& own, generator& g) -> std::unique_ptr<load> {
            return std::make_unique<Load>(s, own, g);
          }};
}

std::vector<load_kind> loads_of_posting();  // post, post_bulk, post_to, from inside, delayed
std::vector<load_kind> loads_of_waiting();  // futures, fan-out, contexts
std::vector<load_kind> loads_of_own();      // with schedulers of their own: stop, wake
std::vector<load_kind> all_loads();

}  // namespace pinion::stress
