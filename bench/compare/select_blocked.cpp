// SPDX-License-Identifier: MIT
// What does it cost to wait in the lines of several channels at once, be called from one of them
// and leave the others? Four channels stay idle and a fifth gets a value, again and again. Who
// waits is a coroutine on the thread that sends, so nobody's wake-up is in it. Decides how long a
// select may hold its locks.
#include <coroutine>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <utility>

#include "bench/compare/works.hpp"

#include "pinion/platform/os.hpp"
#include "pinion/sync/channel.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/select.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion::bench {
namespace {

using numbers = channel<std::uint64_t>;

/// Runs what it was posted when it is told to. One coroutine posts at most one.
class by_hand final : public executor {
 public:
  bool post(work_item& item) noexcept override { return next_ = &item, true; }
  time_source& time() noexcept override { return system_time(); }

  void run() {
    if (next_ == nullptr) std::abort();
    work_item& item = *std::exchange(next_, nullptr);
    item.run(item);
  }

 private:
  work_item* next_ = nullptr;
};

struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

// Until the fifth is closed.
detached add_up(numbers (&idle)[4], numbers& busy, std::uint64_t& sum) {
  for (;;) {
    auto won = co_await select(idle[0].recv(), idle[1].recv(), idle[2].recv(), idle[3].recv(),
                               busy.recv());
    if (!get<4>(*won)) co_return;
    sum += *get<4>(*won);
  }
}

measurement select_blocked() {
  by_hand where;
  const executor_scope here(where);
  numbers idle[4], busy;
  std::uint64_t sum = 0;
  add_up(idle, busy, sum);
  const std::size_t count = scaled(500'000, 500);
  const auto send_all = [&] {
    for (std::size_t i = 0; i < count; ++i) {
      if (!busy.try_send(1)) std::abort();
      where.run();
    }
  };
  send_all();
  const time_point start = os::now();
  send_all();
  const duration elapsed = os::now() - start;
  busy.close();
  where.run();
  if (sum != 2 * count) std::abort();
  return {elapsed, static_cast<double>(count)};
}

}  // namespace

void add_select_blocked() {
  add_benchmark(name_of<pinion_pool>("select_blocked", {usual_workers()}, "/unpinned"),
                select_blocked);
}

}  // namespace pinion::bench
