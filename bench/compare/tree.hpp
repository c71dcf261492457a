// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace pinion::bench {

/// The directory given as --tree; empty when there was none.
const std::string& tree_root();

/// The example program given as --treesum; empty when there was none.
const std::string& treesum_program();

}  // namespace pinion::bench
