// SPDX-License-Identifier: MIT
#include "tools/pinion/stress/memory.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>

#include <malloc.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PINION_STRESS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PINION_STRESS_SANITIZED 1
#endif
#endif

namespace pinion::stress {

double resident_kib() {
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1024;
}

double in_use_kib() {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  const struct mallinfo2 all = ::mallinfo2();
  return static_cast<double>(all.uordblks + all.hblkhd) / 1024;
#else
  return resident_kib();
#endif
}

std::vector<memory_curve::point> memory_curve::judged() const {
  if (points_.empty()) return {};
  const double from = points_.front().seconds;
  const double first = from + (points_.back().seconds - from) / 3;
  std::vector<point> rest;
  std::copy_if(points_.begin(), points_.end(), std::back_inserter(rest),
               [&](const point& p) { return p.seconds >= first; });
  return rest;
}

// A sanitizer's own memory grows with what it has seen.
bool memory_curve::says_something() {
#if defined(PINION_STRESS_SANITIZED)
  return false;
#else
  return true;
#endif
}

// The least of each part, all of them equally long.
auto memory_curve::floors(const std::vector<point>& all) const -> std::array<double, parts> {
  std::array<double, parts> least;
  least.fill(std::numeric_limits<double>::infinity());
  const double from = all.front().seconds;
  const double each = (all.back().seconds - from) / parts;
  for (const point& p : all) {
    const auto part = std::min(static_cast<std::size_t>((p.seconds - from) / each), parts - 1);
    least[part] = std::min(least[part], p.kib);
  }
  return least;
}

bool memory_curve::grows() const {
  constexpr double least_seconds = 1.5;   // less says nothing
  constexpr double filling_seconds = 20;  // from there on, queues have been as deep as they get
  constexpr double filling_growth = 48 * 1024;
  const auto all = judged();
  if (!says_something() || all.size() < 2 * parts) return false;
  const double seconds = all.back().seconds - all.front().seconds;
  if (seconds < least_seconds) return false;
  const auto floor = floors(all);
  const double rise = floor.back() - floor.front();
  const bool always =
      std::adjacent_find(floor.begin(), floor.end(), std::greater_equal<double>()) == floor.end();
  const bool tires = floor[parts - 1] - floor[parts - 2] < rise / (parts - 1) / 2;
  return always && !tires && rise > (seconds < filling_seconds ? filling_growth : allowed_);
}

double memory_curve::slope() const {
  const auto all = judged();
  if (all.size() < 3) return 0;
  double mean_x = 0, mean_y = 0;
  for (const point& p : all) {
    mean_x += p.seconds / static_cast<double>(all.size());
    mean_y += p.kib / static_cast<double>(all.size());
  }
  double xy = 0, xx = 0;
  for (const point& p : all) {
    xy += (p.seconds - mean_x) * (p.kib - mean_y);
    xx += (p.seconds - mean_x) * (p.seconds - mean_x);
  }
  return xx == 0 ? 0 : xy / xx;
}

}  // namespace pinion::stress
