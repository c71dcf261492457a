// SPDX-License-Identifier: MIT
// What threads did with a channel, against what it promises: in each round some of them make a few
// calls at once, one takes what is left, and the history of all has to be linearizable.
#include <array>
#include <atomic>
#include <cstdint>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/linearizability.hpp"
#include "tests/support/queue_specs.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/channel.hpp"
#include "pinion/sync/context.hpp"

namespace {

using namespace pinion::test;
using pinion::channel;
using pinion::context;
using pinion::errc;

constexpr unsigned threads = 3;
constexpr unsigned calls_each = 4;

/// A channel of `Capacity` places, as one thread sees it. A batch takes in one step.
///
///     + sent   f refused: full   - received   0 refused: empty   x refused: closed   c close
template <std::size_t Capacity>
class channel_spec : public items_in_order {
 public:
  std::string key() const { return items_in_order::key() + (closed_ ? "closed" : ""); }
  bool apply(const call& c) {
    switch (c.what) {
      case '+':
        if (closed_ || items.size() + c.count > Capacity) return false;
        add(c);
        return true;
      case 'f':
        return !closed_ && items.size() == Capacity;
      case '-':
        return take_oldest(c);
      case '0':
        return !closed_ && items.empty();
      case 'c':
        return !closed_ && (closed_ = true);
      default:  // a send says so of any closed channel, a receive of one that is empty
        return closed_ && (c.count != 0 || items.empty());
    }
  }

 private:
  bool closed_ = false;
};

class meeting {
 public:
  void arrive_and_wait() {
    const std::size_t goal = (arrived_.fetch_add(1) / threads + 1) * threads;
    for (unsigned spins = 0; arrived_.load() < goal; ++spins)
      if (spins > 200) std::this_thread::yield();
  }

 private:
  std::atomic<std::size_t> arrived_{0};
};

/// One call that cannot wait, by one thread. `reserved` places are held by permits meanwhile.
class caller {
 public:
  caller(channel<std::uint32_t>& ch, recorder& r) : ch_(ch), recorder_(r) {}

  void act(std::uint32_t fresh, unsigned lot) {
    switch (lot % 16) {
      case 0:
        return close();
      case 1:
      case 2:
        return receive_many();
      default:
        return lot % 2 == 0 ? send(fresh) : static_cast<void>(receive());
    }
  }
  bool receive() {
    recorder_.begin();
    const auto got = ch_.try_recv();
    recorder_.end();
    if (got)
      recorder_.write('-', *got);
    else
      recorder_.write(got.error() == errc::closed ? 'x' : '0');
    return got.has_value();
  }

 private:
  void send(std::uint32_t value) {
    recorder_.begin();
    const auto sent = ch_.try_send(std::uint32_t{value});
    recorder_.end();
    if (sent)
      recorder_.write('+', value);
    else
      recorder_.write(sent.error() == errc::closed ? 'x' : 'f', value);
  }
  // Under a context that is done as soon as the call has begun to wait: nobody waits for long.
  void receive_many() {
    auto batch = ch_.recv_many(2);
    recorder_.begin();
    pinion::lock_set locks;
    locks.lock(batch);
    const bool done = batch.try_complete();
    locks.unlock(batch);
    const auto got =
        done ? batch.take() : pinion::result<std::vector<std::uint32_t>>(errc::not_ready);
    recorder_.end();
    if (got)
      recorder_.write('-', got->data(), got->size());
    else
      recorder_.write(got.error() == errc::closed ? 'x' : '0');
  }
  void close() {
    recorder_.begin();
    const bool first = ch_.close();
    recorder_.end();
    if (first) recorder_.write('c');
  }

  channel<std::uint32_t>& ch_;
  recorder& recorder_;
};

// Goal: CH-9: histories of try_send, try_recv, batches and close are those of a bounded queue: no
// false empty, no false full, no value out of order.
// Method: three threads, four calls each, on a fresh channel each round.
// Finds: a size that is read outside the lock, a close that looks before it locks.
template <std::size_t Capacity>
void expect_linearizable(std::size_t rounds) {
  std::atomic<std::uint64_t> clock{0};
  std::vector<recorder> recorders;
  for (unsigned i = 0; i < threads; ++i) recorders.emplace_back(clock, i);
  std::optional<channel<std::uint32_t>> ch(Capacity);
  meeting step;
  std::size_t bad = 0, calls = 0;
  std::string first_bad;
  run_threads(threads, [&](unsigned me) {
    auto random = generator(me);
    for (std::size_t round = 0; round < rounds; ++round) {
      step.arrive_and_wait();
      caller mine(*ch, recorders[me]);
      for (std::uint32_t n = 0; n < calls_each; ++n) {
        for (auto pause = random() % 16; pause > 0; --pause) pinion::os::spin_hint();
        mine.act(me * 1000 + n + 1, static_cast<unsigned>(random() >> 8));
      }
      step.arrive_and_wait();
      if (me != 0) continue;
      while (mine.receive()) {
      }
      history all;
      for (recorder& r : recorders) r.move_to(all);
      calls += all.size();
      if (!is_linearizable<channel_spec<Capacity>>(all) && bad++ == 0) first_bad = to_text(all);
      ch.emplace(Capacity);
    }
  });
  std::cout << "metric linearizability_calls=" << calls << std::endl;
  EXPECT_EQ(bad, 0u) << first_bad;
}

// Goal: a channel whose roads are open does what one does that has none.
// Method: the same calls on both, at random. While a place is reserved the roads are shut, so a
// channel with one place more, which is reserved, is the other one.
// Finds: a position that one of the ways leaves where the other does not expect it.
TEST(channel_history_stress, roads_do_what_the_lock_does) {
  auto random = generator(0);
  for (std::size_t round = 0; round < scaled(2000); ++round) {
    const std::size_t capacity = 1 + random() % 4;
    channel<std::uint32_t> roads(capacity), locked(capacity + 1);
    const auto reserved = locked.reserve().wait();
    for (std::uint32_t n = 0; n < 60; ++n) {
      switch (random() % 8) {
        case 0:
          if (roads.size_approx() == 0) break;
          EXPECT_EQ(*roads.recv_many(2).wait(), *locked.recv_many(2).wait());
          break;
        case 1:
          if (roads.size_approx() == capacity) break;
          std::move(*roads.reserve().wait()).send(n);
          std::move(*locked.reserve().wait()).send(n);
          break;
        case 2:
          if (roads.size_approx() == capacity) break;
          EXPECT_EQ(roads.send(n).wait().has_value(), locked.send(n).wait().has_value());
          break;
        case 3:
        case 4:
        case 5:
          EXPECT_EQ(roads.try_send(std::uint32_t{n}).has_value(),
                    locked.try_send(std::uint32_t{n}).has_value());
          break;
        default:
          EXPECT_EQ(roads.try_recv().value_or(~0U), locked.try_recv().value_or(~0U));
      }
      EXPECT_EQ(roads.size_approx(), locked.size_approx());
    }
  }
}

TEST(channel_history_stress, CH_9_CH_14_one_place) {
  expect_linearizable<1>(scaled(8000));
}
TEST(channel_history_stress, CH_9_CH_14_two_places) {
  expect_linearizable<2>(scaled(8000));
}

}  // namespace
