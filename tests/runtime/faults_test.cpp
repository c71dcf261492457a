// SPDX-License-Identifier: MIT
// What a scheduler does when the system refuses: memory, threads, pinning, fork.
#include <array>
#include <atomic>
#include <cerrno>
#include <latch>
#include <memory>
#include <system_error>
#include <thread>

#include "tests/support/allocations.hpp"
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pinion/runtime/scheduler.hpp"

namespace {

// Which call fails, counted from 0; negative: none.
std::atomic<int> threads_until_failure{-1};
std::atomic<bool> pinning_is_refused{false};

}  // namespace

extern "C" int pthread_create(pthread_t* id, const pthread_attr_t* how, void* (*body)(void*),
                              void* argument) {
  if (threads_until_failure.load() >= 0 && threads_until_failure.fetch_sub(1) == 0) return EAGAIN;
  using function = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pthread_create"));
  return real(id, how, body, argument);
}

extern "C" int sched_setaffinity(pid_t who, std::size_t size, const cpu_set_t* cpus) noexcept {
  if (pinning_is_refused.load()) {
    errno = EPERM;
    return -1;
  }
  using function = int (*)(pid_t, std::size_t, const cpu_set_t*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "sched_setaffinity"));
  return real(who, size, cpus);
}

extern "C" int pthread_setaffinity_np(pthread_t who, std::size_t size,
                                      const cpu_set_t* cpus) noexcept {
  if (pinning_is_refused.load()) return EPERM;
  using function = int (*)(pthread_t, std::size_t, const cpu_set_t*);
  static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "pthread_setaffinity_np"));
  return real(who, size, cpus);
}

namespace pinion {
namespace {

scheduler_options with_workers(std::size_t n) {
  scheduler_options o;
  o.workers = n;
  o.pin = pinning::none();
  return o;
}

// Finds: threads that were made before the failure and are not joined (terminates or hangs).
TEST(faults, POOL_14_a_thread_that_cannot_be_made_undoes_the_construction) {
  for (int k = 0; k < 4; ++k) {
    std::atomic<int> started{0}, exited{0};
    scheduler_options o = with_workers(4);
    o.on_worker_start = [&](std::size_t) { started.fetch_add(1); };
    o.on_worker_exit = [&](std::size_t) { exited.fetch_add(1); };
    threads_until_failure = k;
    EXPECT_THROW(scheduler sched(o), std::system_error) << k;
    threads_until_failure = -1;
    EXPECT_EQ(started.load(), k);
    EXPECT_EQ(exited.load(), k);
  }
}

TEST(faults, a_spare_that_cannot_be_made_leaves_the_worker_on_its_seat) {
  scheduler sched(with_workers(1));
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

TEST(faults, construction_survives_the_failure_of_each_allocation) {
  std::ptrdiff_t failures = 0;
  for (bool more = true; more; ++failures) {
    const test::failing_allocation out(failures);
    try {
      scheduler sched(with_workers(2));
      more = out.happened();  // in a place that copes without
    } catch (const std::bad_alloc&) {
    } catch (const std::system_error&) {  // a thread without memory for its start
    }
  }
  EXPECT_GT(failures, 10);
}

// Nothing is lost and nothing runs twice: what was refused with bad_alloc is still the caller's.
TEST(faults, post_has_the_strong_guarantee_at_each_allocation) {
  for (std::ptrdiff_t k = 0; k < 40; ++k) {
    scheduler sched(with_workers(1));
    std::atomic<int> ran{0};
    int accepted = 0;
    std::thread poster([&] {
      const test::failing_allocation out(k);
      for (int i = 0; i < 3000; ++i) {
        auto job = [&ran, big = std::array<char, 100>{}] {
          static_cast<void>(big);
          ran.fetch_add(1);
        };
        try {
          accepted += sched.post(std::move(job)) ? 1 : 0;
        } catch (const std::bad_alloc&) {
        }
      }
    });
    poster.join();
    const auto report = sched.drain().wait();
    ASSERT_TRUE(report);
    EXPECT_EQ(ran.load(), accepted);
    EXPECT_GE(accepted, 2999);
  }
}

TEST(faults, tasks_spawned_without_memory_for_the_deque_are_not_lost) {
  for (std::ptrdiff_t k = 0; k < 12; ++k) {
    scheduler sched(with_workers(1));
    std::atomic<int> ran{0};
    std::atomic<int> accepted{0};
    std::latch done(1);
    sched.post([&] {
      const test::failing_allocation out(k);
      for (int i = 0; i < 3000; ++i) {
        try {
          if (sched.post([&] { ran.fetch_add(1); })) accepted.fetch_add(1);
        } catch (const std::bad_alloc&) {
        }
      }
      done.count_down();
    });
    done.wait();
    ASSERT_TRUE(sched.drain().wait());
    EXPECT_EQ(ran.load(), accepted.load());
    EXPECT_GE(accepted.load(), 2999);
  }
}

TEST(faults, a_small_task_takes_nothing_from_the_heap_in_steady_state) {
  scheduler sched(with_workers(1));
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
  // The deepest queue that a round can make, so that none of those that count is deeper.
  for (int i = 0; i < 5; ++i) {
    std::atomic<bool> go{false};
    sched.post([&] {
      while (!go.load()) std::this_thread::yield();
    });
    ran = 0;
    for (int k = 0; k < 4000; ++k) sched.post([&ran] { ran.fetch_add(1); });
    go = true;
    while (ran.load() < 4000) std::this_thread::yield();
  }
  for (int i = 0; i < 20; ++i) round();
  const test::allocation_count count;
  for (int i = 0; i < 20; ++i) round();
  EXPECT_EQ(count.get(), 0u);
}

TEST(faults, pinning_that_is_refused_is_reported_and_the_work_runs) {
  pinning_is_refused = true;
  scheduler_options o;
  o.workers = 1;
  scheduler sched(o);
  std::atomic<bool> ran{false};
  sched.post([&] { ran = true; });
  ASSERT_TRUE(sched.drain().wait());
  pinning_is_refused = false;
  EXPECT_TRUE(ran.load());
  EXPECT_EQ(sched.stats().pinned, 0u);
  ASSERT_FALSE(sched.warnings().empty());
  EXPECT_NE(sched.warnings().back().find("not pinned"), std::string::npos);
}

TEST(faults, POOL_15_the_child_of_a_fork_is_refused_and_can_end) {
  scheduler_options o = with_workers(2);
  o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
  auto sched = std::make_unique<scheduler>(o);
  sched->post([] {});
  const pid_t child = ::fork();
  ASSERT_NE(child, -1);
  if (child == 0) {
    const bool refused = !sched->post([] {});
    const auto end = sched->drain().wait();
    const bool said_so = !end && end.error() == errc::stopped;
    sched.reset();
    ::_exit(refused && said_so ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(sched->post([] {}));  // the parent goes on
}

}  // namespace
}  // namespace pinion
