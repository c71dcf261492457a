// SPDX-License-Identifier: MIT
// Registrations, deregistrations and one request, all at once.
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/stress.hpp"

#include "pinion/sync/stop_token.hpp"

namespace {

using pinion::stop_callback;
using pinion::stop_source;
using pinion::stop_token;

class stop_token_stress : public pinion::test::stress {};

// What a callback works on; gone right after the registration.
struct target {
  explicit target(unsigned number) : id(number) {}
  ~target() { id.store(0); }
  std::atomic<unsigned> id;
  int runs = 0;
};

// Goal: each callback that is registered when the stop comes, or later, runs exactly once; one
// that was deregistered before never does; none runs on a dead registration.
// Method: every thread keeps registering and deregistering; one of them requests at a random
// moment. After the request is seen, a registration must have run when its constructor returns.
// Finds: a leave that does not wait for the run; one that stays in the list.
TEST_P(stop_token_stress, register_request_deregister) {
  const std::size_t rounds = pinion::test::scaled(2000);
  std::atomic<long> wrong{0};
  for (std::size_t round = 0; round < rounds; ++round) {
    auto source = std::make_unique<stop_source>();
    const stop_token token = source->token();
    std::atomic<long> winners{0};
    pinion::test::run_threads(threads(), [&](unsigned me) {
      auto random = pinion::test::generator(me + static_cast<unsigned>(round) * 64);
      const auto request_at = random() % 20;
      for (unsigned i = 0; i < 24; ++i) {
        const bool stopped_before = token.stop_requested();
        target t(i + 1);
        {
          stop_callback callback(token, [&] {
            target& mine = t;
            const unsigned id = mine.id.load();
            ++mine.runs;
            std::this_thread::yield();  // long enough for a destructor that does not wait
            if (mine.id.load() != id) ++wrong;
          });
          if (stopped_before && t.runs != 1) ++wrong;
          if (i == request_at && me % 2 == 0 && source->request_stop()) ++winners;
        }
        // Asked after the registration is gone: not stopped means that it cannot have run.
        if (!token.stop_requested() && t.runs != 0) ++wrong;
        if (t.runs > 1) ++wrong;
      }
    });
    EXPECT_EQ(winners.load(), 1);
    EXPECT_EQ(wrong.load(), 0);
    if (wrong.load() != 0) return;
  }
}

// Goal: of callbacks that stay, all run exactly once, in the order of their registration.
// Finds: a join that looks at the flag before it takes the lock.
TEST_P(stop_token_stress, those_that_stay_run_once_and_in_order) {
  const std::size_t rounds = pinion::test::scaled(1000);
  for (std::size_t round = 0; round < rounds; ++round) {
    stop_source source;
    std::atomic<std::uint32_t> clock{0};
    struct entry {
      std::uint32_t ran_at = 0;
      std::optional<stop_callback<std::function<void()>>> callback;
    };
    std::vector<std::vector<entry>> all(threads());
    for (auto& mine : all) mine = std::vector<entry>(10);
    pinion::test::run_threads(threads(), [&](unsigned me) {
      for (entry& e : all[me]) {
        e.callback.emplace(source.token(), [&] { e.ran_at = ++clock; });
        if (me == 0 && &e == &all[me][5]) source.request_stop();
      }
    });
    for (const auto& mine : all) {
      for (const entry& e : mine) EXPECT_GT(e.ran_at, 0u);
    }
    // The requesting thread's own, up to the request, are known to be before it.
    for (std::size_t i = 1; i <= 5; ++i) EXPECT_LT(all[0][i - 1].ran_at, all[0][i].ran_at);
    EXPECT_EQ(clock.load(), threads() * 10);
  }
}

INSTANTIATE_TEST_SUITE_P(shapes, stop_token_stress, pinion::test::shapes(), pinion::test::name);

}  // namespace
