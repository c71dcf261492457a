// SPDX-License-Identifier: MIT
// Strategies: who decides, at every point where an execution could go on in more than one way.
//
// The first candidate is always the usual one: the running thread goes on, the newest store is
// read, nothing fails. So a decision of zero is none, and a list of decisions is easy to read and
// shrink.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tests/model/support/options.hpp"

namespace pinion::model {

/// Whose turn is next.
struct turn {
  std::span<const thread_index> candidates;  // the running thread first, if it may go on
  bool may_go_on = false;                    // it may: another one would be a preemption
  std::span<const intent> intents;           // of all threads, by index
  std::size_t step = 0;
};

class strategy {
 public:
  static constexpr std::size_t nothing_new = ~std::size_t{0};

  virtual ~strategy() = default;

  /// Before each execution.
  virtual void begin(std::uint64_t number, std::size_t longest_so_far) = 0;

  /// Which of the candidates; nothing_new when every way from here on is equal to one that was
  /// taken already.
  virtual std::size_t pick_thread(const turn&) = 0;

  /// One of `count` ways; not of who goes on.
  virtual std::size_t pick(std::size_t count) = 0;

  /// One of two ways, of which by lot the second is taken seldom: for what may happen anywhere.
  virtual std::size_t pick_rare() { return pick(2); }

  /// After each execution. False: there is no other.
  virtual bool has_next() = 0;

  /// An execution did not do what the same decisions had led to before.
  virtual bool is_confused() const noexcept { return false; }
};

/// Every execution with at most so many preemptions, or every one there is. In the second case what
/// differs only in the order of independent operations is gone through once (sleep sets,
/// Godefroid 1996).
std::unique_ptr<strategy> depth_first(int preemptions);

/// A walk that prefers to stay with the running thread, three times in four.
std::unique_ptr<strategy> random_walk(std::uint64_t seed);

/// The thread of the highest priority goes on; priorities are random, and at random moments the
/// running thread gets the lowest (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010).
std::unique_ptr<strategy> random_priorities(std::uint64_t seed, unsigned changes);

/// The given decisions, then the usual ones.
std::unique_ptr<strategy> replay_of(schedule);

std::unique_ptr<strategy> strategy_for(const options&);

}  // namespace pinion::model
