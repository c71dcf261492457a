// SPDX-License-Identifier: MIT
// Where time comes from, and the timer that whoever waits for it carries along.
//
// A timer is a node inside what waits: a wait on a stack, a coroutine frame, a context. Arming
// queues it, nothing is allocated. disarm() is the end of it: afterwards nobody touches the node,
// whether it fired or not, so its memory may go.
#pragma once

#include <cstdint>

#include "pinion/platform/os.hpp"

namespace pinion {

namespace detail {

/// Place in a list of timers; belongs to the source while armed. Not armed: null.
struct timer_links {
  timer_links* previous = nullptr;
  timer_links* next = nullptr;
};

}  // namespace detail

/// One timer. May be moved and changed while it is not armed.
struct timer_node : detail::timer_links {
  time_point when = forever;

  /// Called once per arming, never before `when`, without a lock of the source. The source does
  /// not touch the node again: it may be armed anew in here, or end its own life.
  /// Must not block, and must not wait for whoever may be in disarm() of this node.
  void (*fire)(timer_node&) noexcept = nullptr;

  std::uint8_t home = 0;  // the source's: where in it this one belongs; stays
};

/// Where time comes from. Every wait uses the source of its context, else of its executor.
/// @threads   any, for different nodes; what is done to one node is ordered by its owner
class time_source {
 public:
  virtual time_point now() const noexcept = 0;

  /// For whoever will arm a timer, where failing is still possible: a wait that has not begun, an
  /// object that is being made. True: what is armed from now on will fire. False: the source needs
  /// something that the system does not give now; it may be asked again.
  /// @blocks    while another thread asks for the first time
  /// @cost      one load, but for the first time
  [[nodiscard]] virtual bool prepare() noexcept { return true; }

  /// Timers that one thread armed fire in order of `when`; those that are equal, in the order they
  /// were armed.
  /// One at `forever` never does. False: it is due already, so it is not armed and will not fire.
  /// That is for the caller to act on; a source with a thread may take the timer all the same.
  /// @cost      O(1), no allocation
  [[nodiscard]] virtual bool arm(timer_node&) noexcept = 0;

  /// True: it was armed, and will not fire. False: it fired, or was not armed.
  /// Either way fire() is not running when this returns, and the node is nobody's but the
  /// caller's. Called from inside that fire(), it does not wait for it.
  /// @blocks    while fire() runs on another thread, and for nothing else
  /// @cost      O(1)
  virtual bool disarm(timer_node&) noexcept = 0;

 protected:
  ~time_source() = default;
};

/// The machine's steady clock, with one thread for the whole process that sleeps until the next
/// timer. The thread starts with the first timer, blocks all signals and is never joined; the
/// child of a fork starts its own, and timers armed before stay armed in both. When there can be no
/// thread, prepare() is false; what is armed all the same fires once there is one: each prepare()
/// and arm() tries again.
/// @threads   any, also while static objects are destroyed
time_source& system_time() noexcept;

}  // namespace pinion
