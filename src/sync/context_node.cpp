// SPDX-License-Identifier: MIT
#include "src/sync/context_node.hpp"

#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "src/sync/context_merge.hpp"

namespace pinion::detail {
namespace {

/// A context whose lock was found taken so often is waited under by many threads at once.
constexpr std::uint8_t is_crowded = 32;

/// How many leaves are marked before others get a turn at the lock: about a microsecond.
constexpr unsigned leaves_at_once = 64;

}  // namespace

cancel_node::cancel_node(context_node& from, time_point end, bool timed, error late) noexcept
    : context_node{.state = this,
                   .can_end = true,
                   .deadline = end,
                   .bindings = from.bindings,
                   .parent = &from,
                   .time = from.time,
                   .destroy = destroy_plain},
      up(of(from)),
      is(role::plain),
      merges(up != nullptr ? up->merges : 0),
      timer_is_(timed ? timer_state::none : timer_state::settled),
      why_(std::move(late)) {
  from.retain();
}

cancel_node::cancel_node(context_node& from, time_point end, role r, std::uint32_t m) noexcept
    : context_node{.state = this,
                   .can_end = true,
                   .deadline = end,
                   .bindings = from.bindings,
                   .parent = &from,
                   .time = from.time},
      up(of(from)),
      is(r),
      merges(m),
      timer_is_(timer_state::settled),
      why_(errc::ok) {
  from.retain();
}

cancel_node::~cancel_node() {
  // relaxed: nobody else is left.
  delete shards_.load(std::memory_order_relaxed);
  while (end_hook* const hook = hooks.front()) {
    hooks.remove(*hook);
    hook->settle(*hook, false);
  }
}

void cancel_node::destroy_plain(context_node& node) noexcept {
  auto& self = static_cast<cancel_node&>(node);
  self.withdraw();
  delete &self;
}

// Joining and leaving the parent.

void cancel_node::attach() noexcept {
  if (up == nullptr) return;
  std::unique_lock lock(up->waiting);
  if (!up->has_ended()) {
    up->children.push_back(*this);
    // relaxed: whoever takes it out does so under this lock.
    attached_.store(true, std::memory_order_relaxed);
    return;
  }
  lock.unlock();
  why_ = up->why_;
  // relaxed: seen to be set, under the lock. release: publishes the cause; pairs with the acquire
  // in status.
  status.store(up->status.load(std::memory_order_relaxed), std::memory_order_release);
}

void cancel_node::unlink(cancel_node& child) noexcept {
  children.remove(child);
  // release: the last touch; pairs with the acquire in detach, after which it may be freed.
  child.attached_.store(false, std::memory_order_release);
}

void cancel_node::detach() noexcept {
  leave_parent();
  if (is == role::merged) static_cast<merged_node*>(this)->leave_other();
}

void cancel_node::leave_parent() noexcept {
  // acquire: whoever took it out is done with it; pairs with the release in unlink.
  if (!attached_.load(std::memory_order_acquire)) return;
  std::lock_guard lock(up->waiting);
  // relaxed: it changes under this lock only.
  if (attached_.load(std::memory_order_relaxed)) up->unlink(*this);
}

// Ending.

bool cancel_node::cancel(errc how, const error* cause) noexcept {
  ending all;
  const marked mark = mark_done(how, cause, all);
  if (!mark.first) return false;
  if (!mark.alone) mark_descendants(all);
  detach();
  all.settle();
  return true;
}

void ending::settle() noexcept {
  woken.wake_all();
  while (end_hook* const hook = hooks.front()) {
    hooks.remove(*hook);
    hook->settle(*hook, true);
  }
}

// The waits are claimed also if it was done already, so that whoever comes second does not report
// an end that the first is still spreading.
auto cancel_node::mark_done(errc how, const error* cause, ending& all) noexcept -> marked {
  error replaced = cause != nullptr ? *cause : errc::ok;
  std::unique_lock lock(waiting);
  const marked mark{.first = !has_ended(), .alone = children.empty()};
  if (mark.first) {
    if (cause != nullptr) std::swap(why_, replaced);  // the old one goes after the lock
    // release: publishes `why` and what was done before; pairs with the acquire in status.
    status.store(how, std::memory_order_release);
    all.hooks.push_all(hooks);
  }
  waiting.claim_all(all.woken);
  // relaxed: set under this lock.
  wait_shards* const more = shards_.load(std::memory_order_relaxed);
  lock.unlock();
  if (more != nullptr) {
    for (auto& list : more->lists) {
      std::lock_guard each(list.value);
      list.value.claim_all(all.woken);
    }
  }
  if (mark.first) stop_timer();
  return mark;
}

// Depth first, without a stack: a child is held while it is walked, and the way back is its
// pointer to the parent. A child that another thread has marked is walked all the same: what is
// below it may not be marked yet.
void cancel_node::mark_descendants(ending& all) noexcept {
  cancel_node* at = this;
  for (;;) {
    cancel_node* finished = at->hold_first_child(all);
    if (finished == nullptr) {
      if (at == this) return;
      finished = at;
      at = at->up;
    } else {
      // relaxed, and without a lock: `at` is done, so both are constant.
      const errc how = at->status.load(std::memory_order_relaxed);
      const bool alone = finished->mark_done(how, &at->why_, all).alone;
      if (finished->is == role::bridge) {
        finished->mark_beyond(all);
      } else if (!alone) {
        at = finished;
        continue;
      }
    }
    finished->detach();
    finished->release();
  }
}

// The way back from what a bridge leads to is not the way in, so this one takes stack. It leads to
// what has more merges above it than the bridge: that bounds how deep it goes.
void cancel_node::mark_beyond(ending& all) noexcept {
  cancel_node* const beyond = static_cast<bridge_node*>(this)->hold_end();
  if (beyond == nullptr) return;
  // relaxed: as in mark_descendants.
  const errc how = status.load(std::memory_order_relaxed);
  if (!beyond->mark_done(how, &why_, all).alone) beyond->mark_descendants(all);
  beyond->detach();
  beyond->release();
}

// Most children are leaves: they are marked here, one after the other, under the one lock. It keeps
// them in place, so none has to be held. The others are held and walked. A child without handles
// is about to leave and has nobody below or waiting: it is let go at once.
cancel_node* cancel_node::hold_first_child(ending& all) noexcept {
  std::unique_lock lock(waiting);
  for (unsigned n = 1; cancel_node* const child = children.front(); ++n) {
    if (child->next != nullptr) child->next->prefetch();
    if (!child->mark_leaf(*this, all)) {
      if (child->try_retain()) return child;
    }
    unlink(*child);
    if (n % leaves_at_once != 0) continue;
    lock.unlock();  // others want to get in, too
    lock.lock();
  }
  return nullptr;
}

// With the lock of `above` held. That is the one place where two locks are: this one is only tried,
// and nothing is done here that could wait or run foreign code.
bool cancel_node::mark_leaf(const cancel_node& above, ending& all) noexcept {
  // relaxed: a timer that is settled stays so.
  if (is != role::plain || timer_is_.load(std::memory_order_relaxed) != timer_state::settled) {
    return false;
  }
  if (!waiting.try_lock()) return false;
  // relaxed: set under this lock.
  const bool leaf =
      children.empty() && shards_.load(std::memory_order_relaxed) == nullptr && why_.is_trivial();
  if (leaf) {
    if (!has_ended()) {
      why_ = above.why_;
      // relaxed: `above` is done, so it is constant. release: as in mark_done.
      status.store(above.status.load(std::memory_order_relaxed), std::memory_order_release);
      all.hooks.push_all(hooks);
    }
    waiting.claim_all(all.woken);
  }
  waiting.unlock();
  return leaf;
}

bool cancel_node::try_retain() noexcept {
  // relaxed: a count; what the node holds is reached under its lock.
  std::uint32_t handles = references.load(std::memory_order_relaxed);
  while (handles != 0) {
    // relaxed: as above.
    if (references.compare_exchange_weak(handles, handles + 1, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

// The deadline. The timer does not keep the node: it holds it while it fires, if it still can.

void cancel_node::start_timer() noexcept {
  timer_.when = deadline;
  timer_.owner = this;
  timer_.fire = on_time;
  if (deadline <= clock().now() || !clock().arm(timer_)) {
    cancel(errc::deadline_exceeded, nullptr);
    return;
  }
  timer_state before = timer_state::none;
  // release: whoever disarms it sees it armed; pairs with the acquire in stop_timer. acquire:
  // settled meanwhile, by the timer itself or by a cancel that left the disarming to us.
  if (!timer_is_.compare_exchange_strong(before, timer_state::armed, std::memory_order_release,
                                         std::memory_order_acquire)) {
    clock().disarm(timer_);
  }
}

void cancel_node::stop_timer() noexcept {
  // relaxed: settled is the end of it, and there is nothing to do then.
  if (timer_is_.load(std::memory_order_relaxed) == timer_state::settled) return;
  // acquire: sees it armed; pairs with the release in start_timer. release: start_timer, which
  // comes second then, disarms after this.
  if (timer_is_.exchange(timer_state::settled, std::memory_order_acq_rel) == timer_state::armed) {
    clock().disarm(timer_);
  }
}

void cancel_node::on_time(timer_node& fired) noexcept {
  cancel_node& self = *static_cast<own_timer&>(fired).owner;
  if (!self.try_retain()) return;
  // relaxed: says only that there is nothing to disarm.
  self.timer_is_.store(timer_state::settled, std::memory_order_relaxed);
  self.cancel(errc::deadline_exceeded, nullptr);
  self.release();
}

// Waiting.

wait_list* cancel_node::join(wait_link& link) noexcept {
  // acquire: sees the queues; pairs with the release in split_queue.
  wait_shards* const more = shards_.load(std::memory_order_acquire);
  wait_list& list = more != nullptr ? more->of(link) : waiting;
  const bool met_others = !list.try_lock();
  if (met_others) list.lock();
  const bool open = !has_ended();
  if (open) list.push_back(link);
  const bool crowded = more == nullptr && met_others && ++met_ == is_crowded;
  list.unlock();
  if (crowded) split_queue();
  return open ? &list : nullptr;
}

bool cancel_node::join(end_hook& hook) noexcept {
  std::lock_guard lock(waiting);
  if (has_ended()) return false;
  hooks.push_back(hook);
  return true;
}

bool cancel_node::leave(end_hook& hook) noexcept {
  std::lock_guard lock(waiting);
  if (has_ended()) return false;
  hooks.remove(hook);
  return true;
}

void cancel_node::split_queue() noexcept {
  std::unique_ptr<wait_shards> made(new (std::nothrow) wait_shards);
  std::lock_guard lock(waiting);
  // relaxed: set under this lock.
  if (shards_.load(std::memory_order_relaxed) != nullptr) return;
  // release: publishes the queues; pairs with the acquire in join. Under the lock, so that
  // whoever marks the node done afterwards finds them; one that is done gets no more waits.
  shards_.store(made.release(), std::memory_order_release);
}

}  // namespace pinion::detail
