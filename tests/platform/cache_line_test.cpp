// SPDX-License-Identifier: MIT
#include "pinion/platform/cache_line.hpp"

#include <array>
#include <cstdint>

#include <gtest/gtest.h>
#include <unistd.h>

namespace {

using pinion::cache_line_size;
using pinion::line_transfer_size;
using pinion::padded;

TEST(cache_line, neighbours_share_no_line) {
  std::array<padded<char>, 3> all{};
  const auto line_of = [&](std::size_t i) {
    return reinterpret_cast<std::uintptr_t>(&all[i].value) / cache_line_size;
  };
  EXPECT_NE(line_of(0), line_of(1));
  EXPECT_NE(line_of(1), line_of(2));
  EXPECT_EQ(sizeof(padded<std::array<char, cache_line_size + 1>>), 2 * cache_line_size);
}

// Where this machine says how long its lines are.
TEST(cache_line, the_machine_has_no_longer_lines) {
  const long here = ::sysconf(_SC_LEVEL1_DCACHE_LINESIZE);
  if (here <= 0) GTEST_SKIP() << "the system does not say how long a line is";
  EXPECT_EQ(cache_line_size % static_cast<std::size_t>(here), 0u) << here;
  EXPECT_EQ(cache_line_size % line_transfer_size, 0u);
}

}  // namespace
