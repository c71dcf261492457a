// SPDX-License-Identifier: MIT
// The one thing `sync` knows about whoever runs code: it can be handed a piece of work.
//
// A scheduler is an executor. Primitives resume what waited by posting it, and tell the executor
// before they put one of its threads to sleep:
//
//     worker thread:    executor_scope(scheduler)      "this thread runs code of mine"
//     a wait in there:  this_executor()                finds it again
//                       blocking_scope                 lends the core while the thread sleeps
//
// A thread of nobody has an executor too: one that only blocks and keeps time.
//
// Work that suspends is counted by its executor from its start to its end. While it is counted the
// executor does not end, and resuming it can neither be refused nor fail.
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

namespace pinion {

class error;
class time_source;

/// Intrusive piece of work; the poster keeps it alive until it ran or was dropped.
struct work_item {
  void (*run)(work_item&) noexcept = nullptr;
  work_item* next = nullptr;
  /// Instead of run, when an executor gives up what it has accepted. Null: it is run all the same.
  void (*drop)(work_item&) noexcept = nullptr;
};

/// Where work that goes on stands among what its executor has to do.
enum class resume_order : std::uint8_t {
  next,     // right after what the calling thread runs, which is likely to end or suspend soon
  in_line,  // behind what is queued; the calling thread comes to it, and wakes nobody for it
  at_once,  // behind what is queued; if a thread is idle, it is woken for it
};

class executor {
 public:
  /// False: stopped, and the item still belongs to the caller.
  /// @threads   any
  /// @blocks    never; never runs the item inside the call
  /// @order     what was done before post() is visible to the item
  /// @lifetime  the executor may be gone as soon as the item has run
  virtual bool post(work_item&) noexcept = 0;

  /// Counts a piece of work as live until end_live(). False: no new work is taken.
  /// @threads   any
  virtual bool begin_live() noexcept { return true; }
  /// @threads   one of the executor's
  virtual void end_live() noexcept {}

  /// As post(), for what belongs to live work: it is always taken. Unless `at_once`, it may wait
  /// for a moment until the calling thread is through with what it runs.
  virtual void resume(work_item&, resume_order) noexcept;

  /// Brackets a real block of the calling thread. A scheduler lends the core of the worker
  /// to a spare thread in between, so a pool whose workers all wait still makes progress.
  /// @threads   a thread whose this_executor() it is
  virtual void begin_blocking() noexcept {}
  virtual void end_blocking() noexcept {}

  /// Hears of an error that nobody fetches. `where` lives on.
  virtual void unobserved(const error&, const char* where) noexcept;

  /// The clock and the timers of what runs here.
  virtual time_source& time() noexcept = 0;

 protected:
  ~executor() = default;
};

/// Non-owning, never null, one word.
class executor_ref {
 public:
  executor_ref(executor& e) noexcept : executor_(&e) {}
  executor* operator->() const noexcept { return executor_; }
  bool operator==(const executor_ref&) const noexcept = default;

 private:
  executor* executor_;
};

/// Whose thread this is; on a thread of nobody, one that only blocks and keeps time (it refuses
/// every post).
executor_ref this_executor() noexcept;

/// Says whose code this thread runs, until the end of scope; then it is as before.
class [[nodiscard]] executor_scope {
 public:
  explicit executor_scope(executor_ref) noexcept;
  executor_scope(const executor_scope&) = delete;
  executor_scope& operator=(const executor_scope&) = delete;
  ~executor_scope();

 private:
  executor* previous_;
};

/// The calling thread does not use its core until the end of scope.
class [[nodiscard]] blocking_scope {
 public:
  blocking_scope() noexcept : executor_(this_executor()) { executor_->begin_blocking(); }
  blocking_scope(const blocking_scope&) = delete;
  blocking_scope& operator=(const blocking_scope&) = delete;
  ~blocking_scope() { executor_->end_blocking(); }

 private:
  executor_ref executor_;
};

/// Runs a foreign call that blocks (a read, a lock, a library) without losing the core.
template <class F>
auto blocking(F&& f) -> std::invoke_result_t<F> {
  blocking_scope asleep;
  return std::invoke(std::forward<F>(f));
}

}  // namespace pinion
