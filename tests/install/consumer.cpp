// SPDX-License-Identifier: MIT
// What a program that embeds Pinion looks like to the build: an installed header, and calls that
// only link and run when the library is found.
#include <cstdio>

#include <pinion/runtime/scheduler.hpp>

int main() {
  pinion::scheduler pool;
  const auto answer = pool.submit([] { return 42; }).wait();
  if (!answer || *answer != 42) return 1;
  std::puts("a worker has answered");
}
