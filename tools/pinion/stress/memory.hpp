// SPDX-License-Identifier: MIT
// How much memory the process has, and whether it grows without end.
#pragma once

#include <cstddef>
#include <vector>

namespace pinion::stress {

/// What the process has in memory, in KiB.
double resident_kib();

class memory_curve {
 public:
  void add(double seconds, double kib) { points_.push_back({seconds, kib}); }

  /// KiB per second, by least squares over all but the first third; 0 with too few points.
  double slope() const;

  /// It grows, and by more than the deepest queues of such a run can make. A curve is judged by
  /// what it says about its own length: in a quarter of an hour, a steady leak of 2 KiB/s shows.
  bool grows() const;
  /// Not in every build.
  static bool says_something();

 private:
  struct point {
    double seconds, kib;
  };
  std::vector<point> judged() const;
  double judged_seconds() const;

  std::vector<point> points_;
};

}  // namespace pinion::stress
