// SPDX-License-Identifier: MIT
// A test that follows a wrong pointer, or whose assertion fails, fails like any other: with its
// schedule.
#pragma once

#include <csignal>

namespace pinion::model {

/// While it lives, signals that the running execution raises in itself end that execution.
class crashes_as_failures {
 public:
  crashes_as_failures() noexcept;
  ~crashes_as_failures();
  crashes_as_failures(const crashes_as_failures&) = delete;
  crashes_as_failures& operator=(const crashes_as_failures&) = delete;

 private:
  static constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
  struct sigaction before_[4];
};

}  // namespace pinion::model
