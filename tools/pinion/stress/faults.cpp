// SPDX-License-Identifier: MIT
#include "tools/pinion/stress/faults.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <ctime>
#include <filesystem>
#include <random>
#include <system_error>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pinion/runtime/options.hpp"

namespace pinion::stress {

namespace {

void check(int failed, const char* what) {
  if (failed != 0) throw std::system_error(errno, std::generic_category(), what);
}

// From here on the system refuses to pin any thread of the process.
void refuse_pinning() {
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setaffinity, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
  check(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), "PR_SET_SECCOMP");
}

// All threads on the first CPU that there is.
void stay_on_one_cpu() {
  cpu_set_t all, one;
  check(::sched_getaffinity(0, sizeof(all), &all), "sched_getaffinity");
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  }
  check(::sched_setaffinity(0, sizeof(one), &one), "sched_setaffinity");
}

void interrupt(int) {}

// The thread stands still for a time slice or two, wherever it is.
void freeze(int) {
  const int before = errno;
  timespec some{0, 5'000'000};
  ::nanosleep(&some, nullptr);
  errno = before;
}

// Without SA_RESTART: a system call that is interrupted says so.
void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  check(::sigaction(signal, &action, nullptr), "sigaction");
}

std::vector<pid_t> threads_of_this_process() {
  std::vector<pid_t> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    const std::string name = entry.path().filename().string();
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    all.push_back(thread);
  }
  return all;
}

}  // namespace

std::vector<named> all_faults() {
  return {{"pin", "pinning is refused"},
          {"one-cpu", "all threads share one CPU"},
          {"signals", "system calls are interrupted all the time"},
          {"freeze", "threads stand still for 5 ms, anywhere"},
          {"hog", "other threads burn all CPUs"},
          {"throw", "some tasks throw"},
          {"full", "the queue has a limit, at which work is refused"}};
}

faults::faults(const std::vector<std::string>& wanted, std::uint64_t seed) : wanted_(wanted) {
  if (has("one-cpu")) stay_on_one_cpu();
  if (has("pin")) refuse_pinning();
  if (has("signals")) {
    handle(SIGUSR1, interrupt);
    threads_.emplace_back([this, seed] { send_signals(SIGUSR1, seed, 200); });
  }
  if (has("freeze")) {
    handle(SIGUSR2, freeze);
    threads_.emplace_back([this, seed] { send_signals(SIGUSR2, seed + 1, 2000); });
  }
  if (has("hog")) {
    for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
      threads_.emplace_back([this] { burn(); });
    }
  }
}

faults::~faults() {
  over_ = true;
  for (std::thread& t : threads_) t.join();
}

bool faults::has(const char* name) const {
  return std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end();
}

void faults::adapt(scheduler_options& o) const {
  // Workers keep signals away from themselves; here they are to have them.
  if (has("signals") || has("freeze")) o.block_signals = false;
  if (has("full")) {
    o.queue_limit = 1024;
    o.when_full = reject::fail;
  }
}

void faults::send_signals(int signal, std::uint64_t seed, unsigned pause_us) {
  std::minstd_rand chance(static_cast<std::minstd_rand::result_type>(seed));
  const auto me = static_cast<pid_t>(::syscall(SYS_gettid));
  while (!over_) {
    const std::vector<pid_t> all = threads_of_this_process();
    const pid_t target = all[chance() % all.size()];
    if (target != me) ::syscall(SYS_tgkill, ::getpid(), target, signal);  // it may have gone
    std::this_thread::sleep_for(std::chrono::microseconds(1 + chance() % (2 * pause_us)));
  }
}

void faults::burn() {
  while (!over_.load(std::memory_order_relaxed)) {  // relaxed: a while longer does no harm
  }
}

}  // namespace pinion::stress
