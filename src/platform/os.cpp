// SPDX-License-Identifier: MIT
#include "pinion/platform/os.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/platform/cpu_mask.hpp"

namespace pinion::os {

namespace {

// The kernel compares 32 bits at the address it is given: on these machines the low half.
static_assert(std::endian::native == std::endian::little);
static_assert(sizeof(atomic<std::uint32_t>) == 4 && sizeof(atomic<std::uint64_t>) == 8);

timespec to_timespec(time_point t) noexcept {
  // The kernel refuses negative times; zero is as much in the past.
  const auto ns = std::max<duration::rep>(t.time_since_epoch().count(), 0);
  timespec ts{};
  ts.tv_sec = static_cast<time_t>(ns / 1'000'000'000);
  ts.tv_nsec = static_cast<long>(ns % 1'000'000'000);
  return ts;
}

// The bitset form, because it takes an absolute time on the steady clock: a wait that is
// interrupted and begun anew does not drift.
wait_result wait(const void* word, std::uint32_t expected, time_point deadline) noexcept {
  const timespec until = to_timespec(deadline);
  const long r = ::syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                           deadline == forever ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  if (r == 0) return wait_result::woken;
  switch (errno) {
    case EAGAIN:
      return wait_result::changed;
    case ETIMEDOUT:
      return wait_result::timed_out;
    default:
      return wait_result::woken;  // a signal; the caller looks at its word again
  }
}

int wake(const void* word, int count) noexcept {
  const long woken = ::syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count);
  return woken > 0 ? static_cast<int>(woken) : 0;
}

unsigned read_cpus() noexcept {
  // The caller may be pinned, and so may the main thread: what either may use, others may too.
  detail::cpu_mask all;
  detail::cpu_mask mine;
  const bool known = all.read(::getpid());
  if (mine.read(0)) all.add(mine);
  if (known || all.count() > 0) return std::max(all.count(), 1U);
  return static_cast<unsigned>(std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L));
}

// Splitmix64 (Steele, Lea, Flood 2014): every state is good, so zero can mean "not seeded".
constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;

std::uint64_t mix(std::uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::uint64_t seed() noexcept {
  const auto time = static_cast<std::uint64_t>(now().time_since_epoch().count());
  const auto tid = static_cast<std::uint64_t>(::syscall(SYS_gettid));
  return mix(time) ^ mix(tid * golden);
}

// At a fixed place in a thread's own memory, as in a program: found without a call, also when this
// is in a shared library. There is always room for a word.
[[gnu::tls_model("initial-exec")]] constinit thread_local std::uint64_t random_state = 0;

}  // namespace

void yield() noexcept {
  ::sched_yield();
}

time_point now() noexcept {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return time_point(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
}

wait_result futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                       time_point deadline) noexcept {
  return wait(&word, expected, deadline);
}

wait_result futex_wait(const atomic<std::uint64_t>& word, std::uint64_t expected,
                       time_point deadline) noexcept {
  return wait(&word, static_cast<std::uint32_t>(expected), deadline);
}

int futex_wake(const atomic<std::uint32_t>& word, int count) noexcept {
  return wake(&word, count);
}

int futex_wake(const atomic<std::uint64_t>& word, int count) noexcept {
  return wake(&word, count);
}

// Not guarded: a fork in the middle would leave the guard locked in the child.
unsigned cpus() noexcept {
  static constinit std::atomic<unsigned> known{0};
  unsigned n = known.load(std::memory_order_relaxed);  // relaxed: a number, the same from all
  if (n == 0) known.store(n = read_cpus(), std::memory_order_relaxed);  // relaxed: as above
  return n;
}

std::uintptr_t thread_id() noexcept {
  static_assert(sizeof(pthread_t) == sizeof(std::uintptr_t));
  return static_cast<std::uintptr_t>(::pthread_self());  // the address of its control block
}

unsigned current_cpu() noexcept {
  const int cpu = ::sched_getcpu();
  return cpu < 0 ? 0 : static_cast<unsigned>(cpu);
}

std::uint64_t random() noexcept {
  if (random_state == 0) random_state = seed();
  return mix(random_state += golden);
}

}  // namespace pinion::os
