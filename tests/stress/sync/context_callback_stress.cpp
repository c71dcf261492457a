// SPDX-License-Identifier: MIT
// Callbacks, merged contexts and stop tokens, made, ended and taken back by many threads at once.
#include <atomic>
#include <barrier>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/stress.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/platform/std_stop_token.hpp"
#include "pinion/sync/context_callback.hpp"
#include "src/sync/context_node.hpp"

namespace {

using namespace pinion::test;
using pinion::callback_registration;
using pinion::context;
using pinion::errc;
using pinion::error;
using pinion::scoped_context;
using pinion::with_cancel;
using pinion::with_either;
using pinion::work_item;

class context_callback_stress : public stress {};

/// Runs what it is handed on one thread, or refuses every few.
class one_thread final : public pinion::executor {
 public:
  one_thread() : thread_([this] { run(); }) {}
  ~one_thread() { finish(); }
  void finish() {
    ended_ = true;
    if (thread_.joinable()) thread_.join();
  }
  bool post(work_item& item) noexcept override {
    if (++posts_ % 7 == 0) return false;
    item.next = line_.load();
    while (!line_.compare_exchange_weak(item.next, &item)) {
    }
    return true;
  }
  void unobserved(const error&, const char*) noexcept override { ++refused; }
  pinion::time_source& time() noexcept override { return pinion::system_time(); }

  std::atomic<std::size_t> refused{0};

 private:
  void run() {
    for (bool last = false; !last;) {
      last = ended_;
      work_item* item = line_.exchange(nullptr);
      if (item == nullptr) std::this_thread::yield();
      while (item != nullptr) {
        work_item* const next = item->next;
        item->run(*item);
        item = next;
      }
    }
  }

  std::atomic<std::size_t> posts_{0};
  std::atomic<work_item*> line_{nullptr};
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

// Goal: CTX-30, CTX-32, CTX-34, CTX-45. Each callback runs once, is removed once or is refused
// once, and does not run after remove() has completed.
// Method: one thread cancels; the others register, and remove in one of three ways.
// Finds: a remove() that does not wait for who posts, or for who runs.
TEST_P(context_callback_stress, CTX_32_CTX_34_callbacks_against_cancel) {
  const std::size_t rounds = scaled(20000) / (threads() + 1) + 1;
  one_thread counted, removable;
  std::optional<scoped_context> ctx;
  std::atomic<std::size_t> started{0}, finished{0}, expected{0}, ran{0};
  run_threads(threads() + 1, [&](unsigned i) {
    auto random = generator(i);
    for (std::size_t r = 1; r <= rounds; ++r) {
      if (i == 0) {
        ctx.emplace(with_cancel(context::background()));
        started.store(r);
        for (auto spins = random() % 200; spins > 0; --spins) static_cast<void>(started.load());
        ctx->cancel();
        until([&] { return finished.load() == r * threads(); });
        continue;
      }
      until([&] { return started.load() == r; });
      if (random() % 2 == 0) {
        auto used = std::make_unique<int>(0);
        auto made = ctx->on_done(removable, [p = used.get()] { ++*p; });
        EXPECT_TRUE(made.remove().wait());
        EXPECT_LE(*used, 1);
      } else {
        auto made = ctx->on_done(counted, [&] { ++ran; });
        if (random() % 2 != 0 || !made.try_remove()) ++expected;
        made.detach();
      }
      ++finished;
    }
  });
  counted.finish();
  EXPECT_EQ(ran.load() + counted.refused.load(), expected.load());
}

// Goal: CTX-4 and CTX-38 for merged contexts. When a cancel that won returns, whatever was merged
// from below it is done, whoever else is canceling.
// Method: a ladder: each rung merges the one before with a side of its own, in either order; all
// sides and the top are canceled at once.
// Finds: a bridge that is passed by because another thread has marked it.
TEST_P(context_callback_stress, CTX_4_CTX_38_merged_contexts_by_all_threads) {
  const std::size_t rounds = scaled(20000) / (threads() * threads() + 1) + 1;
  std::barrier<> all(threads());
  std::vector<scoped_context> sides, rungs;
  run_threads(threads(), [&](unsigned i) {
    for (std::size_t r = 0; r < rounds; ++r) {
      if (i == 0) {
        rungs.clear(), sides.clear();
        for (unsigned k = 0; k < threads(); ++k) {
          sides.push_back(with_cancel(context::background()));
          const context& before = k == 0 ? static_cast<const context&>(sides[0]) : rungs.back();
          rungs.push_back((k + r) % 2 == 0 ? with_either(before, sides[k])
                                           : with_either(sides[k], before));
        }
      }
      all.arrive_and_wait();
      EXPECT_TRUE(sides[i].cancel(error("enough")));
      for (unsigned k = i; k < threads(); ++k) EXPECT_TRUE(rungs[k].is_done());
      EXPECT_EQ(rungs[i].cause().what(), "enough");
      all.arrive_and_wait();
    }
  });
}

// Goal: CTX-39 and CTX-40. A token is stopped when the cancel returns, whoever asked for it and
// whoever marks the context; a context from a token ends with it, and goes at any time.
// Method: a chain token, context, child, token; the source stops it, a thread cancels the child,
// others ask for tokens and drop handles.
// Finds: a hook that is told by a thread that did not mark the context.
TEST_P(context_callback_stress, CTX_39_CTX_40_tokens_both_ways) {
  const std::size_t rounds = scaled(20000) / (threads() + 1) + 1;
  std::optional<std::stop_source> source;
  std::vector<std::optional<context>> handles(threads() + 1);
  std::optional<scoped_context> child;
  std::barrier<> all(threads() + 1);
  run_threads(threads() + 1, [&](unsigned i) {
    for (std::size_t r = 0; r < rounds; ++r) {
      if (i == 0) {
        source.emplace();
        const context from = context::from(source->get_token());
        child.emplace(with_cancel(from));
        for (auto& h : handles) h.emplace(from);
      }
      all.arrive_and_wait();
      if (i == 0) {
        source->request_stop();
        EXPECT_TRUE(child->is_done());
      } else if (i == 1 && child->cancel()) {
        EXPECT_TRUE(child->stop_token().stop_requested());
      } else {
        const std::stop_token token = child->stop_token();
        until([&] { return token.stop_requested(); });
        EXPECT_TRUE(child->is_done());
      }
      handles[i].reset();
      all.arrive_and_wait();
      if (i == 0) child.reset();
      all.arrive_and_wait();
    }
  });
}

INSTANTIATE_TEST_SUITE_P(sync, context_callback_stress, shapes(), name);

}  // namespace
