// SPDX-License-Identifier: MIT
// What do coroutines cost: to spawn and await one, a tree of a million, and to hand values from one
// to another through channels? Decides where frames come from, who runs a child, and whether a
// resumption wakes somebody.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "bench/compare/works.hpp"
#include <unistd.h>

#include "pinion/platform/os.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/when_all.hpp"
#include "pinion/sync/channel.hpp"
#include "pinion/sync/select.hpp"

namespace pinion::bench {
namespace {

scheduler_options with_workers(std::size_t workers) {
  scheduler_options o;
  o.workers = workers;
  o.pin = pinning::none();
  return o;
}

/// The second run of a job, which warms up with the first.
template <class Make>
measurement second_run(std::size_t workers, std::size_t items, Make&& make) {
  scheduler sched(with_workers(workers));
  if (!sched.submit(make(sched)).wait()) std::abort();
  const time_point start = os::now();
  if (!sched.submit(make(sched)).wait()) std::abort();
  return {os::now() - start, static_cast<double>(items)};
}

// --- Spawn and await.

task<std::size_t> leaf(std::size_t n) {
  co_return n;
}
task<std::size_t> await_each(std::size_t count) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += co_await leaf(i);
  co_return sum;
}

// --- A tree: each node has ten children, which give a number or what their children gave.
//
// A size is four bytes: two arguments of eight are stored one by one, and GCC 12 reads them as one
// of sixteen, which waits for the stores.

std::uint32_t leaves_of_tree() {
  return scaled(10, 1) < 10 ? 1'000 : 1'000'000;
}

task<std::uint64_t> skynet(std::uint64_t first, std::uint32_t size) {
  if (size == 1) co_return first;
  std::array<std::uint64_t, 10> sums{};
  co_await when_all(std::span(sums), [=, part = size / 10](std::size_t i) {
    return skynet(first + i * part, part);
  });
  std::uint64_t sum = 0;
  for (const std::uint64_t s : sums) sum += s;
  co_return sum;
}

#if defined(PINION_BENCH_ONETBB)
std::uint64_t skynet_on_groups(std::uint64_t first, std::uint32_t size) {
  if (size == 1) return first;
  std::array<std::uint64_t, 10> sums{};
  tbb::task_group children;
  for (std::size_t i = 0; i < 10; ++i) {
    children.run([&sums, i, first, part = size / 10] {
      sums[i] = skynet_on_groups(first + i * part, part);
    });
  }
  children.wait();
  std::uint64_t sum = 0;
  for (const std::uint64_t s : sums) sum += s;
  return sum;
}

measurement skynet_of_onetbb(std::size_t workers, std::uint32_t size) {
  tbb::task_arena arena(static_cast<int>(workers));
  arena.execute([=] { skynet_on_groups(0, size); });
  const time_point start = os::now();
  arena.execute([=] { skynet_on_groups(0, size); });
  return {os::now() - start, static_cast<double>(size)};
}
#endif

// --- Channels.

task<> echo(channel<int> in, channel<int> out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto got = co_await in.recv();
    (void)co_await out.send(got.value());
  }
}
task<> call(channel<int> out, channel<int> in, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    (void)co_await out.send(1);
    (void)co_await in.recv();
  }
}
task<> ping_pong(std::size_t count) {
  channel<int> there, back;
  (void)co_await when_all(call(there, back, count), echo(there, back, count));
}

task<> send_all(channel<std::size_t> out, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) (void)co_await out.send(i);
}
task<> receive_all(channel<std::size_t> in, std::size_t count) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += (co_await in.recv()).value();
  if (sum == 0 && count > 1) std::abort();
}
task<> both_ends(channel<std::size_t> through, std::size_t pairs, std::size_t each) {
  std::vector<task<>> ends;
  for (std::size_t i = 0; i < pairs; ++i) {
    ends.push_back(send_all(through, each));
    ends.push_back(receive_all(through, each));
  }
  co_await when_all(std::span(ends));
}

measurement through_channel(std::size_t workers, std::size_t capacity, std::size_t pairs) {
  const std::size_t each = scaled(1'000'000, 1000) / pairs;
  return second_run(workers, each * pairs, [=](scheduler&) {
    return both_ends(channel<std::size_t>(capacity), pairs, each);
  });
}

task<> receive_either(channel<std::size_t> a, channel<std::size_t> b, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    auto first = select(a.recv(), b.recv());
    if (!co_await first) std::abort();
  }
}
task<> select_of_two(std::size_t each) {
  channel<std::size_t> a, b;
  (void)co_await when_all(send_all(a, each), send_all(b, each), receive_either(a, b, 2 * each));
}

// --- A million that wait.

std::size_t resident_bytes() {
  std::size_t total = 0, resident = 0;
  if (FILE* statm = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(statm, "%zu %zu", &total, &resident) != 2) resident = 0;
    std::fclose(statm);
  }
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

task<> wait_on(channel<int>& never) {
  (void)co_await never.recv();
}

measurement blocked(std::size_t workers) {
  const std::size_t count = scaled(1'000'000, 1000);
  channel<int> never;
  scheduler sched(with_workers(workers));
  sched.attach();
  const std::size_t before = resident_bytes();
  const time_point start = os::now();
  for (std::size_t i = 0; i < count; ++i) sched.post(wait_on(never));
  // It counts them one by one, with the lock that each of them needs to begin its wait.
  while (never.waiting_to_receive() != count) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const duration elapsed = os::now() - start;
  const double bytes = static_cast<double>(resident_bytes() - before);
  never.close();
  (void)sched.drain().wait();
  return measurement{elapsed, static_cast<double>(count)}.with("bytes",
                                                               bytes / static_cast<double>(count));
}

template <class F>
void add(const std::string& work, std::size_t workers, const std::string& parameters, F run) {
  add_benchmark(name_of<pinion_pool>(work, {workers}, parameters + "/unpinned"), std::move(run));
}

}  // namespace

void add_coroutines() {
  const std::size_t workers = usual_workers();
  add("task_await", 1, "", [] {
    const std::size_t count = scaled(1'000'000, 1000);
    return second_run(1, count, [=](scheduler&) { return await_each(count); });
  });
  add("skynet", workers, "", [=] {
    const std::uint32_t leaves = leaves_of_tree();
    return second_run(workers, leaves, [=](scheduler&) { return skynet(0, leaves); });
  });
#if defined(PINION_BENCH_ONETBB)
  add_benchmark(name_of<onetbb>("skynet", {workers}, "/unpinned"),
                [=] { return skynet_of_onetbb(workers, leaves_of_tree()); });
#endif
  add("ping_pong", 1, "", [] {
    const std::size_t count = scaled(300'000, 1000);
    return second_run(1, count, [=](scheduler&) { return ping_pong(count); });
  });
  for (const std::size_t capacity : {0, 1024}) {
    for (const std::size_t pairs : {1, 4}) {
      add("channel", workers,
          "/capacity:" + std::to_string(capacity) + "/pairs:" + std::to_string(pairs),
          [=] { return through_channel(workers, capacity, pairs); });
    }
  }
  add("select_two", workers, "", [=] {
    const std::size_t each = scaled(500'000, 1000);
    return second_run(workers, 2 * each, [=](scheduler&) { return select_of_two(each); });
  });
  add("blocked", workers, "", [=] { return blocked(workers); });
}

}  // namespace pinion::bench
