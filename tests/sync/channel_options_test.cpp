// SPDX-License-Identifier: MIT
// What a channel does when it is full, and what values of every kind go through it.
#include "pinion/sync/channel_options.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/channels.hpp"
#include "tests/support/refusal.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/channel.hpp"

namespace {

using pinion::channel;
using pinion::errc;
using pinion::when_full;
using pinion::test::until_receivers;
using pinion::test::until_senders;
using pinion::test::waiting_thread;

struct dropping {
  explicit dropping(when_full policy)
      : ch({.capacity = 2, .policy = policy, .on_undelivered = [this](int&& n) {
              dropped.push_back(n);
            }}) {}
  std::vector<int> dropped;
  channel<int> ch;
};

TEST(channel_options, CH_25_the_newest_is_dropped_or_the_oldest_makes_room) {
  dropping newest(when_full::drop_newest), oldest(when_full::drop_oldest);
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(newest.ch.send(int{i}).wait());
    EXPECT_TRUE(oldest.ch.send(int{i}).wait());
    EXPECT_LE(newest.ch.size_approx(), 2u);
    EXPECT_LE(oldest.ch.size_approx(), 2u);
  }
  EXPECT_TRUE(newest.ch.try_send(5));
  EXPECT_TRUE(oldest.ch.try_send(5));
  EXPECT_EQ(newest.dropped, (std::vector{2, 3, 4, 5}));
  EXPECT_EQ(oldest.dropped, (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(newest.ch.close_and_take(), (std::vector{0, 1}));
  EXPECT_EQ(oldest.ch.close_and_take(), (std::vector{4, 5}));
}

TEST(channel_options, CH_25_what_drops_needs_a_capacity) {
  for (const auto policy : {when_full::drop_newest, when_full::drop_oldest}) {
    EXPECT_EQ(pinion::test::refusal_of([&] { channel<int> ch({.capacity = 0, .policy = policy}); }),
              "channel_options::capacity is 0, must be 1 or more to drop values");
  }
  EXPECT_THROW(channel<int>(~std::size_t{0}), std::bad_alloc);
}

TEST(channel_options, CH_25_a_receiver_that_waits_comes_before_the_buffer) {
  dropping oldest(when_full::drop_oldest);
  waiting_thread receives(oldest.ch.recv());
  until_receivers(oldest.ch, 1);
  EXPECT_TRUE(oldest.ch.try_send(1));
  EXPECT_EQ(receives.get().value(), 1);
  auto permits = std::pair(oldest.ch.reserve().wait().value(), oldest.ch.reserve().wait().value());
  EXPECT_TRUE(oldest.ch.try_send(2));  // both places are promised: nothing old makes room
  EXPECT_EQ(oldest.dropped, std::vector{2});
  std::move(permits.second).send(3);
  EXPECT_TRUE(oldest.ch.try_send(4));
  EXPECT_EQ(oldest.dropped, (std::vector{2, 3}));
}

template <class T>
void goes_through(T (*make)(int), int (*number)(const T&)) {
  for (const std::size_t capacity : {0u, 1u, 3u}) {
    channel<T> ch(capacity);
    {
      waiting_thread receives(ch.recv());
      until_receivers(ch, 1);
      EXPECT_TRUE(ch.send(make(1)).wait());
      EXPECT_EQ(number(receives.get().value()), 1);
    }
    for (std::size_t i = 0; i < capacity; ++i) EXPECT_TRUE(ch.try_send(make(2)));
    T refused = make(3);
    EXPECT_EQ(ch.try_send(std::move(refused)).error(), errc::not_ready);
    EXPECT_EQ(number(refused), 3);
    {
      waiting_thread sends(ch.send(std::move(refused)));
      until_senders(ch, 1);
      for (std::size_t i = 0; i < capacity; ++i) EXPECT_EQ(number(ch.try_recv().value()), 2);
      EXPECT_EQ(number(ch.recv_many(2).wait().value().at(0)), 3);
    }
    if (capacity == 0) continue;
    auto permit = ch.reserve().wait().value();
    std::move(permit).send(make(4));
    EXPECT_EQ(number(ch.close_and_take().at(0)), 4);
  }
}

struct nothing {};
struct alignas(256) wide {
  explicit wide(int n) : value(n) { check(); }
  wide(wide&& other) noexcept : value(other.value) { check(); }
  wide& operator=(wide&&) noexcept = default;
  void check() const { EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % alignof(wide), 0u); }
  int value;
};
using page = std::array<int, 1024>;

TEST(channel_options, CH_20_values_of_every_kind) {
  goes_through<int>([](int n) { return n; }, [](const int& n) { return n; });
  goes_through<std::unique_ptr<int>>([](int n) { return std::make_unique<int>(n); },
                                     [](const std::unique_ptr<int>& p) { return *p; });
  goes_through<wide>([](int n) { return wide(n); }, [](const wide& w) { return w.value; });
  goes_through<page>([](int n) { return page{n}; }, [](const page& p) { return p[0]; });
  goes_through<std::string>([](int n) { return std::to_string(n) + std::string(100, ' '); },
                            [](const std::string& s) { return std::stoi(s); });
  channel<nothing> ch(2);
  EXPECT_TRUE(ch.try_send({}));
  EXPECT_TRUE(ch.send({}).wait());
  EXPECT_FALSE(ch.try_send({}));
  EXPECT_TRUE(ch.recv().wait());
}

/// Throws in the n-th move from now on.
class thrower {
 public:
  explicit thrower(int n) : value_(n) { ++alive; }
  thrower(thrower&& other) : value_(other.value_) {
    if (at_move != nullptr) std::exchange(at_move, nullptr)();
    if (until_throw-- == 0) throw std::runtime_error("a move");
    other.value_ = -1;
    ++alive;
  }
  thrower& operator=(thrower&& other) {
    if (until_throw-- == 0) throw std::runtime_error("a move");
    value_ = std::exchange(other.value_, -1);
    return *this;
  }
  ~thrower() { --alive; }
  int value() const { return value_; }

  static inline std::function<void()> at_move;  // at the next one
  static inline std::atomic<int> until_throw{-1};
  static inline std::atomic<int> alive{0};

 private:
  int value_;
};

TEST(channel_options, CH_20_XC_14_a_value_whose_move_may_throw_goes_through) {
  thrower::until_throw = -1;
  goes_through<thrower>([](int n) { return thrower(n); },
                        [](const thrower& t) { return t.value(); });
  EXPECT_EQ(thrower::alive.load(), 0);
}

// One value in, one value out, with the k-th move of all failing, for each k.
TEST(channel_options, XC_14_a_move_that_throws_corrupts_nothing) {
  for (int k = 0; k < 12; ++k) {
    int undelivered = 0, received = 0, kept = 0;
    {
      channel<thrower> ch({.capacity = 2, .on_undelivered = [&](thrower&&) { ++undelivered; }});
      EXPECT_TRUE(ch.try_send(thrower(1)));
      thrower mine(2);
      thrower::until_throw = k;
      try {
        EXPECT_TRUE(ch.try_send(std::move(mine)));
      } catch (const std::runtime_error&) {
        ++kept;
        EXPECT_EQ(mine.value(), 2);
      }
      auto receive = ch.recv();
      for (int i = kept; i < 2; ++i) {
        auto got = receive.wait();
        if (!got) {
          EXPECT_EQ(got.error(), errc::failed);
          got = receive.wait();  // it is still there
        }
        received += got.has_value();
      }
      EXPECT_EQ(ch.try_recv().error(), errc::not_ready);
      thrower::until_throw = -1;
    }
    EXPECT_EQ(received + kept, 2) << k;
    EXPECT_EQ(undelivered, 0);
    EXPECT_EQ(thrower::alive.load(), 0);
  }
}

TEST(channel_options, XC_14_a_move_that_throws_on_the_way_out) {
  std::vector<int> undelivered;
  channel<thrower> ch(
      {.capacity = 3, .on_undelivered = [&](thrower&& t) { undelivered.push_back(t.value()); }});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ch.try_send(thrower(i)));
  thrower::until_throw = 0;
  EXPECT_EQ(ch.try_recv().error(), errc::failed);
  EXPECT_EQ(undelivered, std::vector{0});
  auto batch = ch.recv_many(5);
  thrower::until_throw = 1;
  EXPECT_EQ(batch.wait().value().size(), 1u);
  EXPECT_EQ(batch.wait().value().at(0).value(), 2);  // what could not be moved out has stayed
  auto permit = ch.reserve().wait().value();
  thrower last(7);
  thrower::until_throw = 1;  // the first makes the argument
  EXPECT_THROW(std::move(permit).send(std::move(last)), std::runtime_error);
  std::move(permit).send(thrower(8));
  EXPECT_EQ(ch.try_recv().value().value(), 8);
  thrower::until_throw = -1;
}

// Finds: a value that is moved into a channel that is full, and lost when it cannot be moved back.
TEST(channel_options, XC_14_a_value_that_was_not_sent_is_not_lost) {
  int undelivered = 0;
  channel<thrower> ch({.capacity = 1, .on_undelivered = [&](thrower&&) { ++undelivered; }});
  thrower mine(2);
  // Another is faster while it is moved into its item, and then it cannot be moved back.
  thrower::at_move = [&] { EXPECT_TRUE(ch.try_send(thrower(1))); };
  thrower::until_throw = 2;
  EXPECT_THROW((void)ch.try_send(std::move(mine)), std::runtime_error);
  EXPECT_EQ(undelivered, 1);
  // It is full from the beginning, or closed.
  thrower other(3);
  thrower::until_throw = 0;
  EXPECT_EQ(ch.try_send(std::move(other)).error(), errc::not_ready);
  ch.close();
  EXPECT_EQ(ch.try_send(std::move(other)).error(), errc::closed);
  EXPECT_EQ(other.value(), 3);
  thrower::until_throw = -1;
  EXPECT_EQ(ch.try_recv().value().value(), 1);
}

// Finds: a value that an iterator could not move out, and that nobody hears of.
TEST(channel_options, CH_17_CH_26_what_an_iterator_cannot_move_is_undelivered) {
  for (int k = 0; k < 6; ++k) {
    int undelivered = 0;
    int received = 0;
    {
      channel<thrower> ch({.capacity = 3, .on_undelivered = [&](thrower&&) { ++undelivered; }});
      for (int i = 0; i < 3; ++i) EXPECT_TRUE(ch.try_send(thrower(i)));
      ch.close();
      thrower::until_throw = k;
      try {
        for (const thrower& t : ch) received += t.value() >= 0 ? 1 : 0;
      } catch (const std::runtime_error&) {
      }
      thrower::until_throw = -1;
    }
    EXPECT_EQ(received + undelivered, 3) << "move " << k;
  }
  EXPECT_EQ(thrower::alive.load(), 0);
}

}  // namespace
