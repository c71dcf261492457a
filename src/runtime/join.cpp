// SPDX-License-Identifier: MIT
#include "pinion/runtime/join.hpp"

#include <cstdint>
#include <exception>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "pinion/runtime/task.hpp"
#include "pinion/runtime/task_node.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/resumption.hpp"
#include "src/runtime/core.hpp"
#include "src/runtime/spare_frame.hpp"

namespace pinion::detail {

// Says in a queue that a join has children to run. Whoever takes it out claims one, and puts it
// back if there are more. It may lie there when the join is long over, so it is a block of its own;
// the seat of who ended its use keeps it, and lets it speak for another join right where it lies.
//
//      who runs the last child                 who has taken it out of the queue
//   R1  state: -> resting                   P1  state: -> taken
//       was armed: counts its end, keeps it     was resting: it is its keeper's
//       was taken: leaves it to P           P2  claims a child; not the last: state: taken ->
//       armed, was done: keeps it                      and into a queue again
//      who keeps it, in begin()             P3  the last, or none left: state: taken -> done
//   K1  state: resting -> armed             P4  P2 failed: counts its end, keeps it; P3: counts its
//       failed: it is in no queue any more      end, and keeps it if P3 failed, or it is R itself
//
// A thread without a seat keeps nothing: it says `revoked` in R1, and gives the block back.
class invitation final : public work_item {
 public:
  explicit invitation() noexcept : work_item{run_item, nullptr} {}

  /// One speaks for the join from here on. False: there is no memory for it.
  static bool publish(seat& here, join& of) noexcept;

  /// R1. True: its use is over, and the caller counts it.
  bool revoke() noexcept;

 private:
  enum class state : std::uint32_t { armed, taken, done, resting, revoked };

  static void run_item(work_item& item) noexcept {
    run_coroutine(static_cast<invitation&>(item).follow());
  }
  std::coroutine_handle<> follow() noexcept;
  void speak_for(join& of) noexcept {
    join_ = &of;
    of.invited_ = this;
  }
  void queue() noexcept { this_executor()->resume(*this, resume_order::at_once); }
  void keep() noexcept;
  void keep_unqueued() noexcept;
  void give_back() noexcept;

  bool change(state from, state to) noexcept {
    // acq_rel: publishes which join it is for, or that it is for none; sees the same. acquire on
    // failure: the other side is through with it.
    return state_.compare_exchange_strong(from, to, std::memory_order_acq_rel,
                                          std::memory_order_acquire);
  }

  join* join_ = nullptr;  // there while it is armed or taken
  os::atomic<state> state_{state::armed};
  invitation* next_resting_ = nullptr;
};

bool invitation::publish(seat& here, join& of) noexcept {
  invitation* one = here.resting;
  if (one != nullptr) {
    here.resting = one->next_resting_;
    one->speak_for(of);
    if (one->change(state::resting, state::armed)) {  // K1
      current.core->wake_for(&here, false);
      return true;
    }
  } else {
    try {
      one = ::new (here.take_block(lane::class_of(sizeof(invitation)))) invitation;
    } catch (const std::bad_alloc&) {
      return false;
    }
    one->speak_for(of);
  }
  one->state_.store(state::armed, std::memory_order_relaxed);  // relaxed: published by the queue
  one->queue();
  return true;
}

bool invitation::revoke() noexcept {
  const bool kept = current.place != nullptr;
  // acq_rel: as in change().
  const state before =
      state_.exchange(kept ? state::resting : state::revoked, std::memory_order_acq_rel);
  if (before == state::done) keep_unqueued();
  if (before == state::armed && kept) keep();
  return before == state::armed;
}

void invitation::keep() noexcept {
  seat* here = current.place;
  if (here == nullptr) return give_back();
  next_resting_ = here->resting;
  here->resting = this;
}

// The other side may have said `resting` of what it thought to be in a queue: then K1 would wait
// for who is to take it out.
void invitation::keep_unqueued() noexcept {
  state_.store(state::taken, std::memory_order_relaxed);  // relaxed: the other side is through
  keep();
}

void invitation::give_back() noexcept {
  current.core->own_lane().give(this, lane::class_of(sizeof(invitation)));
}

std::coroutine_handle<> invitation::follow() noexcept {
  // acq_rel: as in change().
  const state before = state_.exchange(state::taken, std::memory_order_acq_rel);  // P1
  if (before == state::revoked) give_back();
  if (before != state::armed) return {};
  join& from = *join_;
  // relaxed: what the children refer to came with the invitation.
  const std::uint64_t claims = from.state_.fetch_add(join::one_claim, std::memory_order_relaxed);
  const std::uint64_t which = claims / join::one_claim;
  if (which + 1 < from.count_) {
    if (change(state::taken, state::armed)) {  // P2; the child cannot end, so the join stays
      queue();
    } else {
      keep_unqueued();
      static_cast<void>(from.count_end());  // P4
    }
    return from.run(which);
  }
  const bool last = which + 1 == from.count_;
  if (last || !change(state::taken, state::done)) keep_unqueued();  // P3
  const std::coroutine_handle<> after = from.count_end();           // P4
  return last ? from.run(which) : after;
}

// Without an invitation each child is queued by itself, which needs no memory.
std::coroutine_handle<> join::begin(task_promise_base& parent, std::size_t count) noexcept {
  parent_ = parent.self();
  ctx_ = &parent.ctx();
  count_ = static_cast<std::uint32_t>(count);
  ends_ = count_ + 1;
  state_.store(one_claim, std::memory_order_relaxed);  // relaxed: published with the invitation
  seat* here = current.place;
  if (count > 1 && here != nullptr && this_executor() == executor_ref(*current.core) &&
      invitation::publish(*here, *this)) {
    return run_first(parent);
  }
  ends_ = count_;
  // relaxed: published with the children.
  state_.store(one_claim * count, std::memory_order_relaxed);
  for (std::size_t i = 1; i < count; ++i) queue(i);
  return run_first(parent);
}

// The parent is suspending. What could let it go on waits until it has.
std::coroutine_handle<> join::run_first(const task_promise_base& parent) noexcept {
  if (task_promise_base* child = start(0)) return child->transfer_from(parent);
  after_suspension(&join::go_on, this);
  return std::noop_coroutine();
}

void join::queue(std::size_t which) noexcept {
  if (task_promise_base* child = start(which)) {
    this_executor()->resume(child->item(), resume_order::at_once);
  } else {
    static_cast<void>(count_end());  // not the last: the first child is to come
  }
}

// A child that was claimed, and not in the suspension of another.
std::coroutine_handle<> join::run(std::size_t which) noexcept {
  task_promise_base* const child = start(which);
  return child != nullptr ? child->self() : after_end();
}

// The caller has no child that runs: when this was the last end, the join is over.
std::coroutine_handle<> join::count_end() noexcept {
  const std::coroutine_handle<> parent = parent_;
  const std::uint32_t ends = ends_;
  // acq_rel: what was done here is visible to the parent; the last one sees what the others did.
  const auto before =
      static_cast<std::uint32_t>(state_.fetch_add(one_end, std::memory_order_acq_rel));
  return before + 1 == ends ? parent : std::coroutine_handle<>();
}

bool join::note_decision(const void* child) noexcept {
  const void* nobody = nullptr;
  // relaxed: read when all have ended.
  const bool decides = first_.compare_exchange_strong(nobody, child, std::memory_order_relaxed,
                                                      std::memory_order_relaxed);
  if (decides && scope_ != nullptr) scope_->cancel();
  return decides;
}

void join::fail(const void* child, error why) noexcept {
  if (note_decision(child)) {
    failure_ = std::move(why);
  } else {
    report_lost(why);
  }
}

void join::fail_to_make() noexcept {
  fail(this, error(std::current_exception()));
}

// When nothing of the child is on the stack: as soon as it is counted, another one may let the
// parent go on, which destroys all of them. Counts it, and claims the next, in one step.
std::coroutine_handle<> join::after_end() noexcept {
  for (;;) {
    const std::coroutine_handle<> parent = parent_;
    const std::uint32_t count = count_;
    const std::uint32_t ends = ends_;
    // acq_rel: what this child did is visible to the parent; the last one sees what others did.
    const std::uint64_t before = state_.fetch_add(one_claim + one_end, std::memory_order_acq_rel);
    const std::uint64_t next = before / one_claim;
    if (next >= count) {
      if (spare.is_there()) spare.give_back();
      return static_cast<std::uint32_t>(before) + 1 == ends ? parent : std::coroutine_handle<>();
    }
    // What is claimed cannot end before it has been started here, so the join stays.
    if (next + 1 == count && invited_ != nullptr && invited_->revoke()) {
      // acq_rel: as above. Not the last end: the child is to come.
      state_.fetch_add(one_end, std::memory_order_acq_rel);
    }
    if (task_promise_base* child = start(next)) {
      if (spare.is_there()) spare.give_back();
      return child->self();
    }
  }
}

namespace {

bool is_mere_cancel(const error& e) noexcept {
  if (e.is_cancel() || e.is_timeout()) return true;
  if (e.exception() == nullptr) return false;
  try {
    std::rethrow_exception(e.exception());
  } catch (const std::system_error& thrown) {  // what a result throws
    return thrown.code() == make_error_code(errc::canceled) ||
           thrown.code() == make_error_code(errc::deadline_exceeded);
  } catch (...) {
    return false;
  }
}

}  // namespace

std::size_t checked_count(std::size_t children) {
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
  if (children > most) {
    throw std::invalid_argument("when_all: " + std::to_string(children) +
                                " children, the limit is " + std::to_string(most));
  }
  return children;
}

void report_lost(const error& e) noexcept {
  if (!is_mere_cancel(e)) report_unobserved(e, "a child of when_all or when_any");
}

}  // namespace pinion::detail
