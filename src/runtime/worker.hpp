// SPDX-License-Identifier: MIT
// Worker: the loop of a thread that sits on a seat.
//
//      find work:  own queue, inbox, queue of outside work, other seats
//         |                                     ^
//         | nothing                             | woken, or work seen
//         v                                     |
//      announce, look again, watch the cell, sleep on the cell
//
// The protocol with those who hand in work is the idle set's; what is decided here is order and
// measure: how often to look where, how long to spin, whom to wake.
#pragma once

#include <cstddef>
#include <cstdint>

#include "src/runtime/core.hpp"

namespace pinion::detail {

// Re-measure these with bench/tuning; the values last seen are in docs/benchmarks.md.

/// Own tasks run at most this often between two looks at the queue of outside work ...
inline constexpr std::uint32_t poll_interval_max = 61;
/// ... and for about this long ...
inline constexpr duration poll_time_max = std::chrono::microseconds(50);
/// ... but not at every turn: what is kept runs in between, and nobody else would run it.
inline constexpr std::uint32_t poll_interval_min = 2;
/// Tasks taken at once from outside ...
inline constexpr std::size_t batch_max = 64;
/// ... and from another seat: many, so that a thief seldom disturbs its victim.
inline constexpr std::size_t steal_max = 256;
/// What a worker keeps runs before what is queued, but so many times in a row at most.
inline constexpr unsigned kept_in_a_row_max = 3;
/// It keeps one piece of work that it has resumed, if it is brisk, and as many as it will run in
/// this time, which is about what a thief needs to take them.
inline constexpr duration kept_time = std::chrono::microseconds(1);
/// Work that comes in a stream is looked for this often ...
inline constexpr duration stream_pace = std::chrono::microseconds(1);
/// ... and the stream is over when nothing came for so long.
inline constexpr duration stream_patience = std::chrono::microseconds(25);
/// A worker that is likely to be through with a batch in this time is brisk: waking another would
/// take longer.
inline constexpr duration brisk_batch_time = std::chrono::microseconds(20);
/// So many full batches in a row, and the queue is too long for one worker.
inline constexpr int brisk_full_batches_max = 64;
/// A sentinel looks at the queues this often, and retires when nobody was brisk for so many looks.
inline constexpr duration sentinel_period = std::chrono::microseconds(250);
inline constexpr int sentinel_looks_max = os::shrinkable(4, 1);
/// Work that came without a wake-up is found within this time.
inline constexpr duration unwoken_period = std::chrono::milliseconds(1);
/// What a worker keeps is left to it for so long after somebody without work has seen it.
inline constexpr duration kept_patience = std::chrono::microseconds(50);
/// After so many looks for such work, all in vain, nobody looks any more until there is some.
inline constexpr int unwoken_looks_max = os::shrinkable(10'000, 2);
/// So many rounds over work that is seen and cannot be had, then a short sleep.
inline constexpr unsigned fruitless_rounds_max = 64;
inline constexpr duration fruitless_sleep = std::chrono::microseconds(50);
/// A search that began this long ago holds back no wake-ups any more.
inline constexpr duration search_time_max = std::chrono::microseconds(200);

class worker {
 public:
  worker(scheduler_core& core, worker_thread& thread) noexcept : core_(core), thread_(thread) {}

  /// Until the scheduler ends.
  void run() noexcept;

 private:
  work_word find_work(seat&) noexcept;
  work_word take_own(seat&) noexcept;
  void time_next_poll(seat&) noexcept;
  work_word take_turns(seat&) noexcept;
  work_word poll_outside(seat&) noexcept;
  work_word poll_queue(seat&) noexcept;
  work_word take_spilled(seat&) noexcept;
  work_word keep_one(seat&, work_word* words, std::size_t count) noexcept;
  work_word follow_stream(seat&) noexcept;
  void after_poll(seat&, std::size_t count) noexcept;
  bool becomes_brisk(seat&, std::size_t count) noexcept;

  work_word steal(seat&) noexcept;
  work_word steal_from_tier(seat&, std::size_t tier) noexcept;
  work_word take_back_from_cells(seat&) noexcept;
  void end_search(seat&) noexcept;

  work_word idle(seat&) noexcept;
  bool watch_cell(seat&) noexcept;
  bool sleep_on_cell(seat&) noexcept;
  bool work_visible(seat&) const noexcept;
  bool has_spilled() const noexcept;
  void let_others_finish(seat&) noexcept;
  bool work_stands_still(seat&) noexcept;
  void wake_who_has_mail(seat&) noexcept;
  static constexpr std::uint64_t not_seen = ~std::uint64_t{0};
  enum class kept_by_others : std::uint8_t { nothing_new, fresh, taken };
  kept_by_others look_at_what_is_kept(seat&) noexcept;

  void execute(work_word) noexcept;
  void resume(work_item&) noexcept;
  work_item* next_kept() noexcept;
  bool wait_for_seat() noexcept;

  scheduler_core& core_;
  worker_thread& thread_;
  std::uint32_t poll_interval_ = poll_interval_max;
  std::uint64_t last_poll_ = 0;  // in ticks
  int full_batches_ = 0;
  bool in_stream_ = false;
  bool inbox_has_its_turn_ = false;
  unsigned kept_in_a_row_ = 0;     // run before the queue
  unsigned fruitless_rounds_ = 0;  // since it last had work
  std::size_t last_count_ = 0;     // tasks in the batch that is being run
  std::uint64_t task_ticks_ =
      ~std::uint64_t{0} >> 16;        // a task of it took about so long; at first: long
  std::uint64_t last_look_ = 0;       // at the stream, in ticks
  std::uint64_t last_kept_look_ = 0;  // at what others keep, in ticks
  kept_by_others last_kept_ = kept_by_others::nothing_new;
};

}  // namespace pinion::detail
