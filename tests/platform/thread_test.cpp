// SPDX-License-Identifier: MIT
// A thread gets what was asked for, says what it could not get, and leaves its maker alone.
#include "pinion/platform/thread.hpp"

#include <atomic>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/support/refusal.hpp"
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace {

// What the system's thread creation answers, when it is not asked.
std::atomic<int> creation_fails_with{0};
std::atomic<bool> realtime_refused{false};

bool asks_for_realtime(const pthread_attr_t* attributes) {
  int inherited = PTHREAD_INHERIT_SCHED;
  int policy = SCHED_OTHER;
  if (attributes == nullptr) return false;
  pthread_attr_getinheritsched(attributes, &inherited);
  pthread_attr_getschedpolicy(attributes, &policy);
  return inherited == PTHREAD_EXPLICIT_SCHED && policy == SCHED_FIFO;
}

}  // namespace

extern "C" int pthread_create(pthread_t* id, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) noexcept {
  using create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<create>(dlsym(RTLD_NEXT, "pthread_create"));
  if (const int e = creation_fails_with.load()) return e;
  if (realtime_refused.load() && asks_for_realtime(attributes)) return EPERM;
  return real(id, attributes, start, argument);
}

namespace {

using pinion::thread;
using pinion::thread_options;

static_assert(!std::is_copy_constructible_v<thread>);
static_assert(std::is_nothrow_move_constructible_v<thread>);
static_assert(std::is_nothrow_default_constructible_v<thread>);

sigset_t mask_of_this_thread() {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return mask;
}

bool equal(const sigset_t& a, const sigset_t& b) {
  for (int s = 1; s <= SIGRTMAX; ++s) {
    if (sigismember(&a, s) != sigismember(&b, s)) return false;
  }
  return true;
}

TEST(thread, runs_what_it_is_given_and_joins) {
  int ran = 0;
  thread t({}, [&] { ++ran; });
  EXPECT_TRUE(t.joinable());
  EXPECT_FALSE(t.is_current());
  t.join();
  EXPECT_FALSE(t.joinable());
  EXPECT_EQ(ran, 1);
}

TEST(thread, joins_when_destroyed_or_replaced) {
  int ran = 0;
  {
    thread t({}, [&] { ++ran; });
  }
  EXPECT_EQ(ran, 1);
  thread t({}, [&] { ++ran; });
  t = thread({}, [] {});
  EXPECT_EQ(ran, 2);
  EXPECT_TRUE(t.joinable());
  t = thread();
  EXPECT_FALSE(t.joinable());
}

TEST(thread, moves) {
  thread a({}, [] {});
  thread b(std::move(a));
  EXPECT_FALSE(a.joinable());
  EXPECT_TRUE(b.joinable());
}

TEST(thread, takes_callables_that_only_move) {
  auto owned = std::make_unique<int>(20);
  int seen = 0;
  thread({}, [&seen, owned = std::move(owned)] { seen = *owned + 1; }).join();
  EXPECT_EQ(seen, 21);
}

TEST(thread, callable_is_destroyed_before_join_returns) {
  auto watched = std::make_shared<int>(0);
  thread({}, [watched] {}).join();
  EXPECT_EQ(watched.use_count(), 1);
}

TEST(thread, is_current_inside_itself) {
  std::atomic<bool> made{false};
  bool current = false;
  thread t;
  t = thread({}, [&] {
    while (!made.load()) sched_yield();
    current = t.is_current();
  });
  made.store(true);
  t.join();
  EXPECT_TRUE(current);
}

std::string name_inside(const std::string& wanted) {
  char name[16] = {};
  thread({.name = wanted}, [&] { pthread_getname_np(pthread_self(), name, sizeof name); }).join();
  return name;
}

TEST(thread, has_the_first_15_bytes_of_its_name) {
  EXPECT_EQ(name_inside("pinion-w07"), "pinion-w07");
  EXPECT_EQ(name_inside("exactly-15-long"), "exactly-15-long");
  EXPECT_EQ(name_inside("a name that is much too long"), "a name that is ");
}

std::size_t stack_inside(std::size_t wanted) {
  std::size_t size = 0;
  thread({.stack_size = wanted}, [&] {
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &size);
    pthread_attr_destroy(&attributes);
  }).join();
  return size;
}

TEST(thread, has_the_stack_it_asked_for) {
  // More than the default, because the system may lend a larger stack of an earlier thread.
  constexpr std::size_t size = std::size_t{32} << 20;
  EXPECT_GE(stack_inside(size), size);
  EXPECT_GE(stack_inside(size + 1), size + 1);  // not a multiple of a page
  EXPECT_GT(stack_inside(1), 0u);               // less than the system can do
}

TEST(thread, impossible_stack_is_an_error_and_not_a_smaller_one) {
  EXPECT_THROW(thread({.stack_size = ~std::size_t{0}}, [] {}), std::system_error);
  EXPECT_THROW(thread({.stack_size = ~std::size_t{0} / 4}, [] {}), std::system_error);
}

TEST(thread, blocks_all_signals_but_those_raised_in_it) {
  sigset_t inside;
  thread({}, [&] { inside = mask_of_this_thread(); }).join();
  for (const int open : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGPROF, SIGABRT, SIGSYS}) {
    EXPECT_EQ(sigismember(&inside, open), 0) << strsignal(open);
  }
  for (const int blocked : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGPIPE,
                            SIGQUIT, SIGWINCH, SIGRTMIN, SIGRTMAX}) {
    EXPECT_EQ(sigismember(&inside, blocked), 1) << strsignal(blocked);
  }
}

TEST(thread, inherits_the_mask_when_told_so) {
  sigset_t inside;
  thread({.block_signals = false}, [&] { inside = mask_of_this_thread(); }).join();
  EXPECT_TRUE(equal(inside, mask_of_this_thread()));
}

pid_t allowed_to_handle = 0;
std::atomic<int> handled_elsewhere{0};

// Goal: a signal to the process never runs its handler in a new thread, however young it is.
// Method: another process sends signals while threads come and go.
// Finds: a mask that the new thread sets itself.
TEST(thread, never_handles_a_signal_of_the_process) {
  allowed_to_handle = gettid();
  handled_elsewhere = 0;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) {
    if (gettid() != allowed_to_handle) ++handled_elsewhere;
  };
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, &before);
  const pid_t target = getpid();
  const pid_t sender = fork();
  if (sender == 0) {
    while (kill(target, SIGUSR1) == 0 && getppid() == target) sched_yield();
    _exit(0);
  }
  for (int i = 0; i < 500; ++i) thread({}, [] {});
  kill(sender, SIGKILL);
  siginfo_t ended;
  waitid(P_PID, static_cast<id_t>(sender), &ended, WEXITED);
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(handled_elsewhere, 0);
}

// A mask that no earlier test has left behind.
void set_fresh_mask() {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

struct own_state {
  sigset_t signals = mask_of_this_thread();
  std::vector<unsigned> cpus = pinion::cpus_of_this_thread();
  int policy = sched_getscheduler(0);
  int slack = prctl(PR_GET_TIMERSLACK);
  void expect_unchanged() const {
    const own_state now;
    EXPECT_TRUE(equal(signals, now.signals));
    EXPECT_EQ(cpus, now.cpus);
    EXPECT_EQ(policy, now.policy);
    EXPECT_EQ(slack, now.slack);
  }
};

TEST(thread, leaves_its_maker_alone) {
  set_fresh_mask();
  const own_state before;
  thread({.fifo_priority = 1}, [] {
    const unsigned cpu[] = {pinion::cpus_of_this_thread().front()};
    EXPECT_FALSE(pinion::pin_this_thread(cpu));
  }).join();
  before.expect_unchanged();
}

// Finds: a mask that is not given back when the creation fails.
TEST(thread, failing_creation_throws_and_leaves_its_maker_alone) {
  set_fresh_mask();
  const own_state before;
  auto watched = std::make_shared<int>(0);
  creation_fails_with = EAGAIN;
  try {
    thread t({.name = "worker"}, [watched] {});
    ADD_FAILURE() << "no exception";
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::resource_unavailable_try_again);
    EXPECT_NE(std::string(e.what()).find("'worker'"), std::string::npos) << e.what();
  }
  creation_fails_with = 0;
  EXPECT_EQ(watched.use_count(), 1);
  before.expect_unchanged();
}

TEST(thread, wakes_as_exactly_as_it_asks_to) {
  int slack = 0;
  thread({}, [&] { slack = prctl(PR_GET_TIMERSLACK); }).join();
  EXPECT_EQ(slack, 1);
}

TEST(thread, refused_priority_is_reported_and_the_thread_runs) {
  realtime_refused = true;
  int policy = -1;
  thread t({.fifo_priority = 10}, [&] { policy = sched_getscheduler(0); });
  realtime_refused = false;
  EXPECT_EQ(t.fifo_refusal(), std::errc::operation_not_permitted);
  t.join();
  EXPECT_EQ(policy, SCHED_OTHER);
}

TEST(thread, has_the_priority_it_was_granted) {
  int policy = -1;
  sched_param parameters{};
  thread t({.fifo_priority = 10},
           [&] { pthread_getschedparam(pthread_self(), &policy, &parameters); });
  const auto refusal = t.fifo_refusal();
  t.join();
  if (refusal) GTEST_SKIP() << refusal.message();
  EXPECT_EQ(policy, SCHED_FIFO);
  EXPECT_EQ(parameters.sched_priority, 10);
}

// A real-time thread of the application that makes a pool does not make a real-time pool.
TEST(thread, does_not_inherit_real_time_priority) {
  int policy = -1;
  thread outer({.fifo_priority = 10},
               [&] { thread({}, [&] { policy = sched_getscheduler(0); }).join(); });
  const auto refusal = outer.fifo_refusal();
  outer.join();
  EXPECT_EQ(policy, SCHED_OTHER);
  if (refusal) GTEST_SKIP() << refusal.message();
}

TEST(thread, priority_out_of_range_is_an_error) {
  for (const int priority : {-1, 100}) {
    EXPECT_EQ(pinion::test::refusal_of([&] { thread t({.fifo_priority = priority}, [] {}); }),
              "thread_options::fifo_priority is " + std::to_string(priority) + ", not in 0..99");
  }
}

TEST(thread, pins_itself_to_one_cpu) {
  const auto all = pinion::cpus_of_this_thread();
  ASSERT_FALSE(all.empty());
  thread({}, [&] {
    for (const unsigned cpu : all) {
      ASSERT_FALSE(pinion::pin_this_thread({&cpu, 1}));
      EXPECT_EQ(pinion::cpus_of_this_thread(), std::vector<unsigned>{cpu});
      EXPECT_EQ(sched_getcpu(), static_cast<int>(cpu));
    }
    EXPECT_FALSE(pinion::pin_this_thread(all));
    EXPECT_EQ(pinion::cpus_of_this_thread(), all);
  }).join();
}

TEST(thread, pinning_to_nothing_is_refused_and_changes_nothing) {
  const auto before = pinion::cpus_of_this_thread();
  EXPECT_EQ(pinion::pin_this_thread({}), std::errc::invalid_argument);
  const unsigned nowhere[] = {65'535, 65'536, ~0U};
  EXPECT_EQ(pinion::pin_this_thread(nowhere), std::errc::invalid_argument);
  EXPECT_EQ(pinion::cpus_of_this_thread(), before);
}

}  // namespace
