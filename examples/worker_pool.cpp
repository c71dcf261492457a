// SPDX-License-Identifier: MIT
// A pool of workers in the way of Go's lesson: 50 tasks, 5 at a time, some fail, and all of it
// under a deadline. No task, result or error is lost, whatever ends it.
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "command_line.hpp"

#include "pinion/patterns/fan_out.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/timer.hpp"

namespace {

using namespace std::chrono_literals;

struct order {
  int id;
  pinion::duration length;
};

// The sleep ends with the context, and lends the worker's core to others meanwhile.
pinion::result<std::string> process(const pinion::context& ctx, const order& o) {
  if (auto slept = pinion::sleep(ctx, o.length).wait(); !slept) return slept.error();
  if (o.id % 10 == 0) return pinion::error("task " + std::to_string(o.id) + ": simulated error");
  return "task " + std::to_string(o.id) + ": processed";
}

std::vector<order> orders() {
  std::vector<order> all;
  for (int id = 1; id <= 50; ++id) all.push_back({id, (id % 5 + 1) * 100ms});
  return all;
}

void run(pinion::duration timeout) {
  pinion::scheduler sched;
  const auto ctx = pinion::with_timeout(sched.root(), timeout);
  auto all = fan_out(sched, ctx, orders(), process, {.concurrency = 5});
  for (const auto& r : all) std::printf("%s\n", r ? r->c_str() : r.error().what().c_str());

  const auto report = all.report();
  std::printf("Processed: %ju, Failed: %ju", std::uintmax_t{report.succeeded},
              std::uintmax_t{report.failed});
  if (report.canceled + report.not_started != 0) {
    std::printf(", Canceled: %ju, Not started: %ju", std::uintmax_t{report.canceled},
                std::uintmax_t{report.not_started});
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  pinion::duration timeout = 10s;
  CLI::App app{"50 tasks, 5 at a time, each sleeping up to half a second; every tenth fails.",
               "worker_pool"};
  examples::add_duration(app, "--timeout", timeout, "10s", "for all tasks together");
  return examples::run(app, argc, argv, [&] { return run(timeout), 0; });
}
