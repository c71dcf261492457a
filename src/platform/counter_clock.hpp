// SPDX-License-Identifier: MIT
// The steady clock, read by way of the core's counter: for who asks the time every few nanoseconds.
//
// Each thread remembers what the clock said at some value of the counter, and for a few
// microseconds adds what the counter has gone on by since. Then it looks at the clock again. So
// what is wrong with the counter's rate (it was measured in a moment, and the system slews its
// clock) does not add up, and a thread that comes to a core with another counter is wrong for no
// longer than that.
#pragma once

#include <cstdint>

#include "pinion/platform/cpu.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::detail {

/// What a thread saw when it looked at the system's clock.
struct clock_look {
  std::uint64_t ticks;
  std::uint64_t good_for;     // ticks; 0: nothing was seen
  std::uint64_t ns_per_2_32;  // nanoseconds that so many ticks take
  time_point time;
};

[[gnu::tls_model("initial-exec"),
  gnu::visibility("hidden")]] extern constinit thread_local clock_look last_look;

time_point look_at_clock() noexcept;

/// Within a tenth of a microsecond of now() where the counter is a clock, and now() elsewhere. May
/// go back by as much, and is not ordered with the loads and stores around it.
/// @cost      about 10 ns; that of now() once in some microseconds
inline time_point counter_now() noexcept {
  const std::uint64_t ticks = os::cycle_counter();
  const clock_look& last = last_look;
  const std::uint64_t passed = ticks - last.ticks;
  if (passed >= last.good_for) [[unlikely]]
    return look_at_clock();
  return last.time + duration(static_cast<duration::rep>(passed * last.ns_per_2_32 >> 32));
}

}  // namespace pinion::detail
