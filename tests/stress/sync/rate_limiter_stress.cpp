// SPDX-License-Identifier: MIT
// Rate limiters under random schedules and under load: never more than the burst and the rate
// allow, and nobody left waiting.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/hand_wait.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/rate_limiter.hpp"
#include "pinion/sync/timer.hpp"

namespace {

using namespace pinion::test;
using pinion::context;
using pinion::duration;
using pinion::forever;
using pinion::manual_clock;
using pinion::rate;
using pinion::rate_limiter;
using pinion::reservation;
using pinion::time_point;
using pinion::with_cancel;
using waiting = hand_wait<pinion::op<void, std::uint64_t>>;

__extension__ using wide = unsigned __int128;

class rate_limiter_stress : public stress {};

struct act {
  time_point when;
  std::uint64_t tokens;
  char how;  // tried, reserved, waited
};

std::string list(const std::vector<act>& acts, std::size_t from, std::size_t to) {
  std::string text;
  for (std::size_t i = from; i <= to; ++i) {
    text += acts[i].how + std::to_string(acts[i].tokens) + '@' +
            std::to_string((acts[i].when - acts[from].when).count()) + ' ';
  }
  return text;
}

/// RL-1: in no interval more than burst + rate * length, exactly.
void expect_within(std::vector<act> acts, rate r, std::uint64_t burst) {
  std::sort(acts.begin(), acts.end(), [](auto& a, auto& b) { return a.when < b.when; });
  for (std::size_t i = 0; i < acts.size(); ++i) {
    std::uint64_t tokens = 0;
    for (std::size_t j = i; j < acts.size(); ++j) {
      tokens += acts[j].tokens;
      const auto ns = static_cast<std::uint64_t>((acts[j].when - acts[i].when).count());
      const bool fits =
          tokens <= burst ||
          wide{tokens - burst} * static_cast<std::uint64_t>(r.per.count()) <= wide{ns} * r.events;
      ASSERT_TRUE(fits) << tokens << " tokens in " << ns << " ns, " << r.events << " per "
                        << r.per.count() << ", burst " << burst << ": " << list(acts, i, j);
    }
  }
}

/// One schedule: tries, reservations, waits, and cancels of both, on a clock that a test turns.
class schedule {
 public:
  schedule(rate r, std::uint64_t burst, std::minstd_rand& random)
      : rate_(r), burst_(burst), random_(random), limit_(r, burst, clock_) {}

  void run(int steps) {
    if (burst_ > most_at_once) {  // otherwise nobody would ever wait
      EXPECT_TRUE(limit_.try_acquire(burst_ - most_at_once));
      acts_.push_back({clock_.now(), burst_ - most_at_once, 't'});
    }
    for (int i = 0; i < steps; ++i) step();
    while (!waits_.empty()) {
      ASSERT_NE(clock_.next_timer(), forever) << "somebody waits for ever";
      turn(clock_.next_timer() - clock_.now());
      look();
    }
    for (auto& r : reserved_) acts_.push_back({r.what.when(), r.tokens, 'r'});
    expect_within(std::move(acts_), rate_, burst_);
  }

 private:
  static constexpr std::uint64_t most_at_once = 500;

  struct in_line {
    in_line(rate_limiter& limit, const context& root, std::uint64_t n)
        : ctx(with_cancel(root)), tokens(n), wait(limit.acquire(ctx, n)) {}
    pinion::scoped_context ctx;
    std::uint64_t tokens;
    waiting wait;
  };
  struct held {
    reservation what;
    std::uint64_t tokens;
  };

  std::uint64_t up_to(std::uint64_t most) { return random_() % (most + 1); }
  std::uint64_t tokens() { return random_() % 3 == 0 ? up_to(std::min(burst_, most_at_once)) : 1; }

  void step() {
    switch (random_() % 8) {
      case 0:
      case 1: {
        const std::uint64_t n = tokens();
        if (limit_.try_acquire(n)) acts_.push_back({clock_.now(), n, 't'});
        break;
      }
      case 2: {
        const std::uint64_t n = tokens();
        if (auto r = limit_.reserve(n)) reserved_.push_back({*std::move(r), n});
        break;
      }
      case 3:
        if (!reserved_.empty()) {
          auto& r = reserved_[up_to(reserved_.size() - 1)];
          if (r.what.when() < clock_.now()) break;
          (void)r.what.cancel();  // it is not used then, whatever came back
          r.tokens = 0;
        }
        break;
      case 4:
        waits_.push_back(std::make_unique<in_line>(limit_, root_, tokens()));
        break;
      case 5:
        if (!waits_.empty()) {
          waits_[up_to(waits_.size() - 1)]->ctx.cancel();
        }
        break;
      default: {
        const auto token = static_cast<std::uint64_t>(rate_.per.count()) / rate_.events;
        turn(duration(static_cast<std::int64_t>(up_to(2 * token + 3))));
      }
    }
    look();
  }

  // Whoever is served is so at the time of a timer: stops there.
  void turn(duration d) {
    if (clock_.next_timer() != forever) d = std::min(d, clock_.next_timer() - clock_.now());
    clock_.advance(d);
  }

  void look() {
    for (bool again = true; std::exchange(again, false);) {  // who leaves may let others go
      for (auto& w : waits_) {
        if (w == nullptr || !w->wait.over()) continue;
        if (w->wait.get()) acts_.push_back({clock_.now(), w->tokens, 'w'});
        w.reset();
        again = true;
      }
    }
    std::erase(waits_, nullptr);
  }

  rate rate_;
  std::uint64_t burst_;
  std::minstd_rand& random_;
  manual_clock clock_;
  context root_ = clock_.root();
  rate_limiter limit_;
  std::vector<act> acts_;
  std::vector<held> reserved_;
  std::vector<std::unique_ptr<in_line>> waits_;
};

// Goal: RL-1, for rates that are whole numbers of everything and for those that are not.
// Finds: giving back all of a reservation that others build on; rounding time up; giving a bucket
// that has grown full the time before that.
TEST(rate_limiter_schedules, RL_1_grants_never_exceed_burst_and_rate) {
  auto random = generator(0);
  const rate rates[] = {rate::per_second(10),
                        rate::per_second(3),
                        rate::per_second(99'991),
                        rate::per_second(999'999'937),
                        rate::every(std::chrono::hours(7)),
                        {7, std::chrono::minutes(11)}};
  const std::uint64_t bursts[] = {1, 2, 5, 17, 1'000'003, rate_limiter::max_burst};
  const std::size_t rounds = scaled(300);
  for (std::size_t i = 0; i < rounds; ++i) {
    for (const rate r : rates)
      for (const std::uint64_t burst : bursts) {
        schedule(r, burst, random).run(150);
        if (testing::Test::HasFatalFailure()) return;
      }
  }
}

// Goal: RL-1 for many threads; and all that wait are served.
// Method: all threads take tokens with and without waiting while one turns the clock; what was
// granted is at most the burst and what time has brought.
TEST_P(rate_limiter_stress, RL_1_many_threads) {
  constexpr std::uint64_t burst = 8;
  const std::size_t rounds = scaled(4000) / threads() + 1;
  manual_clock clock;
  const context root = clock.root();
  rate_limiter limit(rate::per_second(1000), burst, clock);
  const time_point start = clock.now();
  std::atomic<std::uint64_t> granted{0};
  std::atomic<unsigned> done{0};
  run_threads(threads() + 1, [&](unsigned i) {
    auto random = generator(i);
    if (i == 0) {
      while (done.load() < threads()) {
        clock.advance(std::chrono::microseconds(random() % 1500));
        if (random() % 64 == 0) std::this_thread::yield();
      }
      return;
    }
    for (std::size_t r = 0; r < rounds; ++r) {
      const std::uint64_t n = 1 + random() % 3;
      switch (random() % 8) {
        case 0: {
          if (limit.acquire(root, n).wait()) granted += n;
          break;
        }
        case 1: {
          const auto ctx = with_timeout(root, std::chrono::milliseconds(random() % 8));
          if (limit.acquire(ctx, n).wait()) granted += n;
          break;
        }
        case 2: {
          if (auto ahead = limit.reserve(n)) granted += n - ahead->cancel();
          break;
        }
        default:
          if (limit.try_acquire(n)) granted += n;
      }
    }
    ++done;
  });
  const auto ms = static_cast<std::uint64_t>((clock.now() - start).count()) / 1'000'000;
  EXPECT_LE(granted.load(), burst + ms + 3 * threads());  // reserved ahead, and not given back
}

// Goal: RL-15. Rate and burst change all the time, and nobody waits for ever.
TEST_P(rate_limiter_stress, RL_15_settings_change_under_load) {
  const std::size_t rounds = scaled(6000) / threads() + 1;
  rate_limiter limit(rate::per_second(1'000'000'000), 4);
  std::atomic<unsigned> done{0};
  run_threads(threads() + 1, [&](unsigned i) {
    auto random = generator(i);
    if (i == 0) {
      while (done.load() < threads()) {
        switch (random() % 6) {
          case 0:
            limit.set_burst(random() % 3);
            break;
          case 1:
            limit.set_rate(rate::unlimited());
            break;
          case 2:
            limit.set_rate({});
            break;
          default:
            limit.set_rate(rate::per_second(1 + random() % 1'000'000'000));
        }
        if (random() % 8 == 0) std::this_thread::yield();
      }
      return;
    }
    for (std::size_t r = 0; r < rounds; ++r) {
      const auto got = limit.acquire(1 + random() % 4).wait();
      EXPECT_TRUE(got || got.error() == pinion::errc::too_large);
    }
    ++done;
  });
}

INSTANTIATE_TEST_SUITE_P(sync, rate_limiter_stress, shapes(), name);

}  // namespace
