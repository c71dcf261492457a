// SPDX-License-Identifier: MIT
// Selects against each other and against all that can end them: each value arrives once, nobody is
// left behind, and "not ready" is true at one instant.
#include <atomic>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "tests/support/handover.hpp"
#include "tests/support/stress.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "pinion/sync/select.hpp"

namespace {

using namespace pinion::test;
using pinion::context;
using pinion::errc;
using pinion::select;
using pinion::select_among;
using pinion::try_select;
using pinion::with_cancel;

class select_stress : public stress {};

/// What each thread of a test has sent and received.
struct traffic {
  explicit traffic(std::size_t numbers) : sent(numbers), received(numbers) {}

  std::vector<std::atomic<std::uint8_t>> sent, received;
  std::atomic<std::size_t> next{0}, total{0};
};

// Goal: SEL-13 and SEL-15. Two selects that can serve each other pair exactly, whatever the order
// of their cases: what is sent is received, once, and nobody meets himself. Method: every thread
// would send or receive at either of two places, in two orders of cases. When enough was received
// all are canceled. Finds: taking the locks in the order of the cases (hangs); enlisting with one
// lock at a time (two that have met twice lose a value).
TEST_P(select_stress, SEL_13_SEL_15_selects_pair) {
  const std::size_t goal = scaled(100'000);
  const unsigned count = 2 * threads();
  traffic all(goal + 4 * std::size_t{count});
  handover<int> x, y;
  auto ctx = with_cancel(context::background());
  run_threads(count, [&](unsigned i) {
    int mine = static_cast<int>(all.next++);
    const auto sends = [&] {
      all.sent[static_cast<std::size_t>(mine)]++;
      mine = static_cast<int>(all.next++);
    };
    const auto receives = [&](int n) {
      all.received[static_cast<std::size_t>(n)]++;
      if (++all.total == goal) ctx.cancel();
    };
    const auto once = [&](handover<int>& a, handover<int>& b) {
      auto won = select(ctx, a.send(mine), b.recv(), a.recv(), b.send(mine)).wait();
      if (!won) return false;
      if (won->index() == 1) receives(get<1>(*won).value());
      if (won->index() == 2) receives(get<2>(*won).value());
      if (won->index() % 3 == 0) sends();
      return true;
    };
    while (i % 2 == 0 ? once(x, y) : once(y, x)) {
    }
  });
  EXPECT_GE(all.total.load(), goal);
  EXPECT_EQ(x.waiting() + y.waiting(), 0u);
  std::size_t wrong = 0;
  for (std::size_t n = 0; n < all.sent.size(); ++n) {
    wrong += all.sent[n] > 1 || all.sent[n] != all.received[n];
  }
  EXPECT_EQ(wrong, 0u);
}

// Goal: a number given to one of many boxes arrives once, at whoever waits for it among others,
// with more objects in one select than locks are kept at a time. Method: half of the threads give,
// the others take from any of the boxes, each in an order of its own; when all have arrived the
// selects are canceled. Finds: a loser that has an effect (numbers are lost).
TEST_P(select_stress, SEL_3_one_case_takes_effect) {
  constexpr std::size_t boxes = 12;
  const std::size_t count = scaled(200'000);
  std::vector<mailbox> all(boxes);
  tally taken(count);
  std::atomic<std::size_t> next{0}, got{0};
  auto over = with_cancel(context::background());
  run_threads(2 * threads(), [&](unsigned i) {
    auto random = generator(i);
    if (i % 2 == 0) {
      for (std::size_t n = next++; n < count; n = next++) {
        all[random() % boxes].give(static_cast<int>(n));
      }
      return;
    }
    std::vector<mailbox::taking> cases;
    for (std::size_t c = 0; c < boxes; ++c) cases.push_back(all[(i + c * 5) % boxes].take());
    auto any = select_among(over, std::span(cases));
    while (auto won = any.wait()) {
      taken.take(static_cast<std::size_t>(won->value.value()));
      if (++got == count) over.cancel();
    }
  });
  taken.expect_each_once();
  for (mailbox& box : all) EXPECT_EQ(box.kept() + waiters_of(box.waiting), 0u);
}

// Goal: SEL-7. A number that is in one of two boxes at every instant is always found.
// Method: it is moved to and fro under both locks while a select looks; each number is put back.
// Finds: looking at the cases one after the other, each under its own lock.
TEST_P(select_stress, SEL_7_not_ready_is_true_at_one_instant) {
  const std::size_t rounds = scaled(1'000'000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    mailbox a, b;
    a.give(1);
    std::atomic<bool> stop{false};
    std::thread mover([&] {
      while (!stop) a.move_to(b), b.move_to(a);
    });
    std::size_t missed = 0;
    for (std::size_t r = 0; r < rounds; ++r) {
      if (try_select(a.take(), b.take())) {
        a.give(1);
      } else {
        ++missed;
      }
    }
    stop = true;
    mover.join();
    EXPECT_EQ(missed, 0u);
  });
}

// Goal: XC-2 and XC-4 for a select: what was handed over is reported, and what was not is still
// there, whichever of two givers and a cancel comes first.
// Method: each round two give and one cancels while one waits, all starting together.
TEST_P(select_stress, XC_2_XC_4_givers_against_a_cancel) {
  const std::size_t rounds = scaled(5'000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    for (std::size_t r = 0; r < rounds; ++r) {
      mailbox a, b;
      auto ctx = with_cancel(context::background());
      rendezvous start;
      std::thread peers([&] {
        start.meet();
        (r % 2 == 0 ? a : b).give(1);
        if (r % 3 != 0) ctx.cancel();
        (r % 2 == 0 ? b : a).give(2);
      });
      start.meet();
      auto won = select(ctx, a.take(), b.take()).wait();
      peers.join();
      EXPECT_TRUE(won || won.error() == errc::canceled);
      EXPECT_EQ(a.kept() + b.kept(), won ? 1u : 2u);
      EXPECT_EQ(waiters_of(a.waiting) + waiters_of(b.waiting), 0u);
      while (try_select(a.take(), b.take())) {
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(sync, select_stress, shapes(), name);

}  // namespace
