// SPDX-License-Identifier: MIT
// Many callers of few keys, some of whom leave: each hears once, of a call that was made for it.
#include <atomic>
#include <cstddef>
#include <stdexcept>

#include "tests/support/patterns.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/patterns/singleflight.hpp"

namespace {

using namespace pinion;
using namespace pinion::test;

constexpr std::size_t keys = 3;

/// What a call gives, in plain memory: which key it is for, and the number of the call.
struct page {
  std::size_t key;
  std::size_t call;
};

class singleflight_stress : public stress {};

INSTANTIATE_TEST_SUITE_P(singleflight, singleflight_stress, shapes(), name);

// Goal: every caller hears of the end, once, with a page of its key or with why not; who does not
// leave is never canceled.
// Method: threads ask for few keys under contexts that end at random; calls succeed, fail, throw
// and see that they are canceled. Finds: the last caller that leaves before the key is taken out; a
// call that ends and takes out the one that came after it.
TEST_P(singleflight_stress, every_caller_hears_of_its_call) {
  scheduler sched(quiet_workers(2));
  singleflight<std::size_t, page> all(sched);
  std::atomic<std::size_t> calls{0};
  run_threads(threads(), [&](unsigned id) {
    auto random = generator(id);
    for (std::size_t round = scaled(20'000) / threads(); round > 0; --round) {
      const std::size_t key = random() % keys;
      const bool may_leave = random() % 2 == 0;
      auto ctx = with_cancel(sched.root());
      auto answer = all.get(ctx, key, [&, key](const context& own) -> result<page> {
        const std::size_t number = calls.fetch_add(1);
        const bool fails = number % 7 == 3;
        const bool throws = number % 11 == 5;
        if (own.is_done()) return own.cause().as(own.status());
        if (fails) return errc::overloaded;
        if (throws) throw std::runtime_error("eleven");
        return page{key, number};
      });
      if (may_leave) ctx.cancel();
      const auto got = answer.wait();
      if (got) {
        EXPECT_EQ((*got)->key, key);
        EXPECT_LT((*got)->call, calls.load());
      } else if (!may_leave) {
        EXPECT_TRUE(got.error() == errc::overloaded || got.error() == errc::failed);
      }
      if (random() % 50 == 0) all.forget(key);
    }
  });
  EXPECT_TRUE(sched.drain().wait());
}

}  // namespace
