// SPDX-License-Identifier: MIT
// What a library must offer to take part in the comparison, and how it is asked to set itself up.
//
// Each library is one small class. The works are templates over it, so all libraries run the same
// code, the same number of times, on threads placed the same way.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pinion::bench {

/// What idle workers do, for libraries that let one choose.
enum class idling { usual, spin, adaptive, park };

struct pool_shape {
  std::size_t workers = 1;
  std::vector<unsigned> cpus = {};  // worker i is tied to cpus[i % size]; empty: to none
  bench::idling idling = bench::idling::usual;

  std::vector<unsigned> cpus_of(std::size_t worker) const {
    if (cpus.empty()) return {};
    return {cpus[worker % cpus.size()]};
  }
};

/// One thread's way into a pool. finish() returns when that thread has nothing left to do for the
/// tasks it posted; whether they have run is another matter.
template <class P>
concept producer = requires(P p, void (*task)()) {
  p.post(task);
  p.finish();
};

template <class P>
concept pool = std::constructible_from<P, const pool_shape&> &&
    requires(P p, std::uint64_t (*task)()) {
  { P::name } -> std::convertible_to<const char*>;
  // More than that many tasks in one go would measure patience.
  { P::tasks_max } -> std::convertible_to<std::size_t>;
  // Whether it has workers that stay, and so can be pinned, spin and be parked.
  { P::keeps_workers } -> std::convertible_to<bool>;
  { P::can_choose_idling } -> std::convertible_to<bool>;

  { p.outside() } -> producer;  // for a thread that is no worker
  { p.inside() } -> producer;   // for a task
  { p.submit(task).get() } -> std::same_as<std::uint64_t>;

  p.post_stoppable([](auto&& stop_wanted) { (void)stop_wanted(); });
  p.stop();  // tells the stoppable tasks, drops what has not started, joins
};

template <class... Pools>
struct library_list {};

/// Calls f.template operator()<P>() for each.
template <class F, class... Pools>
void for_each_library(library_list<Pools...>, F f) {
  (f.template operator()<Pools>(), ...);
}

}  // namespace pinion::bench
