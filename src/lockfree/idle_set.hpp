// SPDX-License-Identifier: MIT
// Idle set: who of up to 32 workers has nothing to do, and the line each of them waits on.
//
// One word says it all, so that submitters decide with one load and nobody acts on half of the
// truth:
//
//      63                 48 47       40 39        32 31                                     0
//     [  (unused)    | brisk | sentinels | searching |  idle: one bit a worker               ]
//
// Each worker also has a cell, alone on its line, that it watches while it is idle:
//
//     busy      runs or searches; nobody writes here
//     watching  idle and spinning on the cell
//     asleep    idle and in the kernel
//     notified  woken: go and search
//     (a word)  woken with this piece of work in hand
//
// How work and an idle worker find each other:
//
//      worker (becoming idle)                     submitter
//  W1  cell = watching                        S1  publish the work
//  W2  announce: set the idle bit (RMW)       S2  full order, then read the idle word
//  W3  look at every queue again              S3  idle, and nobody searching: claim one, by a CAS
//  W4  spin on the cell, then sleep on it         that clears the bit and counts it as searching
//                                             S4  cell: watching or asleep -> notified
//
// W2 and S2 are in one total order. If W2 comes first, S2 sees the bit. If S2 comes first, W3
// sees the work. If S3 was skipped because somebody searched, that one's own W2 or its find comes
// later: it looks again in W3, or, being the last searcher and having found work, wakes another.
//
// A worker that leaves the idle state clears its own bit; if a claimer was faster, it is counted
// as searching already and goes on as a searcher, without waiting for S4, which then is a late
// notification and changes nothing: waiting() starts every round from W1.
//
// Work can also travel in the cell itself: hand_over() gives it to a worker that is watching,
// without touching the word; give() takes the place of S4 after a claim. Whoever finds work in its
// cell takes it, and work that its worker does not come for (it may be preempted) can be taken
// back from the cell by anybody.
//
// Between hand-over and taking the worker still looks idle. A submitter from outside that meets
// work in its cell wakes nobody else: the worker looks at the queue of outside work after it has
// taken the work, and wakes another if there is more. (Take and look on one side, publish and read
// the cell on the other: one of them comes first in the total order.)
//
// A searching worker may be preempted too, and would hold back wake-ups for a whole time slice.
// So the start of the newest search is noted, and a submitter that finds it long ago claims an
// idle worker all the same.
//
// `brisk` says that some worker passes the injector every few microseconds; then waking another
// one for a single task would cost more than the task, and outside threads leave it to the worker.
// It may be set only while a sentinel, an idle worker that sleeps with a timeout, looks after the
// queues as well, and it goes when the last sentinel goes: a wrong guess costs one such timeout.
//
// Progress: every member is lock-free; announce() and retract() are one RMW without contention.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::lockfree {

class idle_set {
 public:
  static constexpr std::size_t max_workers = os::shrinkable<std::size_t>(32, 4);

  // What a cell holds when it holds no work. Work words are multiples of 4 above these.
  enum state : std::uint64_t { busy = 0, watching = 1, asleep = 2, notified = 3 };
  static constexpr bool is_work(std::uint64_t cell) noexcept { return cell > notified; }

  // --- The word, as somebody who has work to place sees it.

  struct view {
    std::uint64_t word;
    std::uint32_t idle() const noexcept { return static_cast<std::uint32_t>(word); }
    unsigned searching() const noexcept { return (word >> searching_shift) & 0xff; }
    unsigned sentinels() const noexcept { return (word >> sentinel_shift) & 0xff; }
    bool is_brisk() const noexcept { return (word & brisk_bit) != 0; }
    /// Work that is published now needs a wake-up, and somebody is there to be woken.
    bool wants_wake() const noexcept { return idle() != 0 && searching() == 0; }
  };

  view look() const noexcept {
    // seq_cst: S2; after the publishing store or fence of the caller, before nothing of ours.
    return {word_.load(std::memory_order_seq_cst)};
  }

  /// S3: takes one idle worker out of the set, `preferred` first, and counts it as searching.
  /// Fails when nobody is idle, or somebody searches already and `even_if_searched` is not set.
  /// @return  the worker, or max_workers
  std::size_t claim(std::uint32_t preferred, bool even_if_searched = false) noexcept {
    std::uint64_t w = word_.load(std::memory_order_seq_cst);  // seq_cst: S2 again
    for (;;) {
      const std::uint32_t idle = static_cast<std::uint32_t>(w);
      if (idle == 0 || (!even_if_searched && (w & searching_mask) != 0)) return max_workers;
      const std::uint32_t from = (idle & preferred) != 0 ? idle & preferred : idle;
      const auto who = static_cast<std::size_t>(std::countr_zero(from));
      // seq_cst: in the total order of W2 and S2, so that two claimers never take the same bit
      // and a retracting worker knows who was first.
      if (word_.compare_exchange_weak(w, (w & ~bit(who)) + one_searching, std::memory_order_seq_cst,
                                      std::memory_order_seq_cst)) {
        return who;
      }
    }
  }

  /// S4, after claim(): true when the worker is in the kernel and must be woken by wake().
  bool notify(std::size_t worker) noexcept {
    auto& cell = cells_[worker].value;
    std::uint64_t seen = cell.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    while (seen == watching || seen == asleep) {
      // release: what the caller published is visible to who wakes; pairs with the acquire in
      // peek() and take().
      if (cell.compare_exchange_weak(seen, notified, std::memory_order_release,
                                     std::memory_order_relaxed)) {
        return seen == asleep;
      }
    }
    return false;  // it is awake, or has work in hand: it will look again before it sleeps
  }

  /// Puts work into the cell of a worker that is watching it. False: it was not.
  bool hand_over(std::size_t worker, std::uint64_t work) noexcept {
    std::uint64_t seen = watching;
    // release: publishes the work; pairs with the acquire in peek() and take(). relaxed on
    // failure: then nothing was handed over.
    return cells_[worker].value.compare_exchange_strong(seen, work, std::memory_order_release,
                                                        std::memory_order_relaxed);
  }

  /// In place of notify(): the claimed worker gets work at once.
  enum class given : std::uint8_t { no, watching, asleep };
  given give(std::size_t worker, std::uint64_t work) noexcept {
    auto& cell = cells_[worker].value;
    std::uint64_t seen = cell.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    while (seen == watching || seen == asleep) {
      // release: as in hand_over().
      if (cell.compare_exchange_weak(seen, work, std::memory_order_release,
                                     std::memory_order_relaxed)) {
        return seen == asleep ? given::asleep : given::watching;
      }
    }
    return given::no;
  }

  /// Wakes a worker whose cell said asleep.
  /// @cost      one system call
  void wake(std::size_t worker) noexcept { os::futex_wake(cells_[worker].value, 1); }

  /// A piece of work that lies in a cell and was not picked up; 0 when there is none.
  std::uint64_t take_back(std::size_t worker) noexcept {
    auto& cell = cells_[worker].value;
    std::uint64_t seen = cell.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    // acquire: sees the work; pairs with the release in hand_over and give. The cell is left as
    // notified: its worker may have been claimed, and must then go on as a searcher.
    if (is_work(seen) && cell.compare_exchange_strong(seen, notified, std::memory_order_acquire,
                                                      std::memory_order_relaxed)) {
      return seen;
    }
    return 0;
  }

  /// Work lies in the cell. Its worker will take it, and look at the queues after that; whoever
  /// sees this after publishing work may leave that work to it.
  bool holds_work(std::size_t worker) const noexcept {
    // seq_cst: against the exchange in take().
    return is_work(cells_[worker].value.load(std::memory_order_seq_cst));
  }

  /// Notes when the newest search began, in ticks of any constant rate.
  void note_search(std::uint64_t ticks) noexcept {
    newest_search_.value.store(ticks, std::memory_order_relaxed);  // relaxed: a hint
  }
  std::uint64_t newest_search() const noexcept {
    return newest_search_.value.load(std::memory_order_relaxed);  // relaxed: a hint
  }

  // --- The worker's own side.

  /// @return how many were searching before
  unsigned begin_search() noexcept {
    // seq_cst: from here on submitters may leave their wake-up to this worker.
    return view{word_.fetch_add(one_searching, std::memory_order_seq_cst)}.searching();
  }

  /// @return the word after; the caller wakes another when it says nobody searches now.
  view end_search() noexcept {
    // seq_cst: a submitter that saw this search before relies on what the caller does next.
    return {word_.fetch_sub(one_searching, std::memory_order_seq_cst) - one_searching};
  }

  /// W1 and W2. With `was_searching` the worker leaves the search in the same step.
  /// @return the word after
  view announce(std::size_t me, bool was_searching) noexcept {
    // relaxed: made visible by the RMW below, before which nobody expects the worker here.
    cells_[me].value.store(watching, std::memory_order_relaxed);
    const std::uint64_t change = bit(me) - (was_searching ? one_searching : 0);
    // seq_cst: W2, against S2 in look() and claim().
    return {word_.fetch_add(change, std::memory_order_seq_cst) + change};
  }

  /// Leaves the idle state. True: on its own account, and with `to_search` now counted as
  /// searching. False: a claimer was faster, and the worker is counted as searching.
  bool retract(std::size_t me, bool to_search) noexcept {
    // seq_cst: S2 for who takes a certain worker out of the set after it has published work for it.
    std::uint64_t w = word_.load(std::memory_order_seq_cst);
    while ((w & bit(me)) != 0) {
      // seq_cst: as in claim().
      if (word_.compare_exchange_weak(w, (w & ~bit(me)) + (to_search ? one_searching : 0),
                                      std::memory_order_seq_cst, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  /// What the cell says, while watching.
  std::uint64_t peek(std::size_t me) const noexcept {
    // acquire: sees what came with a notification; pairs with the release in notify().
    return cells_[me].value.load(std::memory_order_acquire);
  }

  /// Empties the cell: the work in it, or 0.
  std::uint64_t take(std::size_t me) noexcept {
    // seq_cst: sees the work, pairs with the release in hand_over(); and against the load in
    // holds_work(). An RMW, because the work can be taken back at the same time.
    const std::uint64_t seen = cells_[me].value.exchange(busy, std::memory_order_seq_cst);
    return is_work(seen) ? seen : 0;
  }

  /// W4: sleeps until the cell is written, or until `deadline`. The cell goes on saying asleep
  /// after that, so that nobody takes a sleeper that only has a look for one that is spinning.
  void sleep(std::size_t me, time_point deadline) noexcept {
    auto& cell = cells_[me].value;
    std::uint64_t seen = watching;
    // relaxed: tells notifiers that a system call is needed; the kernel compares the word again,
    // so one that came first makes the wait return at once.
    cell.compare_exchange_strong(seen, asleep, std::memory_order_relaxed,
                                 std::memory_order_relaxed);
    if (seen == watching || seen == asleep) os::futex_wait(cell, asleep, deadline);
  }

  /// Has nobody written the cell since announce()?
  bool untouched(std::size_t me) const noexcept {
    const std::uint64_t seen = peek(me);
    return seen == watching || seen == asleep;
  }

  // --- Brisk mode.

  void add_sentinel() noexcept {
    // seq_cst: before the look at the queues that follows.
    word_.fetch_add(one_sentinel, std::memory_order_seq_cst);
  }

  /// The last sentinel takes the brisk bit with it, before it looks at the queues once more.
  void remove_sentinel() noexcept {
    std::uint64_t w = word_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    std::uint64_t next;
    do {
      next = w - one_sentinel;
      if (view{next}.sentinels() == 0) next &= ~brisk_bit;
      // seq_cst: a submitter that still saw the bit published before this, so that the look at
      // the queues that follows sees its work.
    } while (!word_.compare_exchange_weak(w, next, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
  }

  /// True when the bit is set now.
  bool set_brisk() noexcept {
    std::uint64_t w = word_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
    while (view{w}.sentinels() != 0) {
      if ((w & brisk_bit) != 0) return true;
      // seq_cst: only while a sentinel is there; in the order of remove_sentinel().
      if (word_.compare_exchange_weak(w, w | brisk_bit, std::memory_order_seq_cst,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  /// @return the word after
  view clear_brisk() noexcept {
    // seq_cst: submitters after this wake again; the caller looks at the queues after it.
    return {word_.fetch_and(~brisk_bit, std::memory_order_seq_cst) & ~brisk_bit};
  }

 private:
  static constexpr unsigned searching_shift = 32;
  static constexpr unsigned sentinel_shift = 40;
  static constexpr std::uint64_t one_searching = std::uint64_t{1} << searching_shift;
  static constexpr std::uint64_t searching_mask = std::uint64_t{0xff} << searching_shift;
  static constexpr std::uint64_t one_sentinel = std::uint64_t{1} << sentinel_shift;
  static constexpr std::uint64_t brisk_bit = std::uint64_t{1} << 48;

  static constexpr std::uint64_t bit(std::size_t worker) noexcept {
    return std::uint64_t{1} << worker;
  }

  // Written by workers that become idle and by who wakes them; read by every submitter.
  alignas(cache_line_size) os::atomic<std::uint64_t> word_{0};

  padded<os::atomic<std::uint64_t>> newest_search_{};

  // One a worker: written by its waker, watched by the worker alone.
  padded<os::atomic<std::uint64_t>> cells_[max_workers]{};
};

}  // namespace pinion::lockfree
