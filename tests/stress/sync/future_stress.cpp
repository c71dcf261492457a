// SPDX-License-Identifier: MIT
// A producer that completes while the consumer waits, gives up, or goes away.
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "tests/support/stress.hpp"

#include "pinion/sync/context.hpp"
#include "pinion/sync/future.hpp"

namespace {

using pinion::errc;
using pinion::error;
using pinion::future;
using pinion::detail::future_actions;
using pinion::detail::future_state;
using pinion::detail::future_state_base;

// Some nanoseconds, in small steps: the windows between two instructions are small, too.
void wait_briefly(std::uint64_t steps) {
  while (steps-- > 0) std::atomic_signal_fence(std::memory_order_seq_cst);  // keeps the loop
}

// Awake at first, so that both sides go on at the same time; then polite to who has the CPU.
template <class P>
void wait_until(P condition) {
  for (int looks = 0; !condition(); ++looks) {
    if (looks > 1000) std::this_thread::yield();
  }
}

class future_stress : public pinion::test::stress {};

std::atomic<long> disposed{0};
std::atomic<long> reported{0};

struct state final : future_state<int> {
  state() noexcept : future_state<int>(actions) {}
  static void dispose(future_state_base& base) noexcept {
    delete static_cast<state*>(&static_cast<future_state<int>&>(base));
    disposed.fetch_add(1);
  }
  static void report(future_state_base&, const error&) noexcept { reported.fetch_add(1); }
  static constexpr future_actions actions{.dispose = dispose, .report = report};
};

// Goal: each state is disposed of exactly once, each error is fetched or reported exactly once,
// and no wait sleeps for ever.
// Method: pairs of threads; the consumer waits, waits with a context that is about to end and then
// again or not, or drops the future at a random moment around the completion.
// Finds: a drop that looks at `ready` before it says `dropped`; a producer that does not look for
// `waiting`; one that never says `done`.
TEST_P(future_stress, RE_1_RE_3_every_error_ends_somewhere) {
  const unsigned pairs = (threads() + 1) / 2;
  const std::size_t rounds = pinion::test::scaled(100'000) / pairs + 1;
  std::vector<std::atomic<state*>> work(pairs);
  disposed = 0;
  reported = 0;
  std::atomic<long> errors{0};
  std::atomic<long> fetched{0};
  pinion::test::run_threads(2 * pairs, [&](unsigned me) {
    auto random = pinion::test::generator(me);
    std::atomic<state*>& mailbox = work[me / 2];
    for (std::size_t i = 0; i < rounds; ++i) {
      if (me % 2 == 0) {  // the producer
        state* s = nullptr;
        wait_until([&] { return (s = mailbox.load()) != nullptr; });
        mailbox.store(nullptr);
        wait_briefly(random() % 256);
        if (random() % 2 == 0) {
          errors.fetch_add(1);
          s->complete(errc::overloaded);
        } else {
          s->complete(static_cast<int>(i));
        }
        continue;
      }
      auto* s = new state;
      future<int> f(*s);
      wait_until([&] { return mailbox.load() == nullptr; });
      mailbox.store(s);
      const auto choice = random() % 4;
      if (choice == 0) {  // goes away
        wait_briefly(random() % 512);
        continue;
      }
      if (choice == 1) {  // gives up, then goes away or comes back
        auto ctx = pinion::with_timeout(pinion::context::background(),
                                        pinion::duration(random() % 20'000));
        const auto r = f.with(ctx).wait();
        if (r.has_value() || r.error() == errc::overloaded) {
          if (!r.has_value()) fetched.fetch_add(1);
          continue;
        }
        if (random() % 2 == 0) continue;
        f.with(pinion::context::background());
      }
      const auto r = f.wait();
      if (!r.has_value()) fetched.fetch_add(1);
    }
  });
  EXPECT_EQ(disposed.load(), static_cast<long>(rounds * pairs));
  EXPECT_EQ(reported.load() + fetched.load(), errors.load());
}

INSTANTIATE_TEST_SUITE_P(shapes, future_stress, pinion::test::shapes(), pinion::test::name);

}  // namespace
