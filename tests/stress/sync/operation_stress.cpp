// SPDX-License-Identifier: MIT
// Everything that can end a wait competes for it: each number handed over arrives once, a wait
// that was canceled took none, and nobody sleeps through its wake-up.
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/stress.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "pinion/sync/operation.hpp"

namespace {

using namespace pinion::test;
using pinion::context;
using pinion::errc;
using pinion::scoped_context;
using pinion::with_cancel;

class operation_stress : public stress {};

// Goal: a wait in two queues is ended by one giver, and no number is lost or arrives twice.
// Method: half of the threads give numbers to one of two boxes, the others take from either of
// them; every number taken is counted.
// Finds: a claim by load and store instead of one CAS (two givers win the same wait, and one of
// the numbers is overwritten).
TEST_P(operation_stress, XC_1_claims_compete_and_one_wins) {
  const std::size_t count = scaled(400000);
  mailbox a, b;
  tally taken(count);
  std::atomic<std::size_t> next{0}, got{0};
  auto give = [&](std::size_t n) { (n % 2 == 0 ? a : b).give(static_cast<int>(n)); };
  auto take = [&](std::minstd_rand& random) {
    auto stop = with_cancel(context::background());
    switch (random() % 2) {
      case 0:
        return either(nullptr, a.take(), b.take()).wait();
      default:
        return either(nullptr, b.take(), a.take()).wait();
    }
  };
  run_threads(2 * threads(), [&](unsigned i) {
    auto random = generator(i);
    if (i % 2 == 0) {
      for (std::size_t n = next++; n < count; n = next++) give(n);
    } else {
      while (got++ < count) taken.take(static_cast<std::size_t>(take(random).value()));
    }
  });
  taken.expect_each_once();
  EXPECT_EQ(a.kept() + b.kept(), 0u);
}

// Goal: XC-2 and XC-4. A wait that reports a number had it handed over; one that reports the
// cancel took none: what was given is what was received plus what was kept.
// Method: each round one wait, one giver and one canceller start together.
// Finds: deciding by looking at the context again after the wake-up (numbers get lost).
TEST_P(operation_stress, XC_2_XC_4_cancel_against_completion) {
  const std::size_t rounds = scaled(100000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    std::size_t received = 0, canceled = 0, kept = 0;
    mailbox box;
    std::optional<scoped_context> ctx;
    std::atomic<std::size_t> round{0}, done{0};
    std::thread peer([&] {
      for (std::size_t r = 1; r <= rounds; ++r) {
        until([&] { return round.load() == r; });
        ctx->cancel();
        done.store(r);
      }
    });
    for (std::size_t r = 1; r <= rounds; ++r) {
      ctx.emplace(with_cancel(context::background()));
      auto taking = box.take(*ctx);
      std::thread giver;
      if (r % 16 == 0) giver = std::thread([&] { box.give(1); });
      round.store(r);
      if (r % 16 != 0) box.give(1);
      const auto got = taking.wait();
      until([&] { return done.load() == r; });
      if (giver.joinable()) giver.join();
      got ? ++received : ++canceled;
      if (!got) {
        EXPECT_EQ(got.error(), errc::canceled);
        EXPECT_EQ(box.kept(), 1u);
        kept += static_cast<std::size_t>(box.take().wait().value());
      }
    }
    peer.join();
    EXPECT_EQ(received + canceled, rounds);
    EXPECT_EQ(received + kept, rounds);
    EXPECT_EQ(box.kept(), 0u);
  });
}

// Goal: no wake-up is lost between looking, committing and parking, and the waiter's frame may go
// as soon as the wait returns.
// Method: two threads hand a turn back and forth through fresh gates; whoever passed one destroys
// it at once, while its opener may still be inside open().
// Finds: a waiter that sleeps without looking at the mark that wake() left (hangs); touching the
// waiter or the object after the wake (under AddressSanitizer).
TEST_P(operation_stress, commit_against_wake_and_destroy_after_wait) {
  const std::size_t rounds = scaled(200000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    std::vector<std::unique_ptr<gate>> there(rounds), back(rounds);
    for (auto& g : there) g = std::make_unique<gate>();
    for (auto& g : back) g = std::make_unique<gate>();
    std::thread other([&] {
      for (std::size_t r = 0; r < rounds; ++r) {
        EXPECT_TRUE(there[r]->pass().wait());
        there[r].reset();
        back[r]->open();
      }
    });
    for (std::size_t r = 0; r < rounds; ++r) {
      there[r]->open();
      EXPECT_TRUE(back[r]->pass().wait());
      back[r].reset();
    }
    other.join();
  });
}

// Goal: one open() wakes all who wait, however they come and go.
// Method: all threads but one pass a gate under a context of their own that may be canceled
// meanwhile; each wait ends with the one or the other.
TEST_P(operation_stress, many_waits_on_one_object_all_end) {
  const std::size_t rounds = scaled(10000) / threads() + 1;
  for (std::size_t r = 0; r < rounds; ++r) {
    gate g;
    auto all = with_cancel(context::background());
    std::atomic<unsigned> ended{0};
    run_threads(threads() + 1, [&](unsigned i) {
      if (i == 0) {
        if (r % 3 == 0) all.cancel();
        g.open();
      } else {
        const auto passed = g.pass(all).wait();
        EXPECT_TRUE(passed || passed.error() == errc::canceled);
        ++ended;
      }
    });
    EXPECT_EQ(ended.load(), threads());
  }
}

INSTANTIATE_TEST_SUITE_P(sync, operation_stress, shapes(), name);

}  // namespace
