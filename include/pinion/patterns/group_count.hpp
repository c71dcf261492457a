// SPDX-License-Identifier: MIT
// How many jobs of a group have not ended: one word a worker, so that a job costs no line that
// other cores write.
//
//     word of a worker:  | jobs begun less jobs ended by it, may be negative | exact |
//
//     somebody begins or ends a job         somebody wants to see the end, with the lock held
//  B1 not exact: add or subtract: CAS    E1 make all words exact; what is negative is taken from
//  B2 exact: the same, unless that           those that are not
//     touches zero; then lock, and       E2 count the words that are not zero; none: all have ended
//     look again                         E3 else sleep; B2 tells when the last one gets to zero
//
// Until somebody asks, the words only add up to the number of jobs. Once they are exact, none is
// negative and none gets to zero or leaves it without the lock. So with the lock held the words
// that are zero stay zero, and the others stay above it: all of them are zero exactly when no job
// is left, and whoever ends the last one finds that out. Who ends a job at a word that is zero
// takes the half of another word over first; so a worker that only ends jobs of another one locks
// once for many of them.
//
// E1 and B1 are read-modify-writes of the same word: either E1 finds what B1 did, or B1 fails and
// finds the mark.
//
// Whoever has begun a job may look at what belongs to the round (its context): a round ends under
// the lock with no job left, and a job begins with a word that was written after that, or with the
// lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion::detail {

class group_count {
 public:
  /// @errors    throws std::bad_alloc
  group_count(wait_list& lock, std::size_t words)
      : lock_(lock), size_(words), words_(new padded_word[words]) {}
  group_count(const group_count&) = delete;
  group_count& operator=(const group_count&) = delete;

  /// One job more.
  /// @order     sees what was done before make_loose() began the round that the job is in
  void add(std::size_t at) noexcept {
    std::int64_t seen =
        words_[at].value.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    while (!is_exact(seen) || jobs_in(seen) > 0) {
      // acquire: sees what belongs to the round; pairs with the releases in make_loose and
      // make_exact. What the job did is released by its end. relaxed: again.
      if (words_[at].value.compare_exchange_weak(seen, seen + one, std::memory_order_acquire,
                                                 std::memory_order_relaxed)) {
        return;
      }
    }
    add_at_zero(at);
  }

  /// One job less, unless that needs the lock: then false, and nothing has happened. True: the
  /// group may be gone.
  /// @order     what was done before is visible to who finds that all have ended
  bool try_remove(std::size_t at) noexcept {
    std::int64_t seen =
        words_[at].value.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    while (!is_exact(seen) || jobs_in(seen) > 1) {
      // release: what the job did; pairs with the acquires in make_exact, take_over and remove.
      if (words_[at].value.compare_exchange_weak(seen, seen - one, std::memory_order_release,
                                                 std::memory_order_relaxed)) {  // relaxed: again
        return true;
      }
    }
    return false;
  }

  // With the lock held.

  /// E1. From here on the end is seen.
  void make_exact() noexcept;
  bool is_exact() const noexcept { return exact_; }
  /// @pre  is_exact()
  bool is_zero() const noexcept { return not_zero_ == 0; }
  /// After try_remove() was false. Then look at is_zero().
  void remove(std::size_t at) noexcept;
  /// @pre  is_exact() && is_zero()
  void make_loose() noexcept;

 private:
  static constexpr std::int64_t exact = 1;
  static constexpr std::int64_t one = 2;  // job
  static constexpr bool is_exact(std::int64_t word) noexcept { return (word & exact) != 0; }
  static constexpr std::int64_t jobs_in(std::int64_t word) noexcept { return word >> 1; }

  // Contended only while somebody waits for the end.
  using word = os::atomic<std::int64_t>;
  using padded_word = padded<word>;

  void add_at_zero(std::size_t at) noexcept;
  std::int64_t take_over(std::size_t from, std::int64_t most, bool half) noexcept;
  void repay(std::int64_t debt) noexcept;

  wait_list& lock_;
  const std::size_t size_;
  const std::unique_ptr<padded_word[]> words_;

  // Guarded by the lock.
  bool exact_ = false;
  std::size_t not_zero_ = 0;  // words, while exact
};

}  // namespace pinion::detail
