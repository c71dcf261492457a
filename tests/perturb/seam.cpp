// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <random>

#include <sched.h>

#include "pinion/platform/os.hpp"

namespace pinion::os {

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const given = std::getenv(variable);
  return given != nullptr ? std::strtoull(given, nullptr, 0) : otherwise;
}

struct settings {
  std::uint64_t seed = number_from("PINION_PERTURB_SEED", 0);
  std::uint64_t rate = number_from("PINION_PERTURB_RATE", 64);

  settings() {
    if (seed != 0 || rate == 0) return;
    seed = std::random_device{}() | 1;
    std::cerr << "PINION_PERTURB_SEED=" << seed << '\n';
  }
};

const settings& the_settings() {
  static const settings those;
  return those;
}

constinit std::atomic<std::uint64_t> threads_seen{0};
constinit thread_local std::uint64_t state = 0;

// The generator of this thread: xorshift, from the seed and the thread's number.
std::uint64_t next_random() noexcept {
  if (state == 0) {
    // relaxed: hands out a number.
    const std::uint64_t number = threads_seen.fetch_add(1, std::memory_order_relaxed) + 1;
    state = the_settings().seed * 0x9e3779b97f4a7c15 ^ number * 0xbf58476d1ce4e5b9;
    if (state == 0) state = 1;
  }
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

void sleep_for(std::uint64_t nanoseconds) noexcept {
  const timespec t{0, static_cast<long>(nanoseconds)};
  ::nanosleep(&t, nullptr);
}

}  // namespace

void perturb() noexcept {
  static const std::uint64_t rate = the_settings().rate;
  if (rate == 0) return;
  const std::uint64_t r = next_random();
  if (r % rate != 0) return;
  const std::uint64_t kind = (r >> 20) % 8;
  const std::uint64_t amount = r >> 32;
  if (kind < 4) {  // about as long as another core takes for a few operations
    for (std::uint64_t i = amount % 2000; i != 0; --i) __asm__ __volatile__("");
  } else if (kind < 6) {
    ::sched_yield();
  } else {  // long enough for another thread to be scheduled
    sleep_for(1'000 + amount % 60'000);
  }
}

// A spin that never yields can starve the thread that it waits for, inside ThreadSanitizer too.
void spin_hint() noexcept {
  ::sched_yield();
}

std::uint64_t cycle_counter() noexcept {
  return static_cast<std::uint64_t>(now().time_since_epoch().count());
}

}  // namespace pinion::os
