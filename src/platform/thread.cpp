// SPDX-License-Identifier: MIT
#include "pinion/platform/thread.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <limits>
#include <stdexcept>

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "src/platform/cpu_mask.hpp"

namespace pinion {

namespace {

constexpr int fifo_priority_max = 99;

// While it lives, the calling thread has the mask that a new thread shall begin with: a new thread
// inherits it, so there is no moment at which a signal could find it open. Signals that arrive
// meanwhile wait and come afterwards.
class signal_mask_for_child {
 public:
  explicit signal_mask_for_child(bool block) noexcept : changed_(block) {
    if (!changed_) return;
    sigset_t mask;
    ::sigfillset(&mask);
    for (const int raised_in_the_thread :
         {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGPROF, SIGABRT, SIGSYS}) {
      ::sigdelset(&mask, raised_in_the_thread);
    }
    ::pthread_sigmask(SIG_SETMASK, &mask, &before_);
  }
  ~signal_mask_for_child() {
    if (changed_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  signal_mask_for_child(const signal_mask_for_child&) = delete;
  signal_mask_for_child& operator=(const signal_mask_for_child&) = delete;

 private:
  bool changed_;
  sigset_t before_;
};

class attributes {
 public:
  attributes() {
    if (const int e = ::pthread_attr_init(&raw_); e != 0) {
      throw std::system_error(e, std::generic_category(), "cannot start a thread");
    }
  }
  ~attributes() { ::pthread_attr_destroy(&raw_); }
  attributes(const attributes&) = delete;
  attributes& operator=(const attributes&) = delete;

  int set_stack_size(std::size_t bytes) noexcept {
    if (bytes == 0) return 0;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto least = static_cast<std::size_t>(PTHREAD_STACK_MIN);
    if (bytes > std::numeric_limits<std::size_t>::max() - page) return EINVAL;
    return ::pthread_attr_setstacksize(&raw_, (std::max(bytes, least) + page - 1) / page * page);
  }

  void set_scheduling(int policy, int priority) noexcept {
    sched_param p{};
    p.sched_priority = priority;
    ::pthread_attr_setinheritsched(&raw_, PTHREAD_EXPLICIT_SCHED);
    ::pthread_attr_setschedpolicy(&raw_, policy);
    ::pthread_attr_setschedparam(&raw_, &p);
  }

  const pthread_attr_t* raw() const noexcept { return &raw_; }

 private:
  pthread_attr_t raw_;
};

bool this_thread_is_realtime() noexcept {
  const int policy = ::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
  return policy == SCHED_FIFO || policy == SCHED_RR;
}

}  // namespace

thread::thread(const thread_options& options, std::unique_ptr<body> what) {
  if (options.fifo_priority < 0 || options.fifo_priority > fifo_priority_max) {
    throw std::invalid_argument("thread_options::fifo_priority is " +
                                std::to_string(options.fifo_priority) + ", not in 0..99");
  }
  options.name.copy(what->name, sizeof(what->name) - 1);

  attributes with;
  int failed = with.set_stack_size(options.stack_size);
  const auto create = [&] {
    if (failed == 0) failed = ::pthread_create(&id_, with.raw(), &thread::main, what.get());
  };
  if (options.fifo_priority > 0) {
    with.set_scheduling(SCHED_FIFO, options.fifo_priority);
  } else if (this_thread_is_realtime()) {
    with.set_scheduling(SCHED_OTHER, 0);
  }
  const signal_mask_for_child mask(options.block_signals);
  create();
  if (failed == EPERM && options.fifo_priority > 0) {
    fifo_refusal_ = {std::exchange(failed, 0), std::generic_category()};
    with.set_scheduling(SCHED_OTHER, 0);
    create();
  }
  if (failed != 0) {
    throw std::system_error(failed, std::generic_category(),
                            "cannot start thread '" + options.name + "'");
  }
  (void)what.release();  // main owns it
  joinable_ = true;
}

void* thread::main(void* owned_body) noexcept {
  const std::unique_ptr<body> what(static_cast<body*>(owned_body));
  if (what->name[0] != '\0') ::pthread_setname_np(::pthread_self(), what->name);
  constexpr unsigned long least_slack_ns = 1;  // zero would mean the default
  ::prctl(PR_SET_TIMERSLACK, least_slack_ns, 0UL, 0UL, 0UL);
  what->run();
  return nullptr;
}

void thread::join() noexcept {
  assert(joinable() && !is_current());
  ::pthread_join(id_, nullptr);
  joinable_ = false;
}

std::error_code pin_this_thread(std::span<const unsigned> os_cpus) noexcept {
  detail::cpu_mask mask;
  for (const unsigned cpu : os_cpus) {
    if (cpu < detail::cpu_mask::limit) mask.add(cpu);
  }
  if (mask.apply()) return {};
  return {errno, std::generic_category()};
}

std::vector<unsigned> cpus_of_this_thread() {
  detail::cpu_mask mask;
  std::vector<unsigned> cpus;
  if (!mask.read(0)) return cpus;
  cpus.reserve(mask.count());
  for (unsigned cpu = 0; cpu < detail::cpu_mask::limit; ++cpu) {
    if (mask.contains(cpu)) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace pinion
