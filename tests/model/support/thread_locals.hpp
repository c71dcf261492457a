// SPDX-License-Identifier: MIT
// The thread_local variables of the program, once for each fiber.
//
// All fibers run on one thread of the system, so they would share what the library keeps for each
// thread. Therefore the program's whole block of thread-local memory is taken out and put back
// when fibers are switched, and each begins with the block that a new thread begins with. Those
// with destructors end with the fiber.
#pragma once

#include <cstddef>
#include <vector>

namespace pinion::model {

class thread_locals {
 public:
  /// As a new thread finds them.
  void begin();

  /// Takes out those of `from`, puts back those of `to`.
  static void exchange(thread_locals& from, thread_locals& to);

  /// What a thread does at its end. By itself.
  void end();

  /// At the end of the fiber that runs. False: none does.
  static bool at_end(void (*destroy)(void*), void* object);

 private:
  struct destructor {
    void (*destroy)(void*);
    void* object;
  };

  bool of_fiber_ = false;  // else: of the thread of the system
  std::vector<std::byte> image_;
  std::vector<destructor> destructors_;
};

}  // namespace pinion::model
