// SPDX-License-Identifier: MIT
// Wake-ups race sleeps, over and over.
#include <cstdlib>
#include <random>
#include <vector>

#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/platform/parker.hpp"

namespace {

namespace os = pinion::os;
using pinion::parker;
using namespace std::chrono_literals;

using random_numbers = std::minstd_rand;

// Shifts the sides against each other, so that wake-ups meet the sleep at every step of it.
void dawdle(random_numbers& random) {
  for (volatile auto n = random() % 256; n > 0;) n = n - 1;
}

class parker_stress : public pinion::test::stress {};

// Goal: no wake-up is lost, and each is taken once.
// Method: a ring of threads passes one token on; each adds one to a plain number. Whoever loses a
// wake-up stops the ring for good, whoever takes one twice spoils the number.
// Finds: a timed park that gives up without taking the wake-up that has just come.
void pass_token(unsigned threads, std::size_t rounds, bool timed) {
  std::vector<parker> parkers(threads);
  std::size_t token = 0;  // not atomic on purpose: the parkers carry it
  const auto wait = [&](parker& p) {
    if (!timed) return p.park();
    while (!p.park_until(os::now() + 3us)) {
    }
  };
  parkers[0].unpark();
  pinion::test::run_threads(threads, [&](unsigned i) {
    auto random = pinion::test::generator(i);
    for (std::size_t r = 0; r < rounds; ++r) {
      wait(parkers[i]);
      ++token;
      dawdle(random);
      parkers[(i + 1) % threads].unpark();
      dawdle(random);
    }
  });
  EXPECT_EQ(token, threads * rounds);
}

TEST_P(parker_stress, a_token_goes_round_a_ring) {
  pass_token(threads(), pinion::test::scaled(50'000) / threads(), false);
}

TEST_P(parker_stress, a_token_goes_round_a_ring_of_timed_parks) {
  pass_token(threads(), pinion::test::scaled(30'000) / threads(), true);
}

// One sleeper and its wakers, who begin each round together and awake.
class race {
 public:
  explicit race(unsigned wakers) : done_(wakers) {}

  void sleep(std::size_t rounds, random_numbers& random) {
    for (std::size_t r = 1; r <= rounds; ++r) {
      round_.store(r, std::memory_order_release);  // release: pairs with the acquire in begin
      dawdle(random);
      while (!all_done(r)) {
        if (r % 2 == 0) {
          parker_.park();
        } else {
          (void)parker_.park_until(os::now() + 1us);
        }
      }
    }
  }

  void wake(unsigned waker, std::size_t rounds, random_numbers& random) {
    for (std::size_t r = 1; r <= rounds; ++r) {
      begin(r);
      dawdle(random);
      done_[waker].store(r, std::memory_order_relaxed);  // relaxed: unpark publishes it
      parker_.unpark();
    }
  }

 private:
  bool all_done(std::size_t r) const {
    for (const auto& d : done_) {
      if (d.load(std::memory_order_relaxed) < r) return false;  // relaxed: the parker orders it
    }
    return true;
  }

  // Returns when the sleeper has begun round r. It is late only if it sleeps for good.
  void begin(std::size_t r) {
    constexpr auto patience = 10s;
    const auto late = os::now() + patience;
    // acquire: pairs with the release in sleep.
    for (unsigned looks = 1; round_.load(std::memory_order_acquire) < r; ++looks) {
      if (looks % 128 != 0) continue;
      os::yield();
      if (os::now() < late) continue;
      ADD_FAILURE() << "a wake-up was lost in round " << r - 1;
      std::abort();
    }
  }

  parker parker_;
  os::atomic<std::size_t> round_{0};
  std::vector<os::atomic<std::size_t>> done_;
};

// Goal: a wake-up that comes in the very moment of the sleep is not lost, nor is what it announces.
// Method: in each round the wakers announce and wake while the sleeper looks and parks.
// Finds: a park() that looks and then stores (after some 10,000 rounds).
TEST_P(parker_stress, wake_ups_meet_the_sleep) {
  race r(threads());
  const std::size_t rounds = pinion::test::scaled(60'000) / threads();
  pinion::test::run_threads(threads() + 1, [&](unsigned i) {
    auto random = pinion::test::generator(i);
    if (i == threads()) {
      r.sleep(rounds, random);
    } else {
      r.wake(i, rounds, random);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(shapes, parker_stress, pinion::test::shapes(), pinion::test::name);

}  // namespace
