// SPDX-License-Identifier: MIT
// Trees of contexts that are built, canceled, timed out and dropped by many threads at once.
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "tests/support/stress.hpp"
#include "tests/support/test_clock.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "src/sync/context_node.hpp"

namespace {

using namespace pinion::test;
using namespace std::chrono_literals;
using pinion::context;
using pinion::errc;
using pinion::error;
using pinion::scoped_context;
using pinion::with_cancel;
using pinion::with_timeout;
using pinion::detail::cancel_node;

class context_stress : public stress {};

// Goal: CTX-8. A child that is made while its parent is canceled ends: it is found in the list,
// or it finds the mark.
// Method: one thread cancels, all others make children and grandchildren meanwhile.
// Finds: looking at the parent's status before taking its lock (children that never end).
TEST_P(context_stress, CTX_8_creation_against_cancel) {
  const std::size_t rounds = scaled(100000) / (threads() + 1) + 1;
  std::optional<scoped_context> parent;
  std::atomic<std::size_t> started{0};
  std::atomic<std::size_t> finished{0};
  const unsigned makers = threads();
  // Kept to the end: ThreadSanitizer does not see what orders the last of several threads that let
  // go of an exception, and reading it.
  const error enough("enough");
  run_threads(makers + 1, [&](unsigned i) {
    for (std::size_t r = 1; r <= rounds; ++r) {
      if (i == 0) {
        parent.emplace(with_cancel(context::background()));
        started.store(r);
        parent->cancel(enough);
        until([&] { return finished.load() == r * makers; });
      } else {
        until([&] { return started.load() == r; });
        const auto child = with_cancel(*parent);
        const auto below = with_cancel(child);
        until([&] { return parent->is_done() && child.is_done() && below.is_done(); });
        EXPECT_EQ(below.cause().what(), "enough");
        ++finished;
      }
    }
  });
}

// A tree of contexts; what is below a node comes right behind it.
struct tree {
  struct node {
    scoped_context ctx;
    std::size_t end = 0;  // of what is below
  };

  tree(unsigned fan, unsigned depth) { grow(top, fan, depth); }

  void grow(const context& parent, unsigned fan, unsigned depth) {
    for (unsigned i = 0; depth != 0 && i < fan; ++i) {
      const std::size_t at = nodes.size();
      nodes.push_back({with_cancel(parent)});
      const context child = nodes[at].ctx;
      grow(child, fan, depth - 1);
      nodes[at].end = nodes.size();
    }
  }

  scoped_context top = with_cancel(context::background());
  std::vector<node> nodes;
};

// Goal: CTX-4 and CTX-11. Nodes of one tree are canceled by many threads; no deadlock, and when
// a cancel that won returns, everything below its node is done, whoever marked it.
// Method: threads cancel nodes in random order; whoever wins looks at all that is below.
// Finds: leaving out a child that another thread has marked (its descendants are not done yet).
TEST_P(context_stress, CTX_4_CTX_11_the_whole_tree_by_all_threads) {
  const std::size_t rounds = scaled(4000) / threads() + 1;
  for (std::size_t r = 0; r < rounds; ++r) {
    tree t(3, 4);  // 120 nodes
    run_threads(threads() + 1, [&](unsigned i) {
      auto random = generator(i + static_cast<unsigned>(r));
      for (int n = 0; n < 40; ++n) {
        const std::size_t at = random() % t.nodes.size();
        const bool won = t.nodes[at].ctx.cancel();
        EXPECT_TRUE(t.nodes[at].ctx.is_done());
        for (std::size_t k = at; won && k < t.nodes[at].end; ++k) {
          EXPECT_TRUE(t.nodes[k].ctx.is_done());
        }
        if (i == 0 && n == 20) {
          EXPECT_TRUE(t.top.cancel());
          for (const auto& each : t.nodes) EXPECT_TRUE(each.ctx.is_done());
        }
      }
    });
    EXPECT_TRUE(cancel_node::of(t.top.node())->children.empty());
  }
}

// Goal: a chain and its cancel meet: the deeper cancel is under way when the upper one passes.
// Method: a long chain is canceled in the middle and at the top at once; the upper one, if it
// won, must find the last link done when it returns.
// Finds: as above; here nearly every round.
TEST_P(context_stress, CTX_4_two_cancels_in_one_chain) {
  const std::size_t rounds = scaled(3000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    for (std::size_t r = 0; r < rounds; ++r) {
      std::vector<scoped_context> chain;
      chain.push_back(with_cancel(context::background()));
      for (int n = 0; n < 200; ++n) chain.push_back(with_cancel(chain.back()));
      std::atomic<bool> go{false};
      std::thread middle([&] {
        until([&] { return go.load(); });
        const bool won = chain[10].cancel();
        EXPECT_TRUE(!won || chain.back().is_done());
      });
      go.store(true);
      const bool won = chain[0].cancel();
      EXPECT_TRUE(!won || chain.back().is_done());
      middle.join();
    }
  });
}

// Goal: CTX-22. A deadline and a cancel meet: one of them is what the context and all below it
// say, and it is what their waits report.
// Method: the clock is turned on one thread while another cancels.
// Finds: writing the cause outside the lock (a child with another status than its parent).
TEST_P(context_stress, CTX_22_deadline_against_cancel) {
  const std::size_t rounds = scaled(20000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    test_clock clock;
    const auto root = context::root(clock);
    for (std::size_t r = 0; r < rounds; ++r) {
      auto ctx = with_timeout(root, 1s, error("late"));
      const auto below = with_cancel(ctx);
      std::thread turner([&] { clock.advance(1s); });
      const bool won = ctx.cancel(error("enough"));
      const auto after = ctx.status();
      const auto waited = below.done().wait();
      turner.join();
      EXPECT_TRUE(waited);
      EXPECT_EQ(after, won ? errc::canceled : errc::deadline_exceeded);
      EXPECT_EQ(ctx.status(), after);
      EXPECT_EQ(below.status(), after);
      EXPECT_EQ(below.cause().what(), won ? "enough" : "late");
      EXPECT_EQ(clock.armed(), 0u);
    }
  });
}

// Goal: CTX-21. A context that is armed while its parent ends leaves no timer behind.
// Method: one thread cancels the parent while the other makes a child with a deadline; the timer
// must be gone while the child is still there.
// Finds: a constructor that does not ask whether the end came while it was arming.
TEST_P(context_stress, CTX_21_arming_against_cancel) {
  const std::size_t rounds = scaled(50000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    test_clock clock;
    const auto root = context::root(clock);
    std::optional<scoped_context> parent;
    std::atomic<std::size_t> started{0}, canceled{0};
    std::thread canceller([&] {
      for (std::size_t r = 1; r <= rounds; ++r) {
        until([&] { return started.load() == r; });
        for (std::size_t n = r % 64; n > 0; --n) pinion::os::spin_hint();
        parent->cancel();
        canceled.store(r);
      }
    });
    for (std::size_t r = 1; r <= rounds; ++r) {
      parent.emplace(with_cancel(root));
      started.store(r);
      const auto child = with_timeout(*parent, 1s);
      until([&] { return canceled.load() == r; });
      EXPECT_TRUE(child.is_done());
      EXPECT_EQ(clock.armed(), 0u);
    }
    canceller.join();
  });
}

// Goal: contexts that time out, are canceled and are dropped at the same moment are freed once,
// and no timer fires into freed memory.
// Method: handles are dropped by one thread while another turns the clock.
// Finds: a timer that does not ask whether anybody still holds the node (AddressSanitizer).
TEST_P(context_stress, CTX_21_timers_against_the_last_handle) {
  const std::size_t rounds = scaled(20000) / threads() + 1;
  run_threads(threads(), [&](unsigned) {
    test_clock clock;
    const auto root = context::root(clock);
    for (std::size_t r = 0; r < rounds; ++r) {
      std::optional<scoped_context> ctx(with_timeout(root, 1s));
      std::optional<scoped_context> below(with_timeout(*ctx, 500ms));
      if (r % 2 == 0) {
        ctx->release();
        below->release();
      }
      std::thread turner([&] { clock.advance(1s); });
      ctx.reset();
      below.reset();
      turner.join();
      EXPECT_EQ(clock.armed(), 0u);
    }
  });
}

// Goal: waits of many threads under one context all end with it, also while its one queue is
// being split into several.
// Method: each thread enlists and leaves again and again; with the cancel all of them sleep in
// the context, or find it done.
// Finds: marking without a look at the split queues (hangs).
TEST_P(context_stress, waits_of_many_threads_under_one_context) {
  const std::size_t rounds = scaled(1000) / threads() + 1;
  const std::size_t each = 200;
  for (std::size_t r = 0; r < rounds; ++r) {
    auto ctx = with_cancel(context::background());
    auto& node = *cancel_node::of(ctx.node());
    std::atomic<std::size_t> joined{0};
    run_threads(threads() + 1, [&](unsigned i) {
      if (i == 0) {
        until([&] { return joined.load() >= each * threads() / 2; });
        ctx.cancel();
        return;
      }
      for (std::size_t n = 1; n <= each; ++n) {
        pinion::parker thread;
        pinion::waiter who(thread);
        pinion::context_link link(&ctx);
        if (++joined == r * 37 % (each * threads()))
          node.split_queue();  // at another moment each round
        if (!link.enlist(who)) continue;
        if (n == each || !who.try_claim(link)) pinion::sleep_until_woken(who, thread);
        link.withdraw();
      }
    });
  }
}

// Goal: CTX-13. Depth and width cost no stack; both are canceled and destroyed in linear time.
TEST(context_size, CTX_13_a_long_chain_ends_and_goes_in_constant_stack) {
  const std::size_t length = scaled(1000000);
  auto top = with_cancel(context::background());
  context last = top;
  for (std::size_t i = 0; i < length; ++i) {
    auto next = with_cancel(last);
    next.release();
    last = next;
  }
  top.cancel();
  EXPECT_TRUE(last.is_done());
}

TEST(context_size, CTX_13_many_children_end_in_order) {
  const std::size_t count = scaled(1000000);
  auto top = with_cancel(context::background());
  std::vector<context> children;
  children.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto child = with_cancel(top);
    child.release();
    children.push_back(child);
  }
  top.cancel();
  for (const auto& child : children) ASSERT_TRUE(child.is_done());
}

INSTANTIATE_TEST_SUITE_P(sync, context_stress, shapes(), name);

}  // namespace
