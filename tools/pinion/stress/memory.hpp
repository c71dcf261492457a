// SPDX-License-Identifier: MIT
// How much memory a run uses, and whether it grows without end.
//
// Memory that is only used goes up and down, and up to a new height now and then: a queue that is
// deeper than it ever was, a pool that gets its next slab, a heap that has no piece of that size.
// A leak lifts also the least of what is used, again and again, and does not tire. So a curve is
// cut into parts, and the floor of each part counts:
//
//      used                    .-.             leaks                     .-'
//        .-.  .--. .-. .--. .-'   '-.                           .-.  .-''
//       |   ''    '   '    '         floor:             .-.  .-'   ''
//      |                             as before      .-''   ''        floor: higher each time
//      | first |   1  |   2  |   3  |   4  |        | first |   1  |   2  |   3  |   4  |
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace pinion::stress {

/// What the process has in memory, in KiB.
double resident_kib();

/// What it has asked for and not given back, in KiB; less than it has in memory, and steadier.
/// Where the C library does not say, the same as above.
double in_use_kib();

class memory_curve {
 public:
  /// `allowed_kib`: by so much the floors may rise in all.
  explicit memory_curve(double allowed_kib) : allowed_(allowed_kib) {}

  void add(double seconds, double kib) { points_.push_back({seconds, kib}); }

  /// KiB per second, by least squares over all but the first third; 0 with too few points.
  double slope() const;

  /// From part to part the floor rises, the last time as well as before, and by more than allowed.
  /// A curve is judged by what it says about its own length: a leak of a KiB/s is seen in a run of
  /// half an hour, one of 50 KiB/s in one of a minute.
  bool grows() const;
  /// Not in every build.
  static bool says_something();

 private:
  struct point {
    double seconds, kib;
  };
  static constexpr std::size_t parts = 4;

  std::vector<point> judged() const;
  std::array<double, parts> floors(const std::vector<point>&) const;

  const double allowed_;
  std::vector<point> points_;
};

}  // namespace pinion::stress
