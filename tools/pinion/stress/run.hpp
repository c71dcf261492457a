// SPDX-License-Identifier: MIT
// A stress run, from the first thread to the last line.
#pragma once

#include "tools/pinion/stress/options.hpp"
#include "tools/pinion/stress/watchdog.hpp"

namespace pinion::stress {

/// The exit code: 0 when nothing was found.
int run(const options&, pulse&);

/// The last line of a run that could not print one itself.
void print_ending(const options&, const ending&);

}  // namespace pinion::stress
