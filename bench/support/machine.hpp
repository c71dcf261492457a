// SPDX-License-Identifier: MIT
// What the machine is, which CPUs there are, and who else is using them.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <sched.h>

#include "pinion/platform/clock.hpp"

namespace pinion::bench {

/// CPUs of this process's affinity mask when it started, ascending.
const std::vector<unsigned>& usable_cpus();

/// Ties the calling thread to the CPUs; an empty list changes nothing.
/// @errors    throws std::system_error when the kernel refuses
void pin_this_thread(const std::vector<unsigned>& cpus);

/// Pins the calling thread and puts its former mask back at the end.
class scoped_pin {
 public:
  explicit scoped_pin(const std::vector<unsigned>& cpus);
  scoped_pin(const scoped_pin&) = delete;
  scoped_pin& operator=(const scoped_pin&) = delete;
  ~scoped_pin();

 private:
  cpu_set_t before_;
};

/// CPU time that processes other than this one use, from /proc/stat.
class foreign_cpu {
 public:
  foreign_cpu();

  /// Share of the whole machine since construction, 0 to 1; 0 where /proc/stat is missing.
  /// The kernel counts in hundredths of a second, so two of those are taken for noise.
  double share() const;

 private:
  struct reading {
    double busy_seconds;
    double own_seconds;
    std::chrono::steady_clock::time_point at;
  };
  static reading read();

  reading start_;
};

/// Name and value of each property that bears on a result: model, kernel, governor, compiler ...
std::vector<std::pair<std::string, std::string>> describe_machine();

}  // namespace pinion::bench
