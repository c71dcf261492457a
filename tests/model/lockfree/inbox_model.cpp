// SPDX-License-Identifier: MIT
// The inbox in all interleavings: nothing is lost in the gap, each producer's order is kept, and a
// sleeping consumer is not left behind.
#include <array>
#include <vector>

#include "tests/model/support/model.hpp"

#include "src/lockfree/inbox.hpp"

namespace {

using namespace pinion::model;
using pinion::os::atomic;

constexpr auto seq_cst = std::memory_order_seq_cst;

struct node {
  atomic<node*> next{nullptr};
  cell<int> value{0};
};
using inbox = pinion::lockfree::inbox<node>;

struct consumer {
  inbox& from;
  std::vector<int> values = {};

  void take_one() {
    if (node* n = from.pop()) values.push_back(n->value.read());
  }
  void take_rest(std::size_t sent) {
    for (std::size_t i = 0; i <= sent; ++i) take_one();
    require(values.size() == sent, "a node is lost, or comes twice");
    require(from.empty(), "not empty, but nothing comes");
  }
};

// Two producers and a consumer that looks while they push: the stub goes round.
void two_producers(int each) {
  inbox box;
  std::array<node, 4> nodes;
  const auto produce = [&](int who) {
    for (int i = 0; i < each; ++i) {
      node& n = nodes[static_cast<std::size_t>(2 * who + i)];
      n.value.write(10 * who + i);
      box.push(n);
    }
  };
  thread a([&] { produce(0); });
  thread b([&] { produce(1); });
  consumer c{box};
  c.take_one();
  c.take_one();
  a.join(), b.join();
  c.take_rest(static_cast<std::size_t>(2 * each));
  for (std::size_t i = 1; i < c.values.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      require(c.values[k] / 10 != c.values[i] / 10 || c.values[k] < c.values[i], "out of order");
}

// A node is pushed again when it was popped.
void pushed_again() {
  inbox box;
  node n;
  atomic<int> popped{0};
  thread producer([&] {
    n.value.write(1);
    box.push(n);
    // acquire: the consumer is done with the node.
    if (popped.load(std::memory_order_acquire) == 0) return;
    n.value.write(2);
    box.push(n);
  });
  consumer c{box};
  c.take_one();
  if (!c.values.empty()) popped.store(1, std::memory_order_release);
  producer.join();
  while (!box.empty()) c.take_one();
  require(!c.values.empty(), "lost");
}

// The pusher sees the announcement, or the sleeper sees that the inbox is not empty: also when the
// node is behind a gap, and when the stub is the newest node.
void sleeper() {
  inbox box;
  std::array<node, 2> nodes;
  atomic<int> asleep{0};
  bool wakes[2] = {};
  const auto produce = [&](std::size_t i) {
    box.push(nodes[i]);
    wakes[i] = asleep.load(seq_cst) != 0;
  };
  thread a([&] { produce(0); });
  thread b([&] { produce(1); });
  consumer c{box};
  c.take_one();
  asleep.store(1, seq_cst);
  const bool sees = !box.empty();
  a.join(), b.join();
  require(sees || wakes[0] || wakes[1] || box.empty(), "a node is left behind");
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 2, .may_fail = {.freezes = 1}};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {{}, [] { two_producers(1); }},
      {two_stops, [] { two_producers(2); }},
      {{}, pushed_again},
      {{}, sleeper},
  };
  return all;
}

TEST(inbox_model, nothing_is_lost_and_order_is_kept) {
  EXPECT_TRUE(holds_always({}, [] { two_producers(1); }));
  EXPECT_TRUE(holds_always(two_stops, [] { two_producers(2); }));
}
TEST(inbox_model, a_node_may_be_pushed_again) {
  EXPECT_TRUE(holds_always({}, pushed_again));
}
TEST(inbox_model, a_sleeper_is_not_left_behind) {
  EXPECT_TRUE(holds_always({}, sleeper));
}

TEST(inbox_model, XC_18_one_that_stands_still_holds_up_nobody) {
  EXPECT_TRUE(holds_always(one_freezes, [] { two_producers(1); }));
  EXPECT_TRUE(holds_always(one_freezes, sleeper));
}
TEST(inbox_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"inbox.hpp"}));
}

}  // namespace
