// SPDX-License-Identifier: MIT
// The claim word and the state word, alone: one winner, one wake, no sleep that nobody ends.
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/stress.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/operation.hpp"
#include "pinion/sync/waiter.hpp"

namespace {

using namespace pinion::test;
using pinion::parker;
using pinion::wait_link;
using pinion::waiter;

class waiter_stress : public stress {};

// Goal: XC-1. Of all who claim a wait at the same time one wins, and its link is the winner.
// Method: all threads walk the same row of waiters, side by side, and claim each.
// Finds: a claim by load and store instead of one CAS (several winners).
TEST_P(waiter_stress, XC_1_one_of_all_claims_wins) {
  struct contested {
    parker thread;
    waiter who{thread};
    std::atomic<std::uint32_t> wins{0};
  };
  const std::size_t count = scaled(200000) / threads() + 1;
  const unsigned claimers = threads() + 1;
  const auto row = std::make_unique<contested[]>(count);
  const auto links = std::make_unique<wait_link[]>(claimers);
  run_threads(claimers, [&](unsigned i) {
    for (std::size_t n = 0; n < count; ++n) {
      if (row[n].who.try_claim(links[i])) {
        ++row[n].wins;
        EXPECT_EQ(row[n].who.winner(), &links[i]);
      }
    }
  });
  for (std::size_t n = 0; n < count; ++n) ASSERT_EQ(row[n].wins.load(), 1u);
}

// Goal: a wake that comes while the waiter goes to sleep is never lost, and it is the last touch.
// Method: pairs of threads; one waits in frame after frame, the other wakes each.
// Finds: a commit that does not look for the mark (hangs); touching the waiter after the wake
// (AddressSanitizer, which tells a frame that is gone).
TEST_P(waiter_stress, commit_against_wake) {
  const std::size_t rounds = scaled(50000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    std::atomic<waiter*> handed{nullptr};
    std::thread peer([&] {
      for (std::size_t r = 0; r < rounds; ++r) {
        waiter* who = nullptr;
        until([&] { return (who = handed.exchange(nullptr)) != nullptr; });
        who->wake();
      }
    });
    for (std::size_t r = 0; r < rounds; ++r) {
      const auto thread = std::make_unique<parker>();
      const auto who = std::make_unique<waiter>(*thread);
      handed.store(who.get());
      for (std::size_t n = r % 128; n > 0; --n) pinion::os::spin_hint();
      if (who->commit()) {
        thread->park();
      } else {
        EXPECT_TRUE(who->woken());
      }
    }
    peer.join();
  });
}

INSTANTIATE_TEST_SUITE_P(sync, waiter_stress, shapes(), name);

}  // namespace
