// SPDX-License-Identifier: MIT
// What the system does for the library, as an execution does it: in place of the platform's own
// sources for time, waiting, counters and hints.
#include "pinion/platform/clock.hpp"
#include "pinion/platform/cpu.hpp"
#include "pinion/platform/memory.hpp"
#include "pinion/platform/os.hpp"

namespace pinion {

namespace {

model::execution* running() noexcept {
  return model::execution::current();
}

os::wait_result wait(const void* word, std::uint64_t first, std::uint64_t expected,
                     time_point deadline, model::place at) noexcept {
  using end = model::execution::wait_end;
  std::optional<std::int64_t> until;
  if (deadline != forever) until = deadline.time_since_epoch().count();
  switch (running()->wait(word, first, static_cast<std::uint32_t>(expected), until, at)) {
    case end::changed:
      return os::wait_result::changed;
    case end::timed_out:
      return os::wait_result::timed_out;
    case end::woken:
      break;
  }
  return os::wait_result::woken;
}

}  // namespace

namespace os {

void yield() noexcept {
  spin_hint();
}

time_point now() noexcept {
  return time_point(duration(running() != nullptr ? running()->now_ns() : 0));
}

std::uint64_t cycle_counter() noexcept {
  return static_cast<std::uint64_t>(now().time_since_epoch().count());
}

wait_result futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                       time_point deadline, model::place at) noexcept {
  return wait(&word, word.first_encoded(), expected, deadline, at);
}

wait_result futex_wait(const atomic<std::uint64_t>& word, std::uint64_t expected,
                       time_point deadline, model::place at) noexcept {
  return wait(&word, word.first_encoded(), expected, deadline, at);
}

int futex_wake(const atomic<std::uint32_t>& word, int count, model::place at) noexcept {
  return running()->wake(&word, count, at);
}

int futex_wake(const atomic<std::uint64_t>& word, int count, model::place at) noexcept {
  return running()->wake(&word, count, at);
}

unsigned current_cpu() noexcept {
  return 0;
}

unsigned cpus() noexcept {
  return running() != nullptr ? running()->wanted().cpus : 1;
}

std::uintptr_t thread_id() noexcept {
  return running() != nullptr ? running()->running() + 1 : 1;
}

std::uint64_t random() noexcept {
  return running() != nullptr ? running()->random_number() : 0;
}

}  // namespace os

// A tick is a nanosecond of virtual time.
namespace detail {

constinit os::atomic<tick_source> ticks_from{tick_source::clock};

std::uint64_t cpu_ticks_by_source() noexcept {
  return os::cycle_counter();
}

}  // namespace detail

double ticks_per_nanosecond() noexcept {
  return 1.0;
}

duration to_duration(std::uint64_t ticks) noexcept {
  return duration(static_cast<duration::rep>(ticks));
}

std::uint64_t to_ticks(duration d) noexcept {
  return d <= duration::zero() ? 0 : static_cast<std::uint64_t>(d.count());
}

spin_budget::spin_budget(duration limit) noexcept {
  if (os::cpus() == 1 || limit <= duration::zero()) return;
  limit_ = to_ticks(limit);
  start_ = cpu_ticks();
}

void advise_huge_pages(void*, std::size_t) noexcept {}

}  // namespace pinion
