// SPDX-License-Identifier: MIT
#include "src/lockfree/inbox.hpp"

#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace pinion::lockfree {
namespace {

struct node {
  os::atomic<node*> next{nullptr};
  int producer = 0;
  int number = 0;
};

TEST(inbox, gives_what_was_pushed_in_order) {
  inbox<node> box;
  EXPECT_TRUE(box.empty());
  EXPECT_EQ(box.pop(), nullptr);
  node nodes[3];
  for (node& n : nodes) box.push(n);
  EXPECT_FALSE(box.empty());
  for (node& n : nodes) EXPECT_EQ(box.pop(), &n);
  EXPECT_EQ(box.pop(), nullptr);
  EXPECT_TRUE(box.empty());
}

TEST(inbox, nodes_can_be_pushed_again) {
  inbox<node> box;
  node one;
  for (int i = 0; i < 100; ++i) {
    box.push(one);
    EXPECT_FALSE(box.empty());
    EXPECT_EQ(box.pop(), &one);
    EXPECT_TRUE(box.empty());
  }
}

// Goal: nothing is lost or doubled, and each producer's order holds.
// Finds: empty() without the look at the head says so while nodes wait behind a gap (the last
// check below then stops the consumer early).
class inbox_producers : public testing::TestWithParam<int> {};

TEST_P(inbox_producers, each_node_once_and_in_order) {
  const int producers = GetParam();
  const int each = 100'000 / producers;
  inbox<node> box;
  std::vector<std::unique_ptr<node[]>> nodes;
  for (int p = 0; p < producers; ++p) nodes.push_back(std::make_unique<node[]>(each));
  std::vector<std::thread> all;
  std::atomic<int> running{producers};
  for (int p = 0; p < producers; ++p) {
    all.emplace_back([&, p] {
      for (int i = 0; i < each; ++i) {
        nodes[p][i].producer = p;
        nodes[p][i].number = i;
        box.push(nodes[p][i]);
      }
      running.fetch_sub(1);
    });
  }
  std::vector<int> next(producers, 0);
  int taken = 0;
  for (;;) {
    const bool last = running.load() == 0;
    while (node* n = box.pop()) {
      EXPECT_EQ(n->number, next[n->producer]);
      ++next[n->producer];
      ++taken;
    }
    if (last && box.empty()) break;
  }
  for (auto& t : all) t.join();
  EXPECT_EQ(taken, producers * each);
}

INSTANTIATE_TEST_SUITE_P(producers, inbox_producers, testing::Values(1, 2, 16));

}  // namespace
}  // namespace pinion::lockfree
