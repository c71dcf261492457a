// SPDX-License-Identifier: MIT
// What does it cost to send a number from one thread to another through a channel? Senders and
// receivers are threads of their own, as fast as they can. Decides the way around the lock, and
// what a wait does before it sleeps.
#include "pinion/sync/channel.hpp"

#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/compare/works.hpp"

namespace pinion::bench {
namespace {

struct channel_shape {
  std::size_t senders, receivers, capacity;
};

// From the moment all may start until all numbers have been received.
measurement channel_throughput(const channel_shape& shape) {
  const std::size_t full = shape.capacity == 0 ? 100'000 : 2'000'000;
  const std::size_t each = scaled(full, 1000) / shape.senders;
  const std::size_t each_received = each * shape.senders / shape.receivers;
  channel<std::uint64_t> numbers(shape.capacity);
  os::atomic<std::size_t> ready{0};
  os::atomic<bool> go{false};
  std::vector<std::thread> threads;
  std::vector<std::uint64_t> sums(shape.receivers);
  const auto begin = [&] {
    ready.fetch_add(1, std::memory_order_release);  // release: this thread is set up
    // acquire: pairs with the release below, so that nothing is sent before the start.
    while (!go.load(std::memory_order_acquire)) os::yield();
  };
  for (std::size_t i = 0; i < shape.senders; ++i) {
    threads.emplace_back([&] {
      begin();
      for (std::size_t n = 0; n < each; ++n) numbers.send(n).wait().value();
    });
  }
  for (std::size_t i = 0; i < shape.receivers; ++i) {
    threads.emplace_back([&, i] {
      begin();
      std::uint64_t sum = 0;
      for (std::size_t n = 0; n < each_received; ++n) sum += numbers.recv().wait().value();
      sums[i] = sum;
    });
  }
  // acquire: pairs with the release above.
  while (ready.load(std::memory_order_acquire) < threads.size()) os::yield();
  const time_point start = os::now();
  go.store(true, std::memory_order_release);  // release: the start was measured before
  for (std::thread& t : threads) t.join();
  const duration elapsed = os::now() - start;
  if (std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}) !=
      shape.senders * (each * (each - 1) / 2))
    throw std::logic_error("a number was lost or came twice");
  return {elapsed, static_cast<double>(each * shape.senders)};
}

}  // namespace

void add_channel() {
  for (const channel_shape shape :
       {channel_shape{1, 1, 1024}, {4, 4, 1024}, {1, 1, 0}, {4, 4, 0}}) {
    add_benchmark("compare/channel/" + std::string(pinion_pool::name) +
                      "/workers:" + std::to_string(usual_workers()) +
                      "/senders:" + std::to_string(shape.senders) +
                      "/capacity:" + std::to_string(shape.capacity) + "/unpinned",
                  [shape] {
                    (void)channel_throughput(shape);  // to warm up, as in the other program
                    return channel_throughput(shape);
                  });
  }
}

}  // namespace pinion::bench
