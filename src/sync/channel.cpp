// SPDX-License-Identifier: MIT
#include "pinion/platform/cpu.hpp"
#include "pinion/sync/channel_buffer.hpp"
#include "pinion/sync/channel_line.hpp"
#include "src/sync/lasting.hpp"

namespace pinion::detail {
namespace {

constinit lasting<wait_list> of_nobody;

/// As long as a road is held, and then some. Whoever waits longer waits for a core.
constexpr duration spin_for_road = std::chrono::microseconds(1);
constexpr duration sleep_for_road = std::chrono::microseconds(50);

/// Spins, then sleeps, until `look(word)` is true.
template <class Look>
void wait_for_road(os::atomic<std::uint64_t>& word, Look&& look) noexcept {
  for (spin_budget budget(spin_for_road); budget.spin();) {
    // relaxed: a look, so that the line stays shared until there is something to win.
    if (look(word.load(std::memory_order_relaxed))) return;
  }
  for (;;) {
    // relaxed: as above.
    const std::uint64_t seen = word.load(std::memory_order_relaxed);
    if (look(seen)) return;
    // Nobody wakes: that would cost who leaves the road a read-modify-write, each time.
    (void)os::futex_wait(word, seen, os::now() + sleep_for_road);
  }
}

}  // namespace

wait_list& nobodys_line() noexcept {
  return of_nobody.it;
}

bool channel_side::enter_contended(std::uint64_t& word) noexcept {
  bool entered = false;
  wait_for_road(word_, [&](std::uint64_t seen) {
    word = seen;
    if ((seen & shut_bit) != 0) return true;
    return entered = (seen & held_bit) == 0 && try_hold(seen);
  });
  return entered;
}

void channel_side::shut_contended() noexcept {
  wait_for_road(word_,
                [&](std::uint64_t seen) { return (seen & held_bit) == 0 && try_shut(seen); });
}

}  // namespace pinion::detail
