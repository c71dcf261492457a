// SPDX-License-Identifier: MIT
// A set of CPUs as the kernel passes it to and fro. On the stack and of one size, large enough
// for any kernel, so that reading a mask neither allocates nor guesses.
#pragma once

#include <array>
#include <bit>
#include <climits>
#include <cstddef>

#include <sched.h>
#include <sys/types.h>

namespace pinion::detail {

class cpu_mask {
 public:
  /// CPUs with this OS index or above cannot be named; kernels are built for 8,192 at most.
  static constexpr unsigned limit = 65'536;

  /// The mask of a thread by its id; 0: the calling one.
  bool read(pid_t tid) noexcept { return ::sched_getaffinity(tid, sizeof words_, raw()) == 0; }

  /// Ties the calling thread to this set. False: errno says why.
  bool apply() const noexcept {
    return ::sched_setaffinity(0, sizeof words_, const_cast<cpu_mask*>(this)->raw()) == 0;
  }

  /// @pre  cpu < limit
  void add(unsigned cpu) noexcept { words_[cpu / bits] |= 1UL << (cpu % bits); }
  bool contains(unsigned cpu) const noexcept {
    return cpu < limit && (words_[cpu / bits] >> (cpu % bits) & 1) != 0;
  }

  void add(const cpu_mask& other) noexcept {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }

  unsigned count() const noexcept {
    unsigned n = 0;
    for (const unsigned long w : words_) n += static_cast<unsigned>(std::popcount(w));
    return n;
  }

 private:
  static constexpr unsigned bits = sizeof(unsigned long) * CHAR_BIT;

  cpu_set_t* raw() noexcept { return reinterpret_cast<cpu_set_t*>(words_.data()); }

  std::array<unsigned long, limit / bits> words_{};
};

}  // namespace pinion::detail
