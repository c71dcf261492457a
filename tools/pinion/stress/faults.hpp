// SPDX-License-Identifier: MIT
// Faults: what a system may do to a program.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tools/pinion/stress/options.hpp"

namespace pinion {
struct scheduler_options;
}

namespace pinion::stress {

std::vector<named> all_faults();

/// Those that were asked for, from its construction to its end.
class faults {
 public:
  /// Before any other thread is made.
  /// @errors    throws std::system_error when the system does not let itself be spoiled
  faults(const std::vector<std::string>& wanted, std::uint64_t seed);
  faults(const faults&) = delete;
  faults& operator=(const faults&) = delete;
  ~faults();

  bool has(const char* name) const;
  /// What the scheduler under test needs for them.
  void adapt(scheduler_options&) const;

 private:
  void send_signals(int signal, std::uint64_t seed, unsigned pause_us);
  void burn();

  const std::vector<std::string> wanted_;
  std::atomic<bool> over_{false};
  std::vector<std::thread> threads_;
};

}  // namespace pinion::stress
