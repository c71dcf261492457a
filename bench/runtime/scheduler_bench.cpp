// SPDX-License-Identifier: MIT
// What does each way of handing over work cost, in time, in heap allocations and in system calls?
// A change of the scheduler that adds one of the latter two to the steady state shows here first.
//
// Allocations are counted by this program's own operator new, futex calls by its own syscall():
// both stand in front of the library's, and count what passes.
#include <array>
#include <cstdarg>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "bench/support/completion.hpp"
#include "bench/support/harness.hpp"
#include "bench/support/machine.hpp"
#include "bench/support/ticks.hpp"
#include <dlfcn.h>
#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pinion/platform/os.hpp"
#include "pinion/runtime/scheduler.hpp"

namespace pinion::bench {
namespace {

struct counts {
  double allocations;
  double wakes;
  double waits;
};

// All relaxed: they are read when the work that they count has been seen to end.
struct counters {
  os::atomic<std::uint64_t> allocations{0};
  os::atomic<std::uint64_t> wakes{0};
  os::atomic<std::uint64_t> waits{0};

  counts now() const {
    return {static_cast<double>(allocations.load(std::memory_order_relaxed)),  // relaxed: as above
            static_cast<double>(wakes.load(std::memory_order_relaxed)),
            static_cast<double>(waits.load(std::memory_order_relaxed))};
  }
};
constinit counters passed;

/// Measures `work`, which gives `items`, after it has been done twice to warm up.
template <class Work>
measurement count_and_time(std::size_t items, Work work) {
  work();
  work();
  const counts before = passed.now();
  const time_point start = os::now();
  work();
  measurement m{os::now() - start, static_cast<double>(items)};
  const counts after = passed.now();
  m.with("allocations_per_task", (after.allocations - before.allocations) / m.items);
  m.with("wakes_per_task", (after.wakes - before.wakes) / m.items);
  return m.with("waits_per_task", (after.waits - before.waits) / m.items);
}

scheduler_options with_workers(std::size_t workers, idle_policy idle = {}) {
  scheduler_options options;
  options.workers = workers;
  options.pin = pinning::none();
  options.idle = idle;
  return options;
}

// Size of callable in bytes, that of the counter's address included.
template <std::size_t Bytes>
auto task(completion_counter& ran) {
  if constexpr (Bytes == sizeof(void*)) {
    return [&ran] { ran.add(); };
  } else {
    return [&ran, ballast = std::array<char, Bytes - sizeof(void*)>{}] {
      (void)ballast;
      ran.add();
    };
  }
}

template <std::size_t Bytes>
measurement post_outside(std::size_t workers, idle_policy idle) {
  completion_counter ran;
  scheduler sched(with_workers(workers, idle));
  const std::size_t count = scaled(500'000, 1000);
  std::uint64_t posted = 0;
  return count_and_time(count, [&] {
    for (std::size_t i = 0; i < count; ++i) sched.post(task<Bytes>(ran));
    ran.wait_for(posted += count);
  });
}

measurement post_bulk(std::size_t workers, std::size_t burst) {
  completion_counter ran;
  scheduler sched(with_workers(workers));
  const std::size_t bursts = scaled(500'000, 1000) / burst;
  std::vector<decltype(task<8>(ran))> jobs(burst, task<8>(ran));
  std::uint64_t posted = 0;
  return count_and_time(bursts * burst, [&] {
    for (std::size_t i = 0; i < bursts; ++i) sched.post_bulk(jobs);
    ran.wait_for(posted += bursts * burst);
  });
}

measurement post_inside(std::size_t workers) {
  completion_counter ran;
  scheduler sched(with_workers(workers));
  const std::size_t count = scaled(500'000, 1000);
  std::uint64_t posted = 0;
  return count_and_time(count, [&] {
    sched.post([&sched, &ran, count] {
      for (std::size_t i = 0; i < count; ++i) sched.post(task<8>(ran));
    });
    ran.wait_for(posted += count);
  });
}

// The maker of the tasks keeps its worker busy until all have run, so all are stolen.
measurement steal(std::size_t workers) {
  completion_counter ran;
  scheduler sched(with_workers(workers));
  const std::size_t count = scaled(200'000, 1000);
  std::uint64_t posted = 0;
  return count_and_time(count, [&] {
    posted += count;
    sched.post([&sched, &ran, count, target = posted] {
      for (std::size_t i = 0; i < count; ++i) sched.post(task<8>(ran));
      while (ran.total() < target) os::spin_hint();
    });
    ran.wait_for(posted);
  });
}

measurement submit_and_wait(std::size_t workers, idle_policy idle) {
  scheduler sched(with_workers(workers, idle));
  const std::size_t count = scaled(20'000, 200);
  std::uint64_t sum = 0;
  return count_and_time(count, [&] {
    for (std::size_t i = 0; i < count; ++i) {
      sum += sched.submit([] { return std::uint64_t{1}; }).wait().value();
    }
  });
}

double cpu_seconds() {
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(own.ru_utime) + seconds(own.ru_stime);
}

// Some work, and then nothing: what does the scheduler burn meanwhile?
measurement idle_cpu(idle_policy idle) {
  completion_counter ran;
  scheduler sched(with_workers(usable_cpus().size(), idle));
  for (int i = 0; i < 1000; ++i) sched.post(task<8>(ran));
  ran.wait_for(1000);
  const double before = cpu_seconds();
  const counts calls = passed.now();
  const time_point start = os::now();
  std::this_thread::sleep_for(std::chrono::milliseconds(scaled(5000, 500)));
  const duration elapsed = os::now() - start;
  const double used = cpu_seconds() - before;
  measurement m{elapsed, 1};
  m.with("cpu_share_of_a_core", used / std::chrono::duration<double>(elapsed).count());
  m.with("cpu_ms", used * 1e3);
  return m.with("waits", passed.now().waits - calls.waits);
}

std::string named(const std::string& what, std::size_t workers, const std::string& more = "") {
  return "runtime/scheduler/" + what + "/workers:" + std::to_string(workers) + more;
}

void add_all() {
  const auto all = usable_cpus().size();
  std::vector<std::size_t> worker_counts = {1};
  if (all > 1) worker_counts.push_back(all);
  const idle_policy spin = idle_policy::spin();
  for (const std::size_t n : worker_counts) {
    add_benchmark(named("post", n, "/bytes:8"), [=] { return post_outside<8>(n, {}); });
    add_benchmark(named("post", n, "/bytes:32"), [=] { return post_outside<32>(n, {}); });
    add_benchmark(named("post", n, "/bytes:200"), [=] { return post_outside<200>(n, {}); });
    add_benchmark(named("post", n, "/bytes:32/idle:spin"),
                  [=] { return post_outside<32>(n, spin); });
    add_benchmark(named("post_bulk", n, "/burst:64"), [=] { return post_bulk(n, 64); });
    add_benchmark(named("spawn", n), [=] { return post_inside(n); });
    add_benchmark(named("submit_wait", n), [=] { return submit_and_wait(n, {}); });
    add_benchmark(named("submit_wait", n, "/idle:spin"), [=] { return submit_and_wait(n, spin); });
    if (n > 1) add_benchmark(named("steal", n), [=] { return steal(n); });
  }
  add_benchmark(named("idle_cpu", all, "/idle:adaptive"), [] { return idle_cpu({}); });
  add_benchmark(named("idle_cpu", all, "/idle:park"), [] { return idle_cpu(idle_policy::park()); });
}

void* allocate(std::size_t size, std::size_t alignment) {
  passed.allocations.fetch_add(1, std::memory_order_relaxed);  // relaxed: see counters
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* memory = alignment <= alignof(std::max_align_t) ? std::malloc(size)
                                                        : std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace
}  // namespace pinion::bench

void* operator new(std::size_t size) {
  return pinion::bench::allocate(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return pinion::bench::allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

extern "C" long syscall(long number, ...) noexcept {
  using real_syscall = long (*)(long, ...);
  static const auto real = reinterpret_cast<real_syscall>(dlsym(RTLD_NEXT, "syscall"));
  va_list list;
  va_start(list, number);
  std::array<long, 6> a{};
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_futex) {
    using pinion::bench::passed;
    const bool wake = (a[1] & FUTEX_CMD_MASK) == FUTEX_WAKE;
    // relaxed: see counters
    (wake ? passed.wakes : passed.waits).fetch_add(1, std::memory_order_relaxed);
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int main(int argc, char** argv) {
  pinion::bench::add_all();
  return pinion::bench::run_benchmarks(argc, argv);
}
