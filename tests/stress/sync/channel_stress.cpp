// SPDX-License-Identifier: MIT
// Channels under load: every value is received once, or comes back, or is reported, whatever is
// canceled, closed or dropped meanwhile; and the histories are those of a queue.
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/channels.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/platform/cpu.hpp"
#include "pinion/sync/channel.hpp"
#include "pinion/sync/context.hpp"

namespace {

using namespace pinion::test;
using pinion::channel;
using pinion::context;
using pinion::errc;
using pinion::receiver;
using pinion::scoped_context;
using pinion::sender;
using pinion::with_cancel;

class channel_stress : public stress {};

const std::size_t capacities[] = {0, 1, 2, 16};

// Goal: CH-3 and CH-7 under load: each value arrives once, those of one sender in their order.
// Method: all forms of sending and receiving, chosen at random; the last sender closes.
// Finds: waiters passed over at the change from full to empty (hangs), a place given away twice.
TEST_P(channel_stress, CH_3_CH_7_each_value_arrives_once_and_in_order) {
  for (const std::size_t capacity : capacities) {
    const std::size_t each = scaled(10000) / threads() + 1;
    channel<std::size_t> ch(capacity);
    tally arrived(each * threads());
    {
      std::vector<std::optional<sender<std::size_t>>> in(threads());
      for (auto& s : in) s.emplace(ch);
      run_threads(2 * threads(), [&](unsigned i) {
        auto random = generator(i);
        if (i % 2 == 0) {
          auto mine = std::move(*in[i / 2]);
          in[i / 2].reset();
          for (std::size_t n = 0; n < each; ++n) {
            std::size_t value = i / 2 * each + n;
            switch (random() % 3) {
              case 0:
                EXPECT_TRUE(mine.send(value).wait());
                break;
              case 1:
                if (mine.try_send(std::size_t{value})) break;
                EXPECT_TRUE(mine.send(value).wait());
                break;
              default:
                if (capacity == 0) {
                  EXPECT_TRUE(mine.send(value).wait());
                } else {
                  std::move(mine.reserve().wait().value()).send(value);
                }
            }
          }
        } else {
          std::vector<std::size_t> last(threads(), 0);
          const auto take = [&](std::size_t value) {
            arrived.take(value);
            std::size_t& before = last[value / each];
            EXPECT_LE(before, value % each);
            before = value % each + 1;
          };
          for (bool open = true; open;) {
            if (random() % 2 == 0) {
              auto got = ch.recv().wait();
              open = got.has_value();
              if (open) take(*got);
            } else {
              auto got = ch.recv_many(1 + random() % 20).wait();
              open = got.has_value();
              if (open)
                for (const std::size_t value : *got) take(value);
            }
          }
        }
      });
    }
    arrived.expect_each_once();
    EXPECT_EQ(ch.waiting_to_send() + ch.waiting_to_receive(), 0u);
    EXPECT_EQ(ch.size_approx(), 0u);
  }
}

// Goal: CH-7, CH-13, CH-14, CH-21: a value is in one place at the end, whatever ends its wait.
// Method: threads send and receive under contexts that others cancel, and with permits that are
// dropped; at a random moment the channel is closed, or its last receiver goes, or nothing happens
// until it is destroyed. Values sent plus values that came back are all values; objects made are
// objects destroyed.
// Finds: a claim before the value is moved, a value moved before the claim, a close that passes
// over a waiter, a cancel that takes a value along.
TEST_P(channel_stress, CH_7_CH_14_CH_21_cancel_close_and_drop_lose_nothing) {
  const std::size_t rounds = scaled(1500) / threads() + 4;
  auto lots = generator(99);
  for (std::size_t round = 0; round < rounds; ++round) {
    counted::reset();
    std::atomic<std::size_t> sent{0}, received{0}, undelivered{0}, taken{0};
    {
      auto ctx = with_cancel(context::background());
      std::optional<channel<counted>> ch(
          std::in_place, pinion::channel_options<counted>{.capacity = capacities[round % 4],
                                                          .on_undelivered = [&](counted&& c) {
                                                            const counted gone(std::move(c));
                                                            ++undelivered;
                                                          }});
      auto out = std::make_unique<receiver<counted>>(*ch);
      const auto seed_of_round = lots();
      run_threads(threads() + 2, [&](unsigned i) {
        std::minstd_rand random(seed_of_round + i);
        if (i == 0) {
          for (auto pause = random() % 300; pause > 0; --pause) pinion::cpu_pause();
          switch (random() % 4) {
            case 0:
              ch->close();
              break;
            case 1:
              out.reset();
              break;
            case 2:
              taken += ch->close_and_take().size();
              break;
            default:
              break;
          }
          for (auto pause = random() % 300; pause > 0; --pause) pinion::cpu_pause();
          ctx.cancel();
          return;
        }
        for (int n = 0; n < 20; ++n) {
          if (i % 2 == 0) {
            received +=
                random() % 2 == 0 ? ch->recv(ctx).wait().has_value() : ch->try_recv().has_value();
          } else if (random() % 4 != 0) {
            sent += ch->send(ctx, counted(n)).wait().has_value();
          } else if (auto permit = ch->reserve(ctx).wait(); permit && random() % 2 == 0) {
            std::move(*permit).send(counted(n));
            ++sent;
          }
        }
      });
      EXPECT_EQ(ch->waiting_to_send() + ch->waiting_to_receive(), 0u);
      out.reset();
    }
    EXPECT_EQ(sent.load(), received.load() + undelivered.load() + taken.load());
    EXPECT_EQ(counted::alive(), 0u);
  }
}

// Goal: a sender that need not wait touches nothing once its value can be received: whoever gets it
// may destroy the channel at once.
// Method: one value through a fresh channel with one place, whose receiver destroys it; half of the
// receivers wait, the others find the value.
// Finds, under AddressSanitizer: touching the channel or the waiter after the wake.
TEST_P(channel_stress, destroy_after_the_wait) {
  const std::size_t rounds = scaled(8000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    std::vector<std::optional<channel<int>>> there(rounds), back(rounds);
    for (auto& ch : there) ch.emplace(1);
    for (auto& ch : back) ch.emplace(1);
    std::thread other([&] {
      for (std::size_t r = 0; r < rounds; ++r) {
        EXPECT_TRUE(there[r]->recv().wait());
        there[r].reset();
        EXPECT_TRUE(back[r]->send(1).wait());
      }
    });
    for (std::size_t r = 0; r < rounds; ++r) {
      EXPECT_TRUE(there[r]->send(1).wait());
      EXPECT_TRUE(back[r]->recv().wait());
      back[r].reset();
    }
    other.join();
  });
}

// Goal: CH-21: leaving the line from the middle costs the same however long it is.
// Method: many waits, of which all are canceled by one context.
TEST_P(channel_stress, CH_21_many_waits_end_with_their_context) {
  const std::size_t rounds = scaled(400) / threads() + 1;
  for (std::size_t r = 0; r < rounds; ++r) {
    auto ctx = with_cancel(context::background());
    channel<int> ch;
    run_threads(threads() + 1, [&](unsigned i) {
      if (i == 0) {
        until([&] { return ch.waiting_to_receive() + ch.waiting_to_send() > 0; });
        ctx.cancel();
      } else if (r % 2 == 0) {
        EXPECT_EQ(ch.recv(ctx).wait().error(), errc::canceled);
      } else {
        EXPECT_EQ(ch.send(ctx, 1).wait().error(), errc::canceled);
      }
    });
    EXPECT_EQ(ch.waiting_to_receive() + ch.waiting_to_send(), 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(sync, channel_stress, shapes(), name);

}  // namespace
