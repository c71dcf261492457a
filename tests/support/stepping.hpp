// SPDX-License-Identifier: MIT
// One thread stops after its n-th instruction, and the others do what they can: for every n, so
// each place where two threads can meet is met, which no number of random runs promises.
//
//     stepped thread:  |--1--2-- ... --n|   stands still   |--n+1-- ... -->
//     the others:                       |------ between ---|
//
// It finds what a switch at the wrong moment breaks. It does not find what only a weak order of
// memory breaks: a thread that stands still has nothing under way.
#pragma once

#include <cstddef>
#include <fstream>
#include <functional>
#include <new>
#include <string>

#include "tests/support/sanitizer.hpp"
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace pinion::test {

// The thread sanitizer delivers signals when it likes; other processors do not step by themselves.
#if defined(__x86_64__) && !defined(PINION_TEST_TSAN)
inline constexpr bool can_step = true;
#else
inline constexpr bool can_step = false;
#endif

class stepper {
 public:
  /// Runs f() and, after its n-th instruction, between(). False: f() has no n instructions.
  static bool run(std::size_t n, const std::function<void()>& f,
                  const std::function<void()>& between) {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, &before);
    stepper me(n, between);
    current() = &me;
    begin();
    f();
    me.running_ = false;  // seen by the trap of the next instruction
    sigaction(SIGTRAP, &before, nullptr);
    current() = nullptr;
    return me.steps_ >= n;
  }

 private:
  stepper(std::size_t n, const std::function<void()>& between) : n_(n), between_(between) {}

  static void begin() {
#if defined(__x86_64__)
    __asm__ __volatile__("int3" ::: "memory");
#endif
  }

  static void on_trap([[maybe_unused]] int signal, [[maybe_unused]] siginfo_t* info,
                      [[maybe_unused]] void* context) {
#if defined(__x86_64__)
    constexpr greg_t trap_flag = 0x100;
    stepper* const me = current();
    auto& flags = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL];
    if (!me->running_) {
      flags &= ~trap_flag;
      return;
    }
    flags |= trap_flag;
    me->steps_ = me->steps_ + 1;
    if (me->steps_ == me->n_) me->between_();
#endif
  }

  static stepper*& current() {
    static thread_local stepper* me = nullptr;
    return me;
  }

  std::size_t n_;
  const std::function<void()>& between_;
  volatile std::size_t steps_ = 0;
  volatile bool running_ = true;
};

inline pid_t thread_id() {
  return static_cast<pid_t>(::syscall(SYS_gettid));
}

/// Is this thread of the process asleep in the kernel?
inline bool sleeps(pid_t tid) {
  std::ifstream file("/proc/self/task/" + std::to_string(tid) + "/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
}

/// A T on a page of its own, which notices who touches it after it has gone. One at a time.
template <class T>
class mortal {
 public:
  mortal() {
    page_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    object_ = new (page_) T;
    dead_page() = nullptr;
    touched() = false;
    struct sigaction action {};
    action.sa_handler = [](int) {
      touched() = true;
      if (::mprotect(dead_page(), size, PROT_READ | PROT_WRITE) != 0) ::_exit(1);  // another fault
    };
    sigaction(SIGSEGV, &action, &before_);
  }
  ~mortal() {
    sigaction(SIGSEGV, &before_, nullptr);
    ::munmap(page_, size);
  }
  mortal(const mortal&) = delete;
  mortal& operator=(const mortal&) = delete;

  T& operator*() { return *object_; }
  T* operator->() { return object_; }
  void die() {
    dead_page() = page_;
    ::mprotect(page_, size, PROT_NONE);
  }
  bool was_touched() const { return touched(); }

 private:
  static constexpr std::size_t size = 4096;
  static void*& dead_page() {
    static void* page = nullptr;
    return page;
  }
  static volatile bool& touched() {
    static volatile bool yes = false;
    return yes;
  }

  void* page_;
  T* object_;
  struct sigaction before_ {};
};

}  // namespace pinion::test
