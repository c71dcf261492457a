// SPDX-License-Identifier: MIT
// What a scheduler does when the system refuses threads or CPUs, interrupts it, or forks.
// For memory there is a test of its own.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "tests/support/allocations.hpp"
#include "tests/support/fork.hpp"
#include "tests/support/metric.hpp"
#include "tests/support/schedulers.hpp"
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/rate_limiter.hpp"
#include "pinion/sync/ticker.hpp"
#include "pinion/sync/timer.hpp"

namespace {

// Which call fails, counted from 0; negative: none.
std::atomic<int> threads_until_failure{-1};
std::atomic<bool> no_threads{false};  // each of them fails
std::atomic<int> pinning_error{0};    // what the system says to it; 0: yes

}  // namespace

extern "C" int pthread_create(pthread_t* id, const pthread_attr_t* how, void* (*body)(void*),
                              void* argument) {
  if (no_threads.load()) return EAGAIN;
  if (threads_until_failure.load() >= 0 && threads_until_failure.fetch_sub(1) == 0) return EAGAIN;
  using function = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pthread_create"));
  return real(id, how, body, argument);
}

extern "C" int sched_setaffinity(pid_t who, std::size_t size, const cpu_set_t* cpus) noexcept {
  if (const int refusal = pinning_error.load(); refusal != 0) {
    errno = refusal;
    return -1;
  }
  using function = int (*)(pid_t, std::size_t, const cpu_set_t*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "sched_setaffinity"));
  return real(who, size, cpus);
}

extern "C" int pthread_setaffinity_np(pthread_t who, std::size_t size,
                                      const cpu_set_t* cpus) noexcept {
  if (const int refusal = pinning_error.load(); refusal != 0) return refusal;
  using function = int (*)(pthread_t, std::size_t, const cpu_set_t*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pthread_setaffinity_np"));
  return real(who, size, cpus);
}

namespace pinion {
namespace {

// Finds: threads that were made before the failure and are not joined (terminates or hangs).
TEST(faults, POOL_14_a_thread_that_cannot_be_made_undoes_the_construction) {
  for (int k = 0; k <= 4; ++k) {  // the last one: none fails
    std::atomic<int> started{0}, exited{0};
    scheduler_options o = test::with_workers(4);
    o.on_worker_start = [&](std::size_t) { started.fetch_add(1); };
    o.on_worker_exit = [&](std::size_t) { exited.fetch_add(1); };
    threads_until_failure = k;
    if (k < 4) {
      EXPECT_THROW(scheduler sched(o), std::system_error) << k;
    } else {
      scheduler sched(o);
      threads_until_failure = -1;  // its end may need the process's thread for timers
    }
    threads_until_failure = -1;
    EXPECT_EQ(started.load(), k);
    EXPECT_EQ(exited.load(), k);
  }
  test::metric("thread_faults", 4);
}

TEST(faults, a_spare_that_cannot_be_made_leaves_the_worker_on_its_seat) {
  scheduler sched(test::with_workers(1));
  auto ctx = with_cancel(context::background());
  std::latch entered(1);
  threads_until_failure = 0;
  sched.post([&] {
    entered.count_down();
    static_cast<void>(ctx.done().wait());
  });
  entered.wait();
  ctx.cancel();
  ASSERT_TRUE(sched.drain().wait());
  threads_until_failure = -1;
  EXPECT_EQ(sched.stats().threads, 1u);
}

/// Which of the things that have to hold did not, counted from 1.
class first_wrong {
 public:
  void expect(bool good) {
    ++number_;
    if (!good && found_ == 0) found_ = number_;
  }
  template <class F>
  void expect_refused(F f) {
    try {
      f();
      expect(false);
    } catch (const std::system_error& e) {
      expect(e.code() == errc::unavailable);
    }
  }
  int get() const { return found_; }

 private:
  int number_ = 0, found_ = 0;
};

// In the child of a fork, which has no thread for timers yet. Finds: a process that ends, a wait
// that lasts for ever, work that is given up although it could have run.
int without_a_thread_for_timers() {
  using namespace std::chrono_literals;
  first_wrong all;
  std::atomic<int> ran{0};
  const auto job = [&] { ran.fetch_add(1); };
  ticker beat(1ms);
  rate_limiter gate(rate::per_second(1000), 1);
  auto sched = std::make_unique<scheduler>(test::with_workers(1));
  no_threads = true;

  all.expect_refused([] { (void)with_timeout(context::background(), 1h); });
  all.expect(sleep(0s).wait().has_value());
  all.expect(sleep(1h).wait().error() == errc::unavailable);
  all.expect(ticker(1h).next().wait().error() == errc::unavailable);
  all.expect(gate.acquire().wait().has_value());
  rate_limiter slow(rate::every(1h), 1);
  all.expect(slow.acquire().wait().has_value());
  all.expect(slow.acquire().wait().error() == errc::unavailable);
  all.expect_refused([&] { sched->post(job, {.after = 1ms}); });
  all.expect(sched->stats().accepted == 0);
  all.expect(with_timeout(manual_clock().root(), 0s).is_done());
  for (int i = 0; i < 100; ++i) sched->post(job);
  sched.reset();
  all.expect(ran.load() == 100);

  no_threads = false;
  all.expect(sleep(1us).wait().has_value());
  all.expect(beat.next().wait().has_value());
  all.expect(gate.acquire(1).wait().has_value());
  const auto ctx = with_timeout(context::background(), 1us);
  all.expect(ctx.done().wait().has_value());
  return all.get();
}

TEST(faults, without_a_thread_for_timers_waits_are_refused_until_there_is_one) {
  EXPECT_EQ(test::in_child_of_a_fork(without_a_thread_for_timers), 0);
}

TEST(faults, a_small_task_takes_nothing_from_the_heap_in_steady_state) {
  scheduler sched(test::with_workers(1));
  std::atomic<int> ran{0};
  const auto round = [&] {
    ran = 0;
    for (int i = 0; i < 2000; ++i) {
      sched.post([&ran, a = 1L, b = 2L, c = 3L] {
        static_cast<void>(a + b + c);
        ran.fetch_add(1);
      });
    }
    while (ran.load() < 2000) std::this_thread::yield();
  };
  // The deepest queues that a round can make, the worker's own among them, so that none of those
  // that count is deeper.
  for (int i = 0; i < 5; ++i) {
    std::atomic<bool> go{false};
    ran = 0;
    sched.post([&] {
      for (int k = 0; k < 4000; ++k) sched.post([&ran] { ran.fetch_add(1); });
      while (!go.load()) std::this_thread::yield();
    });
    for (int k = 0; k < 4000; ++k) sched.post([&ran] { ran.fetch_add(1); });
    go = true;
    while (ran.load() < 8000) std::this_thread::yield();
  }
  for (int i = 0; i < 20; ++i) round();
  const test::allocation_count count;
  for (int i = 0; i < 20; ++i) round();
  EXPECT_EQ(count.get(), 0u);
  test::metric("allocations_per_task", count.get());
}

TEST(faults, pinning_that_is_refused_or_impossible_is_reported_and_the_work_runs) {
  for (const int refusal : {EPERM, EINVAL, ENOSYS}) {
    pinning_error = refusal;
    std::latch seated(2);  // the pool may be done before its second worker begins
    scheduler_options o;
    o.workers = 2;
    o.on_worker_start = [&](std::size_t) { seated.count_down(); };
    scheduler sched(o);
    std::atomic<int> ran{0};
    for (int i = 0; i < 100; ++i) sched.post([&] { ran.fetch_add(1); });
    ASSERT_TRUE(sched.drain().wait());
    seated.wait();
    pinning_error = 0;
    EXPECT_EQ(ran.load(), 100);
    EXPECT_EQ(sched.stats().pinned, 0u);
    const auto said = sched.warnings();
    EXPECT_TRUE(std::any_of(said.begin(), said.end(),
                            [](const std::string& w) { return w.find("not pinned") != w.npos; }));
  }
}

TEST(faults, pinning_to_a_cpu_that_is_not_there_starts_nothing) {
  std::atomic<int> started{0};
  scheduler_options o;
  o.on_worker_start = [&](std::size_t) { started.fetch_add(1); };
  o.pin = pinning::list({999'999});
  EXPECT_THROW(scheduler sched(o), std::invalid_argument);
  EXPECT_EQ(started.load(), 0);
}

// As in a cpuset of one CPU, whichever that is: everything works, waits inside tasks included.
TEST(faults, one_cpu_is_enough) {
  cpu_set_t before, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &before)) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
    for (const std::size_t workers : {0, 1, 4}) {
      scheduler_options o;
      o.workers = workers;
      scheduler sched(o);
      EXPECT_EQ(sched.workers(), workers == 0 ? 1 : workers);
      auto sum = sched.submit([&] {
        auto part = sched.submit([] { return 40; });
        return part.with(sched.root()).wait().value() + 2;  // under a context: the seat is lent
      });
      EXPECT_EQ(sum.wait().value_or(0), 42);
      EXPECT_TRUE(sched.drain().wait());
    }
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof(before), &before), 0);
}

void interrupted(int) {}

// While it lives, signals hit all threads of the process, and system calls say so.
class interruptions {
 public:
  interruptions() {
    struct sigaction action {};
    action.sa_handler = interrupted;         // no SA_RESTART
    ::sigaction(SIGUSR1, &action, nullptr);  // for good: one may still be on its way at the end
    sender_ = std::thread([this] {
      const auto me = static_cast<pid_t>(::syscall(SYS_gettid));
      while (!over_) {
        for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
          const pid_t to = std::stoi(entry.path().filename().string());
          if (to == me) continue;
          sent_ += ::syscall(SYS_tgkill, ::getpid(), to, SIGUSR1) == 0 ? 1 : 0;
        }
      }
    });
  }
  ~interruptions() {
    over_ = true;
    sender_.join();
  }
  int sent() const { return sent_; }

 private:
  std::atomic<bool> over_{false};
  std::atomic<int> sent_{0};
  std::thread sender_;
};

// Finds: a wait that takes an interruption for its end, a deadline that starts anew with each.
TEST(faults, interrupted_waits_go_on) {
  scheduler_options o = test::with_workers(2);
  o.block_signals = false;  // workers are to have them, too
  o.idle = idle_policy::park();
  scheduler sched(o);
  interruptions all;
  for (int i = 0; i < 200 || all.sent() < 2000; ++i) {
    ASSERT_EQ(sched.submit([i] { return i; }).with(sched.root()).wait().value_or(-1), i);
    const time_point start = now();
    ASSERT_TRUE(sleep(std::chrono::microseconds(200)).wait());
    ASSERT_GE(now() - start, std::chrono::microseconds(200));
    const auto ctx = with_timeout(sched.root(), std::chrono::microseconds(200));
    ASSERT_EQ(sleep(ctx, std::chrono::hours(1)).wait().error(), errc::deadline_exceeded);
    auto inside = sched.submit([&] { return sleep(std::chrono::microseconds(50)).wait(); });
    ASSERT_TRUE(inside.wait());
  }
  EXPECT_TRUE(sched.drain().wait());
}

TEST(faults, POOL_15_the_child_of_a_fork_is_refused_and_can_end) {
  scheduler_options o = test::with_workers(2);
  o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
  auto sched = std::make_unique<scheduler>(o);
  sched->post([] {});
  const int status = test::in_child_of_a_fork([&] {
    const bool refused = !sched->post([] {});
    const auto end = sched->drain().wait();
    const bool said_so = !end && end.error() == errc::stopped;
    const bool has_none = sched->stats().threads == 0;  // which takes no lock of theirs
    sched.reset();
    return refused && said_so && has_none ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(sched->post([] {}));  // the parent goes on
}

}  // namespace
}  // namespace pinion
