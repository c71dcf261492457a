// SPDX-License-Identifier: MIT
// The part of a fan-out that needs no template: who may run, who waits, and when it is over.
//
//     runner                                     the one who reads the results
//  R1 a credit: the right to fill one slot     C1 the slot at `head` is ready? take it
//  R2 the next input; none left: leave         C2 empty its slot, give its credit back
//  R3 the call                                 C3 somebody may run again? start a runner
//  R4 its slot: `ready`; was it `awaited`?     C4 the next slot is not ready: `awaited`, sleep
//     then wake the reader
//
// A runner is a task that makes one call after the other. There are never more of them than calls
// allowed at once, and none of them ever waits: without a credit it leaves.
//
// Invariants
//   1  credits + slots that are claimed or ready == buffer. So a runner with a credit finds its
//      slot empty, and R4 cannot fail.
//   2  While half of the credits are free and inputs are left, or the reader has nothing to take,
//      as many run as may. Credits and the number of runners are one word: a runner leaves by a
//      CAS that finds no credit, and C3 sees that it is gone; or the credit came before, and the
//      CAS fails.
//   3  Whoever is the last to leave when nothing is left to start closes the word in the same CAS
//      and puts `ended` into the slot behind the last result: once, and nobody starts after it.
//
// The reader's sleep (C4) and R4 change one word, the slot's state, by read-modify-writes:
//   R4 first: C4 finds it ready, and does not sleep.
//   C4 first: R4 finds it awaited, and wakes the reader.
// There is no third case. The protocol page on fan-out has the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "pinion/patterns/group_report.hpp"
#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion {

enum class order { as_completed, as_submitted };

struct fan_options {
  std::size_t concurrency = 0;  // calls at once; 0: as many as workers
  std::size_t buffer = 0;       // calls started and results not yet taken, together; 0: twice the
                                // concurrency, and 64 at least unless in order. Never less than
                                // the concurrency. For calls of a few ns: some thousands
  pinion::order order = pinion::order::as_completed;
  on_error policy = on_error::keep_going;
};

namespace detail {

/// What a slot holds. From `value` on it is the reader's.
enum class fan_slot : std::uint8_t { empty, awaited, value, failed, canceled, ended };

class fan_runner;

class fan_control {
 public:
  /// @errors    throws std::invalid_argument when an option is out of range
  fan_control(scheduler& on, const context& parent, const fan_options&);
  fan_control(const fan_control&) = delete;
  fan_control& operator=(const fan_control&) = delete;

  // --- For the one who reads.

  void start() { give_back(buffer_, true); }  // once: until then there are no credits
  /// C2, C3. Unless the reader has `caught_up`, runners start again when half of the slots are
  /// free: then there is something to do for each of them.
  void give_back(std::uint32_t credits, bool caught_up);
  bool cancel(const error& cause) noexcept { return ctx_.cancel(cause); }

  wait_list waiting;           // the reader, while it waits
  std::uint64_t awaited_ = 0;  // where it waits; guarded by `waiting`

  // --- For runners.

  /// R1. Some credits, `want` at most; 0: there is none, and this runner has left.
  std::uint32_t take_credits(std::uint32_t want) noexcept;
  /// The end of a runner, with what it has left. `given_up`: it never began.
  void leave(std::uint32_t credits, bool given_up) noexcept;
  /// Nothing is to be started any more.
  bool canceled() const noexcept { return ctx_.is_done() || root_.is_done(); }
  /// Lets other tasks of the worker have their turn. True: somebody else goes on with this.
  bool pass_on() noexcept;
  /// Makes calls until it leaves.
  virtual void run() noexcept = 0;

 protected:
  ~fan_control() = default;

  /// How many inputs were claimed; how many are left, ~0 if that is not known.
  virtual std::uint64_t inputs_claimed() const noexcept = 0;
  virtual std::uint64_t inputs_left() const noexcept = 0;
  virtual os::atomic<fan_slot>& state_at(std::uint64_t position) noexcept = 0;

  void wake_reader(std::uint64_t position) noexcept;
  fan_slot kind_of(const error&) noexcept;

  // Constant.
  scheduler& scheduler_;
  const context& root_;
  const std::uint32_t concurrency_;
  const std::uint32_t buffer_;
  const bool in_order_;
  const bool cancel_siblings_;

  scoped_context ctx_;  // given to each call

  // Contended: every runner, once for some calls.
  static constexpr std::uint64_t one_runner = std::uint64_t{1} << 32;
  static constexpr std::uint64_t closed = std::uint64_t{1} << 63;
  alignas(cache_line_size) os::atomic<std::uint64_t> word_{0};  // closed | runners:31 | credits:32

  // Contended: every runner, once a call, unless in order.
  alignas(cache_line_size) os::atomic<std::uint64_t> next_ticket_{0};

 private:
  static std::uint32_t credits_in(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word);
  }
  static std::uint32_t runners_in(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>((word & ~closed) >> 32);
  }
  bool over() const noexcept { return inputs_left() == 0 || canceled(); }
  bool start_runner() noexcept;
  bool post(fan_runner&) noexcept;
  void end() noexcept;
};

/// A runner on its way to a worker. Dropped before it ran, it leaves all the same.
class fan_runner {
 public:
  explicit fan_runner(fan_control& of) noexcept : of_(&of) {}
  fan_runner(fan_runner&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  fan_runner& operator=(fan_runner&&) = delete;
  ~fan_runner() {
    if (of_ != nullptr) of_->leave(0, true);
  }

  void operator()() noexcept { std::exchange(of_, nullptr)->run(); }
  void forget() noexcept { of_ = nullptr; }

 private:
  fan_control* of_;
};

}  // namespace detail
}  // namespace pinion
