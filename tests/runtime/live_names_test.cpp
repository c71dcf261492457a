// SPDX-License-Identifier: MIT
#include "src/runtime/live_names.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using pinion::detail::live_names;

std::map<std::string, std::uint64_t> counts_in(const live_names& names) {
  std::map<std::string, std::uint64_t> all;
  names.for_each([&](const char* name, std::uint64_t count) { all[name] += count; });
  return all;
}

TEST(live_names, counts_what_has_begun_and_not_ended) {
  live_names names;
  const char* const fetch = "fetch";
  const char* const store = "store";
  names.begin(fetch);
  names.begin(store);
  names.begin(fetch);
  EXPECT_EQ(counts_in(names), (std::map<std::string, std::uint64_t>{{"fetch", 2}, {"store", 1}}));
  names.end(fetch);
  names.end(store);
  EXPECT_EQ(counts_in(names), (std::map<std::string, std::uint64_t>{{"fetch", 1}}));
}

// Finds: a name without a place whose end is taken from that of another.
TEST(live_names, what_finds_no_place_is_left_out_and_disturbs_nobody) {
  live_names names;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < live_names::capacity + 10; ++i)
    texts.push_back("the name number " + std::to_string(i));
  for (const std::string& t : texts) names.begin(t.c_str());
  EXPECT_EQ(counts_in(names).size(), live_names::capacity);
  for (const std::string& t : texts) names.end(t.c_str());
  EXPECT_TRUE(counts_in(names).empty());
  names.begin(texts[0].c_str());
  EXPECT_EQ(counts_in(names).at(texts[0]), 1u);
}

}  // namespace
