// SPDX-License-Identifier: MIT
#include "tools/pinion/stress/memory.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

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

std::vector<memory_curve::point> memory_curve::judged() const {
  if (points_.empty()) return {};
  const double from = points_.front().seconds;
  const double first = from + (points_.back().seconds - from) / 3;
  std::vector<point> rest;
  std::copy_if(points_.begin(), points_.end(), std::back_inserter(rest),
               [&](const point& p) { return p.seconds >= first; });
  return rest;
}

double memory_curve::judged_seconds() const {
  const auto all = judged();
  return all.empty() ? 0 : all.back().seconds - all.front().seconds;
}

// A sanitizer's own memory grows with what it has seen.
bool memory_curve::says_something() {
#if defined(PINION_STRESS_SANITIZED)
  return false;
#else
  return true;
#endif
}

bool memory_curve::grows() const {
  constexpr double least_slope = 1;       // KiB/s
  constexpr double least_growth = 1024;   // KiB
  constexpr double least_seconds = 1.5;   // less says nothing
  constexpr double filling_seconds = 20;  // from there on, queues have been as deep as they get
  constexpr double filling_growth = 48 * 1024;
  const double seconds = judged_seconds();
  const double allowed = seconds < filling_seconds ? filling_growth : least_growth;
  return says_something() && seconds > least_seconds && slope() > least_slope &&
         slope() * seconds > allowed;
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
