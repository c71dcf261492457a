// SPDX-License-Identifier: MIT
// The seam: the one place through which the library touches atomics, futexes, time and threads.
//
// Everything above reads as ordinary code on `os::atomic` and `os::futex_wait`. There are three
// builds of it. In the real one all of it is aliases and inline calls: the compiled code is what it
// would be without the seam. The other two name a header in PINION_SEAM that takes the place of the
// first part below: one delays some operations at random, so that rare interleavings become common
// ones; one runs the threads of a test as fibers and goes through their interleavings, and through
// what the memory model lets each load see. No program mixes objects of two builds.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>

namespace pinion {

using duration = std::chrono::nanoseconds;
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// "No deadline". Adding any duration to it gives it back.
inline constexpr time_point forever = time_point::max();

namespace os {

enum class wait_result : std::uint8_t { woken, changed, timed_out };

}  // namespace os
}  // namespace pinion

#if defined(__SANITIZE_THREAD__)
#define PINION_OS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PINION_OS_TSAN 1
#endif
#endif

#if defined(PINION_SEAM)
#include PINION_SEAM
#else
namespace pinion::os {

template <class T>
using atomic = std::atomic<T>;

/// A size that is `real`, but as small as `checked` where interleavings are checked: there the
/// smallest size that wraps, grows and runs out shows what any size shows.
template <class Int>
constexpr Int shrinkable(Int real, [[maybe_unused]] Int checked) noexcept {
  return real;
}

/// Keeps every earlier store before every later load, as a locked read-modify-write does.
/// For the store-then-load between a container that is not ours and a word of ours; where both
/// words are ours, the operations carry the order.
inline void full_fence() noexcept {
#if defined(PINION_OS_TSAN)
  // ThreadSanitizer knows no fences; a read-modify-write of one word orders at least as much.
  static std::atomic<unsigned> word{0};
  word.fetch_add(1, std::memory_order_seq_cst);  // seq_cst: stands in for the fence below
#elif defined(__x86_64__)
  // A locked instruction on the thread's own stack: a seventh of the cost of mfence.
  __asm__ __volatile__("lock; addl $0, -4(%%rsp)" ::: "memory", "cc");
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);  // seq_cst: this is the full fence
#endif
}

/// Hint to the core that this is a spin loop.
inline void spin_hint() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("isb" ::: "memory");
#endif
}

/// The core's own counter, where it has one. Whether it is a clock is for others to find out.
inline std::uint64_t cycle_counter() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  std::uint64_t ticks;
  __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
  return 0;
#endif
}

/// Sleeps while `word` equals `expected`, until a wake or the deadline. May return `woken` for no
/// reason. A 64-bit word is compared by its low half.
/// @cost      one system call
wait_result futex_wait(const atomic<std::uint32_t>& word, std::uint32_t expected,
                       time_point deadline = forever) noexcept;
wait_result futex_wait(const atomic<std::uint64_t>& word, std::uint64_t expected,
                       time_point deadline = forever) noexcept;

/// Wakes at most `count` sleepers; how many it woke. `word` is an address only: it is not read,
/// and may be gone.
/// @cost      one system call
int futex_wake(const atomic<std::uint32_t>& word, int count) noexcept;
int futex_wake(const atomic<std::uint64_t>& word, int count) noexcept;

}  // namespace pinion::os
#endif

namespace pinion::os {

/// Gives the rest of the time slice to another thread.
void yield() noexcept;

/// The steady clock (CLOCK_MONOTONIC), in nanoseconds.
time_point now() noexcept;

/// The CPU that the calling thread is on at this moment.
/// @cost      some nanoseconds, no system call where the system can do without
unsigned current_cpu() noexcept;

/// CPUs this process may use right now, at least 1 (its affinity mask; read once).
unsigned cpus() noexcept;

/// Tells the calling thread from all others that run. Never zero.
std::uintptr_t thread_id() noexcept;

/// A cheap pseudo-random number, per thread. For choosing victims, not for secrets.
std::uint64_t random() noexcept;

}  // namespace pinion::os
