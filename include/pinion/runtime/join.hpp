// SPDX-License-Identifier: MIT
// Join: several children of one task, who runs which, and how many have ended.
//
//     parent ── begin ──> child 0 ── its end claims ──> child 1 ── ... ── the last end ──> parent
//                 └─────> invitation, in a queue: who takes it out claims a child, and goes on so
//
// Each thread that runs a child takes the next one when that has ended, so children that do not
// suspend run one after the other where the parent was, without passing through a queue. One
// invitation per join lies in the queue, for whoever is free: see the protocol page on coroutines.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>

#include "pinion/platform/os.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

class context;
class scoped_context;

namespace detail {

class invitation;
class task_promise_base;

/// Lives in the parent's frame.
class join {
 public:
  /// Whose end decides: it is first(), and cancels the scope.
  enum class decided_by : std::uint8_t { failure, any_end };

  /// Makes child `which` ready to be run. Null: it cannot be, and that has been noted as its end.
  using start_function = task_promise_base* (*)(join&, std::size_t which) noexcept;

  join(start_function how, decided_by what, scoped_context* scope) noexcept
      : start_(how), scope_(scope), decided_by_(what) {}
  join(const join&) = delete;
  join& operator=(const join&) = delete;

  /// The first child, to be run by the calling thread. There is at least one.
  std::coroutine_handle<> begin(task_promise_base& parent, std::size_t count) noexcept;

  /// When all have ended: who decided, or null.
  const void* first() const noexcept {
    return first_.load(std::memory_order_relaxed);  // relaxed: ordered by the last end
  }

  /// A child has ended, and nothing of it is on the stack: what the calling thread runs next.
  std::coroutine_handle<> after_end() noexcept;
  /// The same, as a step that is left to the thread.
  static std::coroutine_handle<> go_on(void* joined) noexcept {
    return static_cast<join*>(joined)->after_end();
  }

  bool is_decided_by_any() const noexcept { return decided_by_ == decided_by::any_end; }
  /// That child, or what stands for it, has decided. False: another one was first.
  bool note_decision(const void* child) noexcept;
  /// A child that was made, or should have been: the first failure is kept, the others reported.
  void fail(const void* child, error) noexcept;

 protected:
  ~join() = default;

  const context& ctx() const noexcept { return *ctx_; }  // that of the parent
  /// In a handler: what it handles is the failure of a child that was to be made.
  void fail_to_make() noexcept;
  [[noreturn]] void raise_failure() { failure_.raise(); }

 private:
  friend class invitation;
  static constexpr std::uint64_t one_claim = std::uint64_t{1} << 32;
  static constexpr std::uint64_t one_end = 1;

  task_promise_base* start(std::size_t which) noexcept { return start_(*this, which); }
  std::coroutine_handle<> run_first(const task_promise_base& parent) noexcept;
  std::coroutine_handle<> run(std::size_t which) noexcept;
  std::coroutine_handle<> count_end() noexcept;
  void queue(std::size_t which) noexcept;

  const start_function start_;
  const context* ctx_ = nullptr;
  std::coroutine_handle<> parent_;
  std::uint32_t count_ = 0;
  std::uint32_t ends_ = 0;              // to wait for: the children's, and the invitation's
  invitation* invited_ = nullptr;       // or null: there was no memory, or there is one child
  os::atomic<std::uint64_t> state_{0};  // high half: claims of children; low half: ends
  os::atomic<const void*> first_{nullptr};
  error failure_ = errc::not_started;  // of who was first, where children are made
  scoped_context* const scope_;        // or null
  const decided_by decided_by_;
};

/// @errors    throws std::invalid_argument for more than 2^31 - 1, naming the number
std::size_t checked_count(std::size_t children);

/// Tells the error hook of an error that nobody will see, unless it says no more than that the
/// child was canceled.
void report_lost(const error&) noexcept;

}  // namespace detail
}  // namespace pinion
