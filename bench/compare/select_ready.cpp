// SPDX-License-Identifier: MIT
// What does it cost to take one value from whichever of two channels has one, when both have?
// Nobody waits, and no other thread is there: it is the price of the choice. Decides what a select
// may do before it tries its first case.
#include <cstdlib>

#include "bench/compare/works.hpp"

#include "pinion/platform/os.hpp"
#include "pinion/sync/channel.hpp"
#include "pinion/sync/select.hpp"

namespace pinion::bench {
namespace {

constexpr std::size_t filled = 1024;
constexpr std::size_t taken = filled / 2;  // so both stay ready

void fill(channel<std::uint64_t>& ch) {
  while (ch.try_send(1)) {
  }
}

// Only the selects are timed.
duration select_many(channel<std::uint64_t>& a, channel<std::uint64_t>& b) {
  std::uint64_t sum = 0;
  const time_point start = os::now();
  for (std::size_t i = 0; i < taken; ++i) {
    auto won = select(a.recv(), b.recv()).wait();
    sum += won->index() == 0 ? *get<0>(*won) : *get<1>(*won);
  }
  const duration elapsed = os::now() - start;
  if (sum != taken) std::abort();
  return elapsed;
}

measurement select_ready() {
  channel<std::uint64_t> a(filled), b(filled);
  const std::size_t rounds = scaled(2000, 4);
  duration elapsed{};
  for (std::size_t i = 0; i < 2 * rounds; ++i) {
    fill(a), fill(b);
    const duration once = select_many(a, b);
    if (i >= rounds) elapsed += once;  // the first half warms up
  }
  return {elapsed, static_cast<double>(rounds * taken)};
}

}  // namespace

void add_select_ready() {
  add_benchmark(name_of<pinion_pool>("select_ready", {usual_workers()}, "/unpinned"), select_ready);
}

}  // namespace pinion::bench
