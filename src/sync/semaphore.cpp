// SPDX-License-Identifier: MIT
#include "pinion/sync/semaphore.hpp"

#include <algorithm>
#include <cassert>
#include <mutex>
#include <stdexcept>
#include <string>

namespace pinion {

permit permit::split(std::uint64_t weight) {
  if (weight > weight_) {
    throw std::invalid_argument("permit::split: " + std::to_string(weight) + " of a weight of " +
                                std::to_string(weight_));
  }
  if (from_ == nullptr) return {};
  weight_ -= weight;
  return {*from_, weight};
}

void permit::merge(permit&& other) {
  if (&other == this || other.from_ == nullptr) return;
  if (from_ == nullptr) {
    from_ = other.from_;
  } else if (from_ != other.from_) {
    throw std::invalid_argument("permit::merge: that permit is of another semaphore");
  }
  weight_ += std::exchange(other.weight_, 0);
  other.from_ = nullptr;
}

namespace {

std::uint64_t checked(std::uint64_t permits) {
  if (permits <= semaphore::max_permits) return permits;
  throw std::invalid_argument("semaphore: " + std::to_string(permits) + " permits, must be " +
                              std::to_string(semaphore::max_permits) + " at most");
}

}  // namespace

semaphore::semaphore(std::uint64_t permits) : state_(units(checked(permits))), capacity_(permits) {}

// Who has given the last permit back in line may still have to unlock.
semaphore::~semaphore() {
  const std::lock_guard lock(line_);
  // relaxed: all who change them have returned, or changed them before the unlock.
  assert(free_in(state_.load(std::memory_order_relaxed)) ==
             static_cast<std::int64_t>(capacity_.load(std::memory_order_relaxed)) &&
         "a semaphore was destroyed while permits of it are out");
}

errc semaphore::why_not(std::uint64_t n, std::int64_t word) const noexcept {
  if ((word & closed) != 0) return errc::closed;
  // relaxed: of this moment, which another thread may change at any time.
  return n > capacity_.load(std::memory_order_relaxed) ? errc::too_large : errc::not_ready;
}

std::uint64_t semaphore::available_approx() const noexcept {
  // relaxed: a guess.
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, free_in(state_.load(std::memory_order_relaxed))));
}

// With the lock held. True: the request has ended, and says how.
bool semaphore::settle(op<permit>& o) noexcept {
  const std::uint64_t n = o.word() & amount;
  // relaxed: the CAS looks again; the lock orders what is changed under it.
  std::int64_t word = state_.load(std::memory_order_relaxed);
  for (;;) {
    if ((word & closed) != 0) return o.word() = n | is_closed, true;
    // relaxed: changed under the lock.
    if (n > capacity_.load(std::memory_order_relaxed)) return o.word() = n | is_too_large, true;
    if ((word & waiting) != 0 || !fits(n, word)) return false;
    // acquire: sees what was done before the releases; pairs with those in give and give_in_line.
    // relaxed: looks again.
    if (state_.compare_exchange_weak(word, word - units(n), std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
      return o.word() = n, true;
    }
  }
}

// With the lock held: hands out what there is while it is enough for the first in line.
void semaphore::serve(wake_chain& woken) noexcept {
  while (wait_link* const head = line_.front()) {
    auto& o = op<permit>::of(*head);
    const std::uint64_t n = o.word() & amount;
    // acquire: what was done before the release is passed on by the wake; pairs with give.
    // The mark is set, so nobody changes the word without the lock.
    if (!fits(n, state_.load(std::memory_order_acquire))) return;
    if (!line_.claim(*head)) continue;
    state_.fetch_sub(units(n), std::memory_order_relaxed);  // relaxed: taken in the load above
    o.word() = n;
    woken.add(*head->owner);
  }
  // relaxed: nothing is published; what was continues in the release sequence of the word.
  if ((state_.load(std::memory_order_relaxed) & waiting) != 0) {
    state_.fetch_and(~waiting, std::memory_order_relaxed);  // relaxed: as above
  }
}

void semaphore::give_in_line(std::uint64_t n) noexcept {
  wake_chain woken;  // outlives the lock
  const std::lock_guard lock(line_);
  // release: visible to who takes them without the lock; pairs with the acquire in try_take.
  state_.fetch_add(units(n), std::memory_order_release);
  serve(woken);
}

void semaphore::grow(std::uint64_t n) noexcept {
  wake_chain woken;
  const std::lock_guard lock(line_);
  // relaxed: changed under the lock; others only guess.
  const std::uint64_t before = capacity_.load(std::memory_order_relaxed);
  assert(n <= max_permits - before && "more permits than a semaphore can have");
  capacity_.store(before + n, std::memory_order_relaxed);
  // release: what was done before is visible to who takes them; pairs with the acquires in
  // try_take, settle and serve.
  state_.fetch_add(units(n), std::memory_order_release);
  serve(woken);
}

void semaphore::shrink(std::uint64_t n) noexcept {
  const std::lock_guard lock(line_);
  // relaxed: changed under the lock; others only guess.
  const std::uint64_t before = capacity_.load(std::memory_order_relaxed);
  const std::uint64_t fewer = std::min(n, before);
  capacity_.store(before - fewer, std::memory_order_relaxed);
  state_.fetch_sub(units(fewer), std::memory_order_relaxed);  // relaxed: publishes nothing
}

bool semaphore::close() noexcept {
  wake_chain woken;
  const std::lock_guard lock(line_);
  // relaxed: who waits learns of it by the lock, and the others owe it nothing.
  if ((state_.fetch_or(closed, std::memory_order_relaxed) & closed) != 0) return false;
  while (wait_link* const link = line_.claim_first(woken)) {
    op<permit>::of(*link).word() |= is_closed;
  }
  serve(woken);
  return true;
}

wait_list& semaphore::list_of(op<permit>& o) noexcept {
  return of(o).line_;
}

bool semaphore::try_complete(op<permit>& o) noexcept {
  return of(o).settle(o);
}

// L1: permits may have come back without the lock since try_complete. Whoever gives some after the
// mark is set comes to the line.
void semaphore::enlist(op<permit>& o, waiter& who) noexcept {
  semaphore& s = of(o);
  o.word() &= amount;
  s.line_.push_back(o.link(who));
  // relaxed: serve() acquires what was given before.
  if ((s.state_.fetch_or(waiting, std::memory_order_relaxed) & waiting) == 0) {
    s.serve(who.left_over());
  }
}

// Those behind a request that blocked them get what is there.
void semaphore::withdraw(op<permit>& o) noexcept {
  semaphore& s = of(o);
  s.line_.remove(o.link());
  s.serve(o.link().owner->left_over());
}

result<permit> semaphore::take(op<permit>& o) {
  const std::uint64_t n = o.word() & amount;
  if ((o.word() & is_closed) != 0) return errc::closed;
  if ((o.word() & is_too_large) != 0) return errc::too_large;
  return permit(of(o), n);
}

}  // namespace pinion
