// SPDX-License-Identifier: MIT
// Channels: what is sent is received, once, in order; how a channel ends; who keeps it open.
#include "pinion/sync/channel.hpp"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/allocations.hpp"
#include "tests/support/channels.hpp"
#include "tests/support/contexts.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"

namespace {

using pinion::channel;
using pinion::channel_options;
using pinion::context;
using pinion::errc;
using pinion::receiver;
using pinion::sender;
using pinion::with_cancel;
using pinion::test::allocation_count;
using pinion::test::counted;
using pinion::test::until;
using pinion::test::until_receivers;
using pinion::test::until_senders;
using pinion::test::waiting_thread;
using pinion::test::waits_under;

// Without a buffer, with the smallest, and with one that wraps.
const std::size_t capacities[] = {0, 1, 3};

using sending = waiting_thread<pinion::send_op<int>>;
using receiving = waiting_thread<pinion::receive_op<int>>;

TEST(channel, CH_1_without_capacity_a_send_waits_for_its_receive) {
  channel<int> ch;
  sending sends(ch.send(7));
  until_senders(ch, 1);
  EXPECT_EQ(ch.size_approx(), 0u);
  EXPECT_EQ(ch.try_send(8).error(), errc::not_ready);
  EXPECT_EQ(ch.recv().wait().value(), 7);
  EXPECT_TRUE(sends.get());
}

TEST(channel, CH_2_as_many_sends_complete_as_there_are_places) {
  for (std::size_t capacity = 0; capacity < 6; ++capacity) {
    channel<int> ch(capacity);
    EXPECT_EQ(ch.capacity(), capacity);
    for (std::size_t i = 0; i < capacity; ++i) EXPECT_TRUE(ch.send(1).wait());
    EXPECT_EQ(ch.try_send(1).error(), errc::not_ready);
    sending next(ch.send(2));
    until_senders(ch, 1);
    EXPECT_EQ(ch.size_approx(), capacity);
    EXPECT_TRUE(ch.recv().wait());
    EXPECT_TRUE(next.get());
  }
}

// A wait that has twice found a few values only puts off its next look, and must make it all the
// same: all of this is there at once, and nobody would wake it.
TEST(channel, CH_2_a_look_that_is_put_off_is_made) {
  channel<int> ch(64);
  int next = 0, expected = 0;
  const auto receive = [&](int count) {
    for (int i = 0; i < count; ++i) ASSERT_EQ(ch.recv().wait().value(), expected++);
  };
  for (int burst = 1; burst < 8; ++burst) {
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < burst; ++i) ASSERT_TRUE(ch.send(next++).wait());
      receive(burst);
    }
  }
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(ch.send(next++).wait());
  for (int burst = 1; burst < 8; ++burst) {
    for (int round = 0; round < 4; ++round) {
      receive(burst);
      for (int i = 0; i < burst; ++i) ASSERT_TRUE(ch.send(next++).wait());
      ASSERT_EQ(ch.try_send(0).error(), errc::not_ready);
    }
  }
}

TEST(channel, CH_3_values_keep_their_order_across_full_and_empty) {
  for (const std::size_t capacity : capacities) {
    channel<int> ch(capacity);
    std::thread producer([&] {
      for (int i = 0; i < 2000; ++i) EXPECT_TRUE(ch.send(i).wait());
      ch.close();
    });
    for (int i = 0; i < 2000; ++i) EXPECT_EQ(ch.recv().wait().value(), i);
    producer.join();
    EXPECT_EQ(ch.recv().wait().error(), errc::closed);
  }
}

TEST(channel, CH_3_senders_that_wait_are_served_in_order) {
  for (const std::size_t capacity : capacities) {
    channel<int> ch(capacity);
    for (std::size_t i = 0; i < capacity; ++i) EXPECT_TRUE(ch.send(static_cast<int>(i)).wait());
    std::vector<std::unique_ptr<sending>> waits;
    const int first = static_cast<int>(capacity);
    for (int i = first; i < first + 4; ++i) {
      waits.push_back(std::make_unique<sending>(ch.send(i)));
      until_senders(ch, waits.size());
    }
    for (int i = 0; i < first + 4; ++i) EXPECT_EQ(ch.recv().wait().value(), i);
  }
}

TEST(channel, CH_4_the_oldest_receiver_that_still_waits_gets_the_value) {
  for (const std::size_t capacity : capacities) {
    channel<int> ch(capacity);
    auto ctx = with_cancel(context::background());
    receiving gone(ch.recv(ctx));
    until([&] { return waits_under(ctx) == 1; });
    receiving first(ch.recv());
    until_receivers(ch, 2);
    receiving second(ch.recv());
    until_receivers(ch, 3);
    ctx.cancel();
    EXPECT_TRUE(ch.try_send(1));
    EXPECT_EQ(ch.size_approx(), 0u);  // handed over, past no buffer
    EXPECT_TRUE(ch.send(2).wait());
    EXPECT_EQ(gone.get().error(), errc::canceled);
    EXPECT_EQ(first.get().value(), 1);
    EXPECT_EQ(second.get().value(), 2);
  }
}

TEST(channel, CH_5_CH_6_a_receive_lets_the_oldest_blocked_sender_in) {
  channel<int> ch(2);
  EXPECT_TRUE(ch.try_send(0));
  EXPECT_TRUE(ch.try_send(1));
  sending third(ch.send(2));
  until_senders(ch, 1);
  sending fourth(ch.send(3));
  until_senders(ch, 2);
  EXPECT_EQ(ch.try_recv().value(), 0);
  EXPECT_EQ(ch.size_approx(), 2u);  // the place was given away in the same step
  EXPECT_EQ(ch.waiting_to_send(), 1u);
  EXPECT_EQ(ch.try_send(9).error(), errc::not_ready);  // and nobody can take it
  EXPECT_TRUE(third.get());
  for (int i = 1; i < 4; ++i) EXPECT_EQ(ch.try_recv().value(), i);
  EXPECT_TRUE(fourth.get());
  EXPECT_EQ(ch.waiting_to_send() + ch.waiting_to_receive(), 0u);
}

TEST(channel, CH_7_CH_17_what_nobody_receives_is_reported_and_destroyed_once) {
  counted::reset();
  std::vector<int> seen;
  {
    channel<counted> ch(
        {.capacity = 4, .on_undelivered = [&](counted&& c) { seen.push_back(c.value()); }});
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(ch.send(counted(i)).wait());
    EXPECT_EQ(ch.recv().wait().value().value(), 0);
  }
  EXPECT_EQ(seen, (std::vector{1, 2}));
  EXPECT_EQ(counted::alive(), 0u);
  EXPECT_EQ(counted::ended(), 3u);
}

TEST(channel, CH_10_the_size_is_exact_when_nobody_is_at_it) {
  channel<int> ch(3);
  for (std::size_t n = 0; n < 3; ++n) {
    EXPECT_EQ(ch.size_approx(), n);
    EXPECT_TRUE(ch.try_send(1));
  }
  EXPECT_TRUE(ch.try_recv());
  EXPECT_EQ(ch.size_approx(), 2u);
}

TEST(channel, CH_11_one_close_wins) {
  channel<int> ch(1);
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { won += static_cast<int>(ch.close()); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(won.load(), 1);
  EXPECT_FALSE(ch.close());
  EXPECT_TRUE(ch.closed());
}

TEST(channel, CH_12_CH_15_after_close_sends_fail_and_what_is_left_is_received) {
  channel<std::unique_ptr<int>> ch(2);
  EXPECT_TRUE(ch.try_send(std::make_unique<int>(1)));
  EXPECT_TRUE(ch.try_send(std::make_unique<int>(2)));
  EXPECT_TRUE(ch.close());
  auto late = std::make_unique<int>(3);
  EXPECT_EQ(ch.try_send(std::move(late)).error(), errc::closed);
  EXPECT_EQ(*late, 3);
  auto op = ch.send(std::move(late));
  EXPECT_EQ(op.wait().error(), errc::closed);
  EXPECT_EQ(*op.payload(), 3);
  EXPECT_EQ(*ch.try_recv().value(), 1);
  EXPECT_EQ(*ch.recv().wait().value(), 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ch.try_recv().error(), errc::closed);
    EXPECT_EQ(ch.recv().wait().error(), errc::closed);
  }
}

TEST(channel, CH_13_close_ends_every_wait_once) {
  for (const std::size_t capacity : capacities) {
    channel<int> ch(capacity);
    std::vector<std::unique_ptr<receiving>> receives;
    for (std::size_t i = 0; i < 5; ++i) receives.push_back(std::make_unique<receiving>(ch.recv()));
    until_receivers(ch, 5);
    EXPECT_TRUE(ch.close());
    for (auto& r : receives) EXPECT_EQ(r->get().error(), errc::closed);

    channel<int> full(capacity);
    for (std::size_t i = 0; i < capacity; ++i) EXPECT_TRUE(full.try_send(0));
    std::vector<std::unique_ptr<sending>> sends;
    for (int i = 0; i < 5; ++i) sends.push_back(std::make_unique<sending>(full.send(int{i})));
    until_senders(full, 5);
    EXPECT_TRUE(full.close());
    for (int i = 0; i < 5; ++i) {
      auto& send = *sends[static_cast<std::size_t>(i)];
      EXPECT_EQ(send.get().error(), errc::closed);
      EXPECT_EQ(send.operation().payload(), i);
    }
    EXPECT_EQ(full.close_and_take().size(), capacity);
  }
}

TEST(channel, CH_16_receivers_see_the_cause_after_what_is_left) {
  channel<int> ch(1);
  EXPECT_TRUE(ch.try_send(1));
  EXPECT_TRUE(ch.close(errc::overloaded));
  EXPECT_FALSE(ch.close(errc::stopped));
  EXPECT_EQ(ch.recv().wait().value(), 1);
  for (const auto& e : {ch.recv().wait().error(), ch.try_recv().error(), ch.send(1).wait().error(),
                        ch.try_send(1).error()}) {
    EXPECT_EQ(e, errc::closed);
    EXPECT_EQ(e.cause(), make_error_code(errc::overloaded));
  }
}

TEST(channel, CH_17_close_and_take_gives_what_was_buffered_to_the_caller) {
  int undelivered = 0;
  channel<int> ch({.capacity = 4, .on_undelivered = [&](int&&) { ++undelivered; }});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ch.try_send(int{i}));
  EXPECT_EQ(ch.close_and_take(), (std::vector{0, 1, 2}));
  EXPECT_EQ(ch.recv().wait().error(), errc::closed);
  EXPECT_TRUE(ch.close_and_take().empty());
  EXPECT_EQ(undelivered, 0);
}

TEST(channel, CH_17_XC_5_on_undelivered_may_use_the_channel) {
  std::vector<std::string> log;
  channel<int>* self = nullptr;
  channel<int> ch(
      {.capacity = 1, .policy = pinion::when_full::drop_newest, .on_undelivered = [&](int&& n) {
         log.push_back(std::to_string(n) + " of " + std::to_string(self->size_approx()));
         throw 1;  // reported, and nothing else
       }});
  self = &ch;
  testing::internal::CaptureStderr();
  EXPECT_TRUE(ch.try_send(1));
  EXPECT_TRUE(ch.try_send(2));
  EXPECT_TRUE(ch.send(3).wait());
  EXPECT_NE(testing::internal::GetCapturedStderr().find("on_undelivered"), std::string::npos);
  EXPECT_EQ(log, (std::vector<std::string>{"2 of 1", "3 of 1"}));
}

TEST(channel, CH_18_the_last_sender_closes) {
  channel<int> ch(2);
  {
    sender<int> one(ch);
    sender<int> two(one);
    sender<int> moved(std::move(one));
    EXPECT_TRUE(two.try_send(1));
    two = moved;
    EXPECT_FALSE(ch.closed());
  }
  EXPECT_TRUE(ch.closed());
  EXPECT_EQ(ch.recv().wait().value(), 1);
  EXPECT_EQ(ch.recv().wait().error(), errc::closed);
}

TEST(channel, CH_18_the_last_receiver_ends_sends_and_buffered_values_go_then) {
  counted::reset();
  channel<counted> ch(1);
  sender<counted> in(ch);
  auto out = std::make_unique<receiver<counted>>(ch);
  EXPECT_TRUE(in.try_send(counted(1)));
  waiting_thread blocked(in.send(counted(2)));
  until_senders(ch, 1);
  receiver<counted> second(*out);
  out.reset();
  EXPECT_EQ(counted::ended(), 0u);
  { receiver<counted> last(std::move(second)); }
  EXPECT_EQ(counted::ended(), 1u);
  EXPECT_EQ(blocked.get().error(), errc::closed);
  EXPECT_EQ(blocked.operation().payload().value(), 2);
  EXPECT_EQ(in.try_send(counted(3)).error(), errc::closed);
}

TEST(channel, CH_18_only_counted_handles_close) {
  channel<int> ch(1);
  {
    const channel<int> copy = ch;
    channel<int> other(ch);
  }
  EXPECT_FALSE(ch.closed());  // no handle that counts has existed
  sender<int> in(ch);
  { receiver<int> out(ch); }
  EXPECT_TRUE(ch.closed());
}

TEST(channel, CH_19_a_channel_goes_through_a_channel) {
  channel<channel<int>> outer(1);
  channel<int> inner(1);
  EXPECT_TRUE(outer.try_send(channel<int>(inner)));
  EXPECT_TRUE(outer.recv().wait().value().try_send(7));
  EXPECT_EQ(inner.try_recv().value(), 7);
}

// Uses the channel it was in when it goes.
struct meddler {
  explicit meddler(channel<meddler>* in) noexcept : ch(in) {}
  meddler(meddler&& other) noexcept : ch(std::exchange(other.ch, nullptr)) {}
  ~meddler() {
    if (ch == nullptr) return;
    EXPECT_FALSE(ch->try_recv());
    EXPECT_FALSE(ch->try_send(meddler(nullptr)));
    EXPECT_FALSE(ch->close());
  }
  channel<meddler>* ch;
};

TEST(channel, CH_19_the_destructor_of_a_value_may_use_the_channel) {
  channel<meddler> ch(1);
  {
    receiver<meddler> out(ch);
    EXPECT_TRUE(ch.try_send(meddler(&ch)));
  }
  EXPECT_EQ(ch.size_approx(), 0u);
  EXPECT_TRUE(ch.closed());
}

// A channel of capacity c is a semaphore of c permits. The data is plain: ThreadSanitizer looks.
TEST(channel, CH_27_a_receive_comes_before_the_send_that_takes_its_place) {
  for (const std::size_t capacity : {std::size_t{1}, std::size_t{2}}) {
    channel<int> ch(capacity);
    std::vector<int> counts(capacity);
    channel<std::size_t> places(capacity);
    for (std::size_t i = 0; i < capacity; ++i) EXPECT_TRUE(places.try_send(std::size_t{i}));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 300; ++i) {
          EXPECT_TRUE(ch.send(1).wait());
          std::size_t place = places.recv().wait().value();
          ++counts[place];
          EXPECT_TRUE(places.try_send(std::move(place)));
          EXPECT_TRUE(ch.recv().wait());
        }
      });
    for (auto& t : threads) t.join();
    int sum = 0;
    for (const int n : counts) sum += n;
    EXPECT_EQ(sum, 1200);
  }
}

TEST(channel, CH_27_what_was_done_before_a_send_and_a_close_is_visible) {
  for (const std::size_t capacity : capacities) {
    channel<int> ch(capacity);
    int before_send = 0, before_close = 0;
    std::thread producer([&] {
      before_send = 1;
      EXPECT_TRUE(ch.send(1).wait());
      before_close = 1;
      ch.close();
    });
    EXPECT_TRUE(ch.recv().wait());
    EXPECT_EQ(before_send, 1);
    EXPECT_FALSE(ch.recv().wait());
    EXPECT_EQ(before_close, 1);
    producer.join();
  }
}

TEST(channel, XC_10_nothing_is_allocated_on_the_way) {
  for (const std::size_t capacity : capacities) {
    channel<int> ch(capacity);
    std::thread peer([&] {
      for (int i = 0; i < 100; ++i) EXPECT_TRUE(ch.send(int{i}).wait());
    });
    EXPECT_TRUE(ch.recv().wait());  // the thread has started
    const allocation_count count;
    for (int i = 1; i < 99; ++i) EXPECT_TRUE(ch.recv().wait());
    EXPECT_EQ(count.get(), 0u);
    EXPECT_TRUE(ch.recv().wait());
    peer.join();
  }
}

}  // namespace
