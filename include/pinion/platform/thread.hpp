// SPDX-License-Identifier: MIT
// A thread that keeps out of the application's way.
//
// It has a name that debuggers show, leaves the application's signals to the application's own
// threads, wakes as exactly as it is asked to, and, where the system permits, runs with real-time
// priority. Making one changes nothing about the thread that makes it: its affinity, its priority
// and its signal mask are its own affair.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <pthread.h>

namespace pinion {

struct thread_options {
  std::string name = {};       // the system shows the first 15 bytes; empty: the maker's name
  std::size_t stack_size = 0;  // bytes, rounded up to what the system can do; 0: its default
  /// Only the signals that a fault, an abort or a profiler raises in the thread itself reach it.
  bool block_signals = true;
  int fifo_priority = 0;  // SCHED_FIFO, 1..99; 0: ordinary scheduling, whatever the maker has
};

/// A running thread, or none. Destroying it joins.
///
/// CPUs are inherited from the maker; timer slack is the least the system has.
class thread {
 public:
  thread() noexcept = default;

  /// Runs f() in a new thread. An exception that leaves f ends the program.
  ///
  /// A real-time priority that the system refuses is no failure: the thread runs with ordinary
  /// scheduling and fifo_refusal() tells why.
  /// @cost      one allocation and some 10 us
  /// @errors    throws std::system_error when there can be no more threads, std::invalid_argument
  ///            for a priority outside 0..99
  template <std::invocable F>
  thread(const thread_options& options, F&& f)
      : thread(options, std::unique_ptr<body>(
                            std::make_unique<body_of<std::decay_t<F>>>(std::forward<F>(f)))) {}

  thread(thread&& other) noexcept { swap(other); }
  thread& operator=(thread&& other) noexcept {
    thread(std::move(other)).swap(*this);  // joins what was here
    return *this;
  }
  ~thread() {
    if (joinable()) join();
  }

  bool joinable() const noexcept { return joinable_; }
  /// True for the thread itself: it cannot join itself.
  bool is_current() const noexcept { return joinable_ && ::pthread_equal(id_, ::pthread_self()); }

  /// @pre       joinable() && !is_current()
  /// @blocks    until f has returned
  /// @order     what the thread did is visible afterwards
  void join() noexcept;

  /// Lets it run on, with nobody to join it.
  /// @pre       joinable()
  void detach() noexcept {
    ::pthread_detach(id_);
    joinable_ = false;
  }

  /// Why there is no real-time priority although one was asked for; no error otherwise.
  std::error_code fifo_refusal() const noexcept { return fifo_refusal_; }

  /// @pre  joinable()
  pthread_t native_handle() const noexcept { return id_; }

 private:
  struct body {
    virtual ~body() = default;
    virtual void run() noexcept = 0;
    char name[16] = {};
  };
  template <class F>
  struct body_of final : body {
    explicit body_of(F&& f) : function(std::move(f)) {}
    explicit body_of(const F& f) : function(f) {}
    void run() noexcept override { function(); }
    F function;
  };

  thread(const thread_options&, std::unique_ptr<body>);
  static void* main(void* owned_body) noexcept;

  void swap(thread& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(joinable_, other.joinable_);
    std::swap(fifo_refusal_, other.fifo_refusal_);
  }

  pthread_t id_{};
  bool joinable_ = false;
  std::error_code fifo_refusal_;
};

/// Ties the calling thread to these CPUs, by OS index. Those that do not exist, or that the process
/// may not use, are left out.
/// @errors    what the system says, invalid_argument when no CPU is left: nothing has changed then
std::error_code pin_this_thread(std::span<const unsigned> os_cpus) noexcept;

/// The CPUs that the calling thread may run on, ascending; empty when the system does not say.
std::vector<unsigned> cpus_of_this_thread();

}  // namespace pinion
