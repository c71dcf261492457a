// SPDX-License-Identifier: MIT
// Fibers: the threads of a test, all on one thread of the system, switched by hand.
//
// An execution that fails is not unwound: nobody switches to its fibers any more. Their stacks are
// used again by the next execution.
#pragma once

#include <cstddef>
#include <functional>

#include "tests/model/support/thread_locals.hpp"

namespace pinion::model {

class fiber {
 public:
  /// The fiber of who called: the one from which the others are started, and that they end in.
  fiber() noexcept = default;
  fiber(const fiber&) = delete;
  fiber& operator=(const fiber&) = delete;
  ~fiber();

  /// Makes it run `main`, which never returns, when it is switched to first.
  void prepare(std::function<void()> main);

  /// What a thread does last.
  void end_thread_locals() { locals_.end(); }

  /// Goes on with `to`; returns when somebody switches back to `from`.
  static void switch_to(fiber& from, fiber& to);

 private:
  // What the C++ runtime keeps for each thread about exceptions in flight.
  struct exceptions {
    void* caught = nullptr;
    unsigned uncaught = 0;
  };

  struct entry;
  void leave(fiber& to);
  void arrive(fiber* from);

  void* context_ = nullptr;
  char* stack_ = nullptr;
  const void* bottom_ = nullptr;  // of the stack, for AddressSanitizer
  std::size_t size_ = 0;
  void* fake_stack_ = nullptr;
  exceptions exceptions_;
  thread_locals locals_;
  std::function<void()> main_;
};

}  // namespace pinion::model
