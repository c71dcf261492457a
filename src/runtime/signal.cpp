// SPDX-License-Identifier: MIT
#include "pinion/runtime/signal.hpp"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pinion/platform/short_lock.hpp"
#include "pinion/platform/thread.hpp"

namespace pinion {

namespace detail {

struct signal_registration {
  signal_registration(const context& parent, const sigset_t& which)
      : ends(with_cancel(parent)), signals(which) {}

  scoped_context ends;
  sigset_t signals;
  sigset_t found_open;      // which of them the calling thread had not blocked
  std::uint64_t heard = 0;  // the last arrival that it was told of; under the lock of the watch
};

}  // namespace detail

namespace {

using detail::signal_registration;

class signal_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "signal"; }
  std::string message(int number) const override { return "signal " + std::to_string(number); }
};

const std::error_category& signal_errors() noexcept {
  static const signal_category& one = *new signal_category;  // outlives every error
  return one;
}

// Who waits for which signals, and the thread that receives them through a file: its set can be
// changed while the thread sleeps on it. Never destroyed.
//
// The child of a fork has no such thread. There, what was waited for is open again and does what
// it does by default, until the child waits for it itself.
class signal_watch {
 public:
  // Of the context, of the list, and of the thread while it cancels.
  using registration = std::shared_ptr<signal_registration>;

  static signal_watch& instance() {
    static signal_watch& one = make();
    return one;
  }

  void add(const registration& r) {
    const std::lock_guard lock(lock_);
    all_.reserve(all_.size() + 1);
    start();
    r->heard = arrivals_;
    all_.push_back(r);
    watch_all();
  }

  // Afterwards the thread tells it of no other signal. It may still be at one.
  void remove(const registration& r, sigset_t& no_longer_watched) noexcept {
    const std::lock_guard lock(lock_);
    std::erase(all_, r);
    sigemptyset(&no_longer_watched);
    for (int n = 1; n < NSIG; ++n) {
      if (sigismember(&r->found_open, n) == 1 && !is_watched(n)) sigaddset(&no_longer_watched, n);
    }
    watch_all();
  }

 private:
  static signal_watch& make() {
    auto watch = std::make_unique<signal_watch>();
    const int refused =
        ::pthread_atfork([] { instance().lock_.lock(); }, [] { instance().lock_.unlock(); },
                         [] { instance().begin_anew(); });
    if (refused != 0) throw std::system_error(refused, std::generic_category(), "pthread_atfork");
    return *watch.release();
  }

  // In the child of a fork, under the lock.
  void begin_anew() noexcept {
    sigset_t open_again;
    sigemptyset(&open_again);
    for (const registration& r : all_) sigorset(&open_again, &open_again, &r->found_open);
    all_.clear();
    if (file_ >= 0) ::close(std::exchange(file_, -1));
    lock_.unlock();
    ::pthread_sigmask(SIG_UNBLOCK, &open_again, nullptr);
  }

  // Under the lock.
  void start() {
    if (file_ >= 0) return;
    sigset_t none;
    sigemptyset(&none);
    const int file = ::signalfd(-1, &none, SFD_CLOEXEC | SFD_NONBLOCK);
    if (file < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
    try {
      thread({.name = "pinion-signal"}, [file] { instance().receive(file); }).detach();
    } catch (...) {
      ::close(file);
      throw;
    }
    file_ = file;
  }

  // Under the lock.
  bool is_watched(int number) const noexcept {
    for (const registration& r : all_) {
      if (sigismember(&r->signals, number) == 1) return true;
    }
    return false;
  }

  // Under the lock.
  void watch_all() noexcept {
    if (file_ < 0) return;  // the child of a fork
    sigset_t all;
    sigemptyset(&all);
    for (int n = 1; n < NSIG; ++n) {
      if (is_watched(n)) sigaddset(&all, n);
    }
    // The system call itself: to ThreadSanitizer the function means that the file is made anew.
    ::syscall(SYS_signalfd4, file_, &all, NSIG / 8, 0);
  }

  void receive(int file) noexcept {
    for (;;) {
      pollfd what{file, POLLIN, 0};
      ::poll(&what, 1, -1);
      signalfd_siginfo came;
      while (::read(file, &came, sizeof(came)) == static_cast<ssize_t>(sizeof(came))) {
        cancel_all(static_cast<int>(came.ssi_signo));
      }
    }
  }

  // Without the lock: what is told of the end may make such contexts and destroy them, this one
  // too.
  void cancel_all(int number) noexcept {
    const error why(errc::canceled, std::error_code(number, signal_errors()));
    {
      const std::lock_guard lock(lock_);
      ++arrivals_;
    }
    while (const registration r = next_to_hear(number)) r->ends.cancel(why);
    // A context that was destroyed in here has given its signals back, to this thread.
    sigset_t every;
    sigfillset(&every);
    ::pthread_sigmask(SIG_SETMASK, &every, nullptr);
  }

  // Null: all have heard of this arrival that were there when it came.
  registration next_to_hear(int number) noexcept {
    const std::lock_guard lock(lock_);
    for (const registration& r : all_) {
      if (r->heard == arrivals_ || sigismember(&r->signals, number) != 1) continue;
      r->heard = arrivals_;
      return r;
    }
    return nullptr;
  }

  short_lock lock_;  // around the rest
  std::vector<registration> all_;
  std::uint64_t arrivals_ = 0;  // of signals, so far
  int file_ = -1;
};

sigset_t checked_set(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int n : signals) {
    if (n == SIGKILL || n == SIGSTOP || sigaddset(&set, n) != 0) {
      throw std::invalid_argument("with_signals: " + std::to_string(n) +
                                  " is not a signal that can be waited for");
    }
  }
  return set;
}

}  // namespace

signal_context with_signals(const context& parent, std::initializer_list<int> signals) {
  const sigset_t set = checked_set(signals);
  auto registration = std::make_shared<signal_registration>(parent, set);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &set, &before);
  sigemptyset(&registration->found_open);
  for (const int n : signals) {
    if (sigismember(&before, n) == 0) sigaddset(&registration->found_open, n);
  }
  try {
    signal_watch::instance().add(registration);
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  return signal_context(std::move(registration));
}

signal_context::signal_context(std::shared_ptr<detail::signal_registration> r) noexcept
    : context(static_cast<const context&>(r->ends)), registration_(std::move(r)) {}

signal_context::signal_context(signal_context&&) noexcept = default;

signal_context::~signal_context() {
  if (registration_ == nullptr) return;
  sigset_t open_again;
  signal_watch::instance().remove(registration_, open_again);
  ::pthread_sigmask(SIG_UNBLOCK, &open_again, nullptr);
  registration_->ends.cancel();  // the thread that cancels may have it for a moment longer
}

bool signal_context::cancel(error cause) noexcept {
  return registration_ != nullptr && registration_->ends.cancel(cause);
}

}  // namespace pinion
