// SPDX-License-Identifier: MIT
#include "pinion/patterns/group_count.hpp"

#include <algorithm>
#include <cassert>
#include <mutex>

namespace pinion::detail {

// The lock holds off whoever looks for the end; the word may be loose again by now.
void group_count::add_at_zero(std::size_t at) noexcept {
  const std::lock_guard lock(lock_);
  // relaxed: as in add; zero is left under the lock only.
  const std::int64_t before = words_[at].value.fetch_add(one, std::memory_order_relaxed);
  if (is_exact(before) && jobs_in(before) == 0) ++not_zero_;
}

// E1. A word that is exact and not above zero is changed under the lock only, so what is negative
// stays as it was found.
void group_count::make_exact() noexcept {
  if (exact_) return;
  exact_ = true;
  std::int64_t debt = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    // acquire: sees what was done by the jobs that ended; pairs with the release in try_remove.
    const std::int64_t found = words_[i].value.fetch_or(exact, std::memory_order_acquire);
    if (jobs_in(found) >= 0) continue;
    debt -= jobs_in(found);
    // release: what was seen of the round with the lock; pairs with the acquire in add.
    words_[i].value.store(exact, std::memory_order_release);
  }
  repay(debt);
  not_zero_ = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    // relaxed: none gets to zero any more, and what is zero was acquired above or in take_over.
    not_zero_ += jobs_in(words_[i].value.load(std::memory_order_relaxed)) != 0;
  }
}

// All words together are the number of jobs, and that is not negative: there is enough.
void group_count::repay(std::int64_t debt) noexcept {
  for (std::size_t i = 0; debt > 0 && i < size_; ++i) debt -= take_over(i, debt, false);
  assert(debt == 0);
}

// Some of what that word has, `most` at most, or half of it. None if it is zero.
std::int64_t group_count::take_over(std::size_t from, std::int64_t most, bool half) noexcept {
  word& w = words_[from].value;
  std::int64_t seen = w.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  std::int64_t taken = 0;
  do {
    taken = half ? (jobs_in(seen) + 1) / 2 : std::min(most, jobs_in(seen));
    if (taken == 0) return 0;
    // acquire: sees what was done by the jobs that ended there; pairs with the release in
    // try_remove. relaxed: again.
  } while (!w.compare_exchange_weak(seen, seen - taken * one, std::memory_order_acquire,
                                    std::memory_order_relaxed));
  return taken;
}

// The job that ends is in one of the words, and none of them gets to zero meanwhile.
void group_count::remove(std::size_t at) noexcept {
  assert(exact_);
  word& mine = words_[at].value;
  // relaxed: whether it is zero changes under the lock only.
  if (jobs_in(mine.load(std::memory_order_relaxed)) > 0) {
    // acquire: as in take_over. What this job did is published by the unlock.
    const std::int64_t before = mine.fetch_sub(one, std::memory_order_acquire);
    if (jobs_in(before) == 1) --not_zero_;
    return;
  }
  for (std::size_t i = 0; i < size_; ++i) {
    const std::int64_t taken = take_over(i, 0, true);
    if (taken == 0) continue;
    // relaxed: whether it is zero changes under the lock only.
    if (jobs_in(words_[i].value.load(std::memory_order_relaxed)) == 0) --not_zero_;
    if (taken == 1) return;
    mine.fetch_add((taken - 1) * one, std::memory_order_relaxed);  // relaxed: acquired already
    ++not_zero_;
    return;
  }
  assert(false && "a job ended that had not begun");
}

void group_count::make_loose() noexcept {
  assert(exact_ && not_zero_ == 0);
  exact_ = false;
  for (std::size_t i = 0; i < size_; ++i) {
    // release: what belongs to the round that begins; pairs with the acquire in add. Zero is left
    // under the lock only.
    words_[i].value.store(0, std::memory_order_release);
  }
}

}  // namespace pinion::detail
