// SPDX-License-Identifier: MIT
// Semaphore: a number of permits, taken in any weight and given back by scope.
//
//     state:  | permits that are free, may be negative | closed | somebody waits |
//
// While nobody waits, permits are taken and given back by one CAS on this word. With somebody in
// line that road is closed: permits then change hands under the lock of the line, the first in
// line first, so nobody is overtaken. Both are one word, so a permit that comes back either finds
// the mark of who waits, or is found by whoever is about to set it.
//
//     acquire                                     release
//     no mark, enough free?  take: CAS            no mark?  give: CAS
//     lock; enough? else enlist, set the mark     lock; give; serve the line while its head fits;
//           and look again: L1                          nobody left? clear the mark; unlock; wake
#pragma once

#include <cstdint>
#include <utility>

#include "pinion/platform/os.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

class semaphore;

/// Some permits; they go back to their semaphore at the end of scope. Move-only.
/// @threads   one at a time
class [[nodiscard]] permit {
 public:
  permit() noexcept = default;  // none
  permit(permit&& other) noexcept
      : from_(std::exchange(other.from_, nullptr)), weight_(std::exchange(other.weight_, 0)) {}
  permit& operator=(permit&& other) noexcept {
    permit before(std::move(*this));  // goes back at the end of this scope
    from_ = std::exchange(other.from_, nullptr);
    weight_ = std::exchange(other.weight_, 0);
    return *this;
  }
  ~permit() { release(); }

  std::uint64_t weight() const noexcept { return weight_; }

  /// A part of it, as a permit of its own.
  /// @errors    throws std::invalid_argument: that is more than there is
  permit split(std::uint64_t weight);

  /// Takes over what `other` holds.
  /// @errors    throws std::invalid_argument: it is another semaphore's; both stay as they are
  void merge(permit&& other);

  /// Now, not at the end of scope.
  /// @blocks    never
  /// @order     what was done before is visible after the acquire that it serves
  /// @cost      one read-modify-write while nobody waits
  void release() noexcept;

 private:
  friend class semaphore;
  permit(semaphore& from, std::uint64_t weight) noexcept : from_(&from), weight_(weight) {}

  semaphore* from_ = nullptr;  // null: holds none
  std::uint64_t weight_ = 0;
};

/// Waiters are served in order of arrival: a large request is never overtaken by small ones, so
/// it cannot starve; small ones wait behind it, though they would fit. With one permit it is a
/// fair mutex.
/// @threads   any
/// @lifetime  outlives its permits and those who wait for them; whoever gives the last permit back
///            may destroy it then
class semaphore {
 public:
  static constexpr std::uint64_t max_permits = (std::uint64_t{1} << 60) - 1;

  /// @errors    throws std::invalid_argument: more than max_permits
  explicit semaphore(std::uint64_t permits);
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore();

  /// Of nothing: waits for those before it, takes nothing.
  /// @progress  lock-free while permits are free and nobody waits, one CAS
  /// @order     sees what was done before the releases of the permits it takes
  /// @cost      no allocation
  /// @errors    too_large: n is more than there are now; closed; canceled, deadline_exceeded.
  ///            No permit is taken then
  op<permit> acquire(const context& ctx, std::uint64_t n = 1) noexcept { return request(&ctx, n); }
  op<permit> acquire(std::uint64_t n = 1) noexcept { return request(nullptr, n); }
  op<permit> acquire(scoped_context&&, std::uint64_t = 1) = delete;  // must outlive the wait

  /// @progress  lock-free, one CAS; read-only when it fails
  /// @errors    not_ready, also when n would fit but others wait; too_large; closed
  result<permit> try_acquire(std::uint64_t n = 1) noexcept {
    const errc got = try_take(n);
    if (got != errc::ok) return got;
    return permit(*this, n);
  }

  /// Permits more, or fewer: free ones at once, the rest as they come back. Who waits for more
  /// than are left goes on waiting.
  /// @pre       grow: there are no more than max_permits then
  void grow(std::uint64_t n) noexcept;
  void shrink(std::uint64_t n) noexcept;

  /// Waits and later requests get `closed`; permits may still come back. True for the first call.
  bool close() noexcept;

  std::uint64_t available_approx() const noexcept;

 private:
  friend class permit;

  // Of the state word.
  static constexpr std::int64_t waiting = 1;
  static constexpr std::int64_t closed = 2;
  static constexpr std::int64_t one = 4;  // permit
  static constexpr std::int64_t free_in(std::int64_t word) noexcept { return word >> 2; }

  // What an operation carries: how much it asks for and, once it has ended, how.
  static constexpr std::uint64_t is_closed = std::uint64_t{1} << 62;
  static constexpr std::uint64_t is_too_large = std::uint64_t{1} << 63;
  static constexpr std::uint64_t amount = is_closed - 1;

  static bool fits(std::uint64_t n, std::int64_t word) noexcept {
    return n == 0 || free_in(word) >= static_cast<std::int64_t>(n);
  }
  static std::int64_t units(std::uint64_t n) noexcept { return static_cast<std::int64_t>(n) * one; }

  op<permit> request(const context* ctx, std::uint64_t n) noexcept {
    op<permit> o(acquiring, this, ctx);
    o.word() = n > max_permits ? max_permits + 1 : n;
    return o;
  }

  /// Ok: they are the caller's, and not yet in a permit.
  errc try_take(std::uint64_t n) noexcept {
    // relaxed: only a guess of what the CAS will find.
    std::int64_t word = state_.load(std::memory_order_relaxed);
    while ((word & (waiting | closed)) == 0 && n <= max_permits && fits(n, word)) {
      // acquire: sees what was done before the releases; pairs with those in give and give_in_line.
      // relaxed: another guess.
      if (state_.compare_exchange_weak(word, word - units(n), std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        return errc::ok;
      }
    }
    return why_not(n, word);
  }
  errc why_not(std::uint64_t n, std::int64_t word) const noexcept;

  void give(std::uint64_t n) noexcept {
    // relaxed: only a guess of what the CAS will find.
    std::int64_t word = state_.load(std::memory_order_relaxed);
    while ((word & waiting) == 0) {
      // release: what was done with the permits is visible to who takes them; pairs with the
      // acquires in try_take, settle and serve. relaxed: another guess.
      if (state_.compare_exchange_weak(word, word + units(n), std::memory_order_release,
                                       std::memory_order_relaxed)) {
        return;
      }
    }
    give_in_line(n);
  }
  void give_in_line(std::uint64_t n) noexcept;

  // With the lock held.
  bool settle(op<permit>&) noexcept;
  void serve(wake_chain&) noexcept;

  static semaphore& of(op<permit>& o) noexcept { return *static_cast<semaphore*>(o.object()); }
  static wait_list& list_of(op<permit>&) noexcept;
  static attempt take_now(op<permit>& o) noexcept {
    const std::uint64_t n = o.word() & amount;
    if (of(o).try_take(n) != errc::ok) return attempt::needs_lock;
    o.word() = n;
    return attempt::done;
  }
  static bool try_complete(op<permit>&) noexcept;
  static void enlist(op<permit>&, waiter&) noexcept;
  static void withdraw(op<permit>&) noexcept;
  static result<permit> take(op<permit>&);
  static constexpr op<permit>::verb acquiring{.list = &list_of,
                                              .try_complete = &try_complete,
                                              .enlist = &enlist,
                                              .withdraw = &withdraw,
                                              .take = &take,
                                              .try_now = &take_now};

  os::atomic<std::int64_t> state_;
  os::atomic<std::uint64_t> capacity_;  // changed with the lock held
  wait_list line_;
};

inline void permit::release() noexcept {
  if (semaphore* const from = std::exchange(from_, nullptr)) {
    if (const std::uint64_t n = std::exchange(weight_, 0); n > 0) from->give(n);
  }
}

}  // namespace pinion
