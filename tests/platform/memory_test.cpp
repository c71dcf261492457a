// SPDX-License-Identifier: MIT
#include "pinion/platform/memory.hpp"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace {

constexpr std::size_t huge = std::size_t{2} << 20;

/// Pages of its own, which nobody else has asked anything for.
class mapping {
 public:
  explicit mapping(std::size_t bytes)
      : bytes_(bytes),
        start_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
  }
  mapping(const mapping&) = delete;
  mapping& operator=(const mapping&) = delete;
  ~mapping() { ::munmap(start_, bytes_); }
  char* start() const { return static_cast<char*>(start_); }

  /// The next whole huge page.
  char* huge_page() const {
    const auto at = reinterpret_cast<std::uintptr_t>(start_);
    return start() + ((at + huge - 1) / huge * huge - at);
  }

 private:
  std::size_t bytes_;
  void* start_;
};

/// Does the system keep "huge pages, please" for the page at that address?
bool is_advised(const void* page) {
  std::ifstream maps("/proc/self/smaps");
  bool is_here = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &from, &to) == 2) {
      const auto at = reinterpret_cast<std::uintptr_t>(page);
      is_here = from <= at && at < to;
    }
    if (is_here && line.starts_with("VmFlags:")) return line.find(" hg") != line.npos;
  }
  return false;
}

bool system_has_huge_pages() {
  return std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled").good();
}

// Finds: a range that is rounded outwards, over what belongs to somebody else.
TEST(memory, whole_huge_pages_inside_the_range_are_advised_and_no_others) {
  if (!system_has_huge_pages()) GTEST_SKIP() << "the kernel has no huge pages";
  const mapping all(4 * huge);
  char* const page = all.huge_page();
  pinion::advise_huge_pages(page - 1, huge + 2);
  EXPECT_TRUE(is_advised(page));
  EXPECT_TRUE(is_advised(page + huge - 1));
  EXPECT_FALSE(is_advised(page + huge));
  EXPECT_FALSE(page != all.start() && is_advised(page - 1));
}

TEST(memory, a_range_without_a_whole_page_is_left_alone) {
  const mapping all(3 * huge);
  char* const page = all.huge_page();
  pinion::advise_huge_pages(page + 1, huge);
  pinion::advise_huge_pages(page, huge - 1);
  pinion::advise_huge_pages(page, 0);
  EXPECT_FALSE(is_advised(page));
  EXPECT_FALSE(is_advised(page + huge - 1));
}

TEST(memory, what_is_there_stays) {
  const mapping all(3 * huge);
  char* const page = all.huge_page();
  page[0] = 'a';
  page[huge - 1] = 'z';
  pinion::advise_huge_pages(page, huge);
  EXPECT_EQ(page[0], 'a');
  EXPECT_EQ(page[huge - 1], 'z');
}

}  // namespace
