// SPDX-License-Identifier: MIT
// Ledger: every piece of work has a number, and every number ends exactly once.
//
//     producer:  n = stream.take()  --handed over-->  runs:      ends
//                                   --given up---->  destroyed:  ends
//                                   --refused----->  producer:   ends
//
// A stream belongs to one producer and has a bit for each number of a window that goes round. In
// even rounds an end sets the bit, in odd rounds it clears it, so that nothing is to be reset: the
// bit says "ended" or "not yet" by the round it is in. An end that finds its bit changed already
// is a duplicate. A number that never ends keeps its producer from going on, or is found missing
// when all is quiet. So the memory is the same however long it runs, and an end costs one
// read-modify-write.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "pinion/lockfree/histogram.hpp"
#include "pinion/platform/cpu.hpp"

namespace pinion::stress {

/// What all threads together have seen.
struct totals {
  std::uint64_t ran = 0;
  std::uint64_t given_up = 0;
  std::uint64_t refused = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t out_of_order = 0;
  std::uint64_t thrown = 0;
  histogram latency;  // from handing in to the start, of every 32nd number
};

/// What one thread has seen. One writer at a time; any thread may read meanwhile.
class alignas(64) tally {
 public:
  using counter = std::atomic<std::uint64_t>;

  /// The calling thread's. When the thread ends, another one may go on with it.
  static tally& mine() noexcept;
  /// Of all threads, those that have ended included.
  static totals sum();

  static void add(counter& c) noexcept {
    // relaxed, both: one writer, and readers need no more than a recent value.
    c.store(c.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  counter ran{0}, given_up{0}, refused{0}, duplicated{0}, out_of_order{0}, thrown{0};
  histogram latency;
};

class stream {
 public:
  static constexpr std::uint64_t window = std::uint64_t{1} << 14;

  /// `beat` moves when the producer does.
  stream(std::string name, std::atomic<std::uint64_t>& beat)
      : name_(std::move(name)), beat_(beat) {}

  /// The producer goes on, though it takes no numbers.
  void show_life() noexcept {
    beat_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a sign of life
  }

  const std::string& name() const noexcept { return name_; }

  /// The first of `count` numbers in a row.
  /// @threads   the producer
  /// @blocks    until those of a window ago have ended
  /// @errors    throws no_more when they have not, and nobody is to wait any longer
  std::uint64_t take(std::uint64_t count);
  struct no_more {};

  /// From here on take() does not wait.
  /// @threads   any
  void stop_waiting() noexcept {
    waits_.store(false, std::memory_order_relaxed);
  }  // relaxed: a hint

  /// @threads   any
  void end(std::uint64_t number) noexcept;
  bool has_ended(std::uint64_t number) const noexcept;

  std::uint64_t taken() const noexcept { return taken_.load(std::memory_order_acquire); }
  /// How many have not ended. Exact when nothing moves.
  std::uint64_t missing() const noexcept;

 private:
  static constexpr std::uint64_t per_word = 64;
  static constexpr std::uint64_t chunk = 1024;  // so many at once are looked at

  static bool is_odd_round(std::uint64_t number) noexcept { return (number / window) % 2 != 0; }
  bool has_chunk_ended(std::uint64_t first) const noexcept;

  const std::string name_;
  std::atomic<std::uint64_t>& beat_;
  std::atomic<bool> waits_{true};
  std::atomic<std::uint64_t> taken_{0};  // the producer's
  std::uint64_t ended_up_to_ = 0;        // the producer's: all before it have ended
  alignas(64) std::array<std::atomic<std::uint64_t>, window / per_word> bits_{};
};

/// One number on its way. Whoever holds it last ends it: by running it, or by dropping it.
class item {
 public:
  static constexpr std::uint64_t timed_every = 32;

  item(stream& of, std::uint64_t number) noexcept
      : of_(&of), number_(number), since_(number % timed_every == 0 ? cpu_ticks() : 0) {}
  item(item&& other) noexcept
      : of_(std::exchange(other.of_, nullptr)), number_(other.number_), since_(other.since_) {}
  item& operator=(item&&) = delete;
  ~item() {
    if (of_ != nullptr) drop();
  }

  stream& of() const noexcept { return *of_; }
  std::uint64_t number() const noexcept { return number_; }
  bool is_here() const noexcept { return of_ != nullptr; }

  void operator()() noexcept;
  /// For time that says nothing, as when a start is put off on purpose.
  void forget_time() noexcept { since_ = 0; }
  /// By who could not hand it over. Does nothing when somebody took it.
  void refuse() noexcept;

 private:
  void drop() noexcept;

  stream* of_;  // null: ended, or somebody else's
  std::uint64_t number_;
  std::uint64_t since_;  // in ticks; 0: not timed
};
static_assert(sizeof(item) == 24);

}  // namespace pinion::stress
