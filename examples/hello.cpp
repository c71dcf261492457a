// SPDX-License-Identifier: MIT
// The example of the README.
#include <cstdio>
#include <vector>

#include "pinion/patterns/fan_out.hpp"
#include "pinion/runtime/scheduler.hpp"

int main() {
  pinion::scheduler sched;  // one pinned worker per core

  auto answer = sched.submit([] { return 6 * 7; });  // for its result: a future
  sched.post([] { std::puts("fire and forget"); });  // for its effect
  std::printf("%d\n", answer.wait().value());

  // Many inputs, three calls at a time, results as they come; an error is a result, too.
  const std::vector<int> inputs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const auto square = [](int n) -> pinion::result<int> {
    if (n == 7) return pinion::error("seven is not for sale");
    return n * n;
  };
  int sum = 0;
  for (auto& r : fan_out(sched, sched.root(), inputs, square, {.concurrency = 3})) {
    if (r)
      sum += *r;
    else
      std::printf("%s\n", r.error().what().c_str());
  }
  std::printf("%d\n", sum);
  return sched.drain().wait() ? 0 : 1;  // everything accepted has run
}
