// SPDX-License-Identifier: MIT
// Semaphores under load: never more permits out than there are, none lost, nobody left waiting.
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "pinion/sync/semaphore.hpp"

namespace {

using namespace pinion::test;
using pinion::context;
using pinion::errc;
using pinion::permit;
using pinion::semaphore;
using pinion::with_cancel;

class semaphore_stress : public stress {};

// Goal: SEM-1, SEM-5, SEM-6. However requests of all sizes, cancels and tries meet, what is out is
// never more than there is, and in the end all is back.
// Method: all threads take up to seven of eight permits, with and without waiting, under a context
// that the next thread may cancel; permits go back in parts.
// Finds: a wait that is not woken when the head gives up (hangs); a grant to a wait that was
// canceled (permits get lost).
TEST_P(semaphore_stress, SEM_6_permits_are_conserved) {
  constexpr std::uint64_t permits = 8;
  const std::size_t rounds = scaled(60000) / threads() + 1;
  semaphore s(permits);
  std::atomic<std::uint64_t> out{0};
  std::atomic<std::size_t> canceled{0};
  auto use = [&](permit p, std::minstd_rand& random) {
    EXPECT_LE(out.fetch_add(p.weight()) + p.weight(), permits);
    if (random() % 4 == 0) std::this_thread::yield();
    out.fetch_sub(p.weight());
    permit part = p.split(p.weight() / 2);
  };
  run_threads(threads(), [&](unsigned i) {
    auto random = generator(i);
    for (std::size_t r = 0; r < rounds; ++r) {
      const std::uint64_t n = random() % permits;
      if (random() % 4 == 0) {
        if (auto p = s.try_acquire(n)) use(*std::move(p), random);
      } else if (random() % 64 == 0) {
        auto ctx = with_cancel(context::background());
        std::thread canceller([&] { ctx.cancel(); });
        auto p = s.acquire(ctx, n).wait();
        canceller.join();
        p ? use(*std::move(p), random) : static_cast<void>(++canceled);
      } else {
        use(s.acquire(n).wait().value(), random);
      }
    }
  });
  EXPECT_EQ(s.available_approx(), permits);
  EXPECT_TRUE(s.try_acquire(permits));
}

// Goal: SEM-2. Whoever wants all of it gets it, however many take single permits meanwhile.
TEST_P(semaphore_stress, SEM_2_a_large_request_does_not_starve) {
  constexpr std::uint64_t permits = 4;
  const std::size_t rounds = scaled(4000) / threads() + 1;
  semaphore s(permits);
  std::atomic<bool> enough{false};
  run_threads(threads() + 1, [&](unsigned i) {
    if (i == 0) {
      for (std::size_t r = 0; r < rounds; ++r) EXPECT_TRUE(s.acquire(permits).wait());
      enough = true;
    } else {
      while (!enough) EXPECT_TRUE(s.acquire().wait());
    }
  });
  EXPECT_EQ(s.available_approx(), permits);
}

// Goal: SEM-13. Permits that come and go while others take them.
TEST_P(semaphore_stress, SEM_13_growing_and_shrinking) {
  const std::size_t rounds = scaled(30000) / threads() + 1;
  semaphore s(4);
  run_threads(threads() + 1, [&](unsigned i) {
    auto random = generator(i);
    for (std::size_t r = 0; r < rounds; ++r) {
      if (i == 0) {
        const std::uint64_t n = random() % 4;
        s.shrink(n);
        s.grow(n);
      } else {
        const auto p = s.acquire(1 + random() % 4).wait();
        EXPECT_TRUE(p || p.error() == errc::too_large);
      }
    }
  });
  EXPECT_EQ(s.available_approx(), 4u);
}

// Goal: SEM-12, and the end of a semaphore. A close ends all waits; then it may be destroyed.
TEST_P(semaphore_stress, SEM_12_close_ends_every_wait) {
  const std::size_t rounds = scaled(200) / threads() + 1;
  for (std::size_t r = 0; r < rounds; ++r) {
    auto s = std::make_unique<semaphore>(1);
    run_threads(threads() + 1, [&](unsigned i) {
      if (i == 0) {
        EXPECT_TRUE(s->close());
        return;
      }
      for (;;) {
        const auto p = s->acquire().wait();
        if (p) continue;
        EXPECT_EQ(p.error(), errc::closed);
        return;
      }
    });
    EXPECT_EQ(s->available_approx(), 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(sync, semaphore_stress, shapes(), name);

}  // namespace
