// SPDX-License-Identifier: MIT
// Tests in the child of a fork.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

// ThreadSanitizer asks for this, and else ends the child of a fork that starts a thread.
extern "C" [[gnu::used]] inline const char* __tsan_default_options() {
  return "die_after_fork=0";
}

namespace pinion::test {

/// What `body` returns there; -1 when the child did not get so far. A child that hangs ends itself.
template <class F>
int in_child_of_a_fork(F body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    ::_exit(body());
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace pinion::test
