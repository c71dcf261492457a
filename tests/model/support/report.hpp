// SPDX-License-Identifier: MIT
// What a failure looks like.
#pragma once

#include <string>

#include "tests/model/support/options.hpp"

namespace pinion::model {

class execution;

/// Why it failed, what the threads did, how they stand, and how to run it again.
std::string report_of(const execution&);

/// As PINION_MODEL_REPLAY takes it.
std::string to_text(const schedule&);

}  // namespace pinion::model
