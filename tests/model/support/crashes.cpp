// SPDX-License-Identifier: MIT
#include "tests/model/support/crashes.hpp"

#include <cstddef>
#include <cstring>
#include <iterator>

#include "tests/model/support/execution.hpp"

namespace pinion::model {

namespace {

// It runs on the stack of the fiber that crashed, which nobody comes back to.
void end_execution(int signal) {
  execution* const e = execution::current();
  if (e != nullptr && e->running() != nobody)
    e->fail("crashed: ", place::here(), ::strsignal(signal));
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

crashes_as_failures::crashes_as_failures() noexcept {
  struct sigaction action {};
  action.sa_handler = &end_execution;
  action.sa_flags = SA_NODEFER;  // the handler is never left, and the next crash comes here too
  for (std::size_t i = 0; i < std::size(signals); ++i)
    ::sigaction(signals[i], &action, &before_[i]);
}

crashes_as_failures::~crashes_as_failures() {
  for (std::size_t i = 0; i < std::size(signals); ++i)
    ::sigaction(signals[i], &before_[i], nullptr);
}

}  // namespace pinion::model
