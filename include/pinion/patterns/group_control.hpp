// SPDX-License-Identifier: MIT
// The part of a task group that needs no template: who may run, what became of the jobs, and when
// a round is over.
//
//     spawn                                      a job that ends
//  S1 count it                                J1 failed? note the error; the first one cancels
//  S2 canceled? refuse it: J3                 J2 with a limit: hand in the next one in line, or
//  give S3 make its node                              the place back S4 with a limit: take a place,
//  or join     J3 count it out; the last one, with somebody waiting,
//     the line                                   closes the round
//  S5 hand it in
//
// A round is what is between two joins. Whoever brings it to its end does that under the lock, with
// nothing left to run: it makes the report, gives its outcome to all who wait, and wakes them after
// the unlock. S1 comes before S2, so that the context of the round is the same until J3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pinion/patterns/group_count.hpp"
#include "pinion/patterns/group_report.hpp"
#include "pinion/runtime/gate.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

struct group_options {
  on_error policy = on_error::cancel_siblings;
  std::size_t limit = 0;         // jobs that run at once; 0: no limit
  std::size_t keep_errors = 64;  // in the report; all are counted
};

namespace detail {

/// What a join carries: how the round ended.
struct group_outcome {
  error why = errc::ok;
  bool renew = false;             // the context of the round is done, the parent's is not
  std::vector<error> replaced{};  // of the report before; destroyed after the unlock
};

class group_control {
 public:
  using join_op = op<void, group_outcome>;

  group_control(scheduler& on, const context& parent, const group_options&);
  group_control(const group_control&) = delete;
  group_control& operator=(const group_control&) = delete;
  ~group_control();

  // --- For who spawns.

  void begin() noexcept { count_.add(here()); }                 // S1
  bool is_canceled() const noexcept { return ctx_.is_done(); }  // S2; after S1
  void refuse(errc why) noexcept;                               // S2: it has not started; with J3
  void undo() noexcept { finish(here()); }                      // as if it had not begun
  bool may_start(task_node& n) noexcept { return limit_ == 0 || take_place(n); }  // S4
  scheduler_core& core() const noexcept { return core_; }

  // --- For jobs.

  void succeeded(task_node& n) noexcept { end(n, &ledger::succeeded); }
  void not_started(task_node& n) noexcept { end(n, &ledger::not_started); }
  void failed(task_node&, error) noexcept;

  // --- For everybody.

  join_op join(const context* ctx) noexcept { return {joining, this, ctx}; }
  const context& ctx() const noexcept { return ctx_; }
  bool cancel(const error& cause) noexcept;
  group_report report() const;
  void end_for_good() noexcept;

 private:
  /// What one worker saw; the last one is shared by all other threads.
  struct alignas(cache_line_size) ledger {
    os::atomic<std::uint64_t> succeeded{0};
    os::atomic<std::uint64_t> canceled{0};
    os::atomic<std::uint64_t> not_started{0};
  };
  using kind = os::atomic<std::uint64_t> ledger::*;

  std::size_t here() const noexcept { return scheduler_.this_worker().value_or(workers_); }
  void note(std::size_t at, kind) noexcept;
  void end(task_node& n, kind what) noexcept {
    if (limit_ != 0) pass_on(n);  // J2
    const std::size_t at = here();
    note(at, what);
    finish(at);
  }
  void finish(std::size_t at) noexcept {  // J3
    if (!count_.try_remove(at)) finish_slowly(at);
  }
  void finish_slowly(std::size_t at) noexcept;

  bool take_place(task_node&) noexcept;
  void pass_on(task_node&) noexcept;
  task_node* next_in_line() noexcept;
  bool hand_in(task_node&) noexcept;

  bool is_of_context(const error&) const noexcept;
  bool keep(const error&) noexcept;
  bool make_room(std::vector<error>& more) noexcept;
  void close_round(group_outcome&) noexcept;
  void renew() noexcept;
  void install(std::optional<scoped_context>& old) noexcept;

  static group_control& of(join_op& o) noexcept { return *static_cast<group_control*>(o.object()); }
  static wait_list& list_of(join_op&) noexcept;
  static bool try_complete(join_op&) noexcept;
  static void enlist(join_op&, waiter&) noexcept;
  static void withdraw(join_op&) noexcept;
  static result<> take(join_op&);
  static constexpr join_op::verb joining{.list = &list_of,
                                         .try_complete = &try_complete,
                                         .enlist = &enlist,
                                         .withdraw = &withdraw,
                                         .take = &take};

  // Constant.
  scheduler& scheduler_;
  scheduler_core& core_;
  const context parent_;
  const bool cancel_siblings_;
  const std::size_t limit_;
  const std::size_t keep_errors_;
  const std::size_t workers_;

  scoped_context ctx_;  // given to each job; another one after a round that was canceled
  const std::unique_ptr<ledger[]> ledgers_;
  mutable wait_list waiting_;  // who joins; its lock is that of all below
  group_count count_;

  std::size_t running_ = 0;  // with a limit
  task_node* first_in_line_ = nullptr;
  task_node* last_in_line_ = nullptr;

  error first_error_ = errc::ok;
  errc refusal_ = errc::ok;  // by the scheduler
  std::uint64_t failed_ = 0;
  std::vector<error> errors_;
  group_report report_;                  // of the last round
  bool renewal_due_ = false;             // it was canceled, and nobody has seen to it yet
  std::optional<scoped_context> spare_;  // for when nobody has a job in this one any more

  bool ends_for_good_ = false;
};

}  // namespace detail
}  // namespace pinion
