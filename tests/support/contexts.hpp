// SPDX-License-Identifier: MIT
// What tests of contexts share: how to look at an end, and a pair of parent and child by a clock.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>

#include "tests/support/test_clock.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "src/sync/context_node.hpp"

namespace pinion::test {

struct first_key : context_key<int> {};
struct second_key : context_key<int> {};
struct name_key : context_key<std::string> {};

inline const context& background() {
  return context::background();
}

/// How many children a context has to tell of its end.
inline std::size_t children_of(const context& ctx) {
  auto* const node = detail::cancel_node::of(ctx.node());
  if (node == nullptr) return 0;
  std::lock_guard lock(node->waiting);
  std::size_t n = 0;
  for (auto* child = node->children.front(); child != nullptr; child = child->next) ++n;
  return n;
}

/// How many wait under a context that is not crowded. From a wait that stands in a line and not yet
/// here, a cancel cannot take its object's answer away.
inline std::size_t waits_under(const context& ctx) {
  return waiters_of(detail::cancel_node::of(ctx.node())->waiting);
}

inline error user_error(const char* text) {
  return error(text);
}

inline void expect_end(const context& ctx, errc status, const std::string& cause) {
  EXPECT_TRUE(ctx.is_done());
  EXPECT_EQ(ctx.status(), status);
  EXPECT_EQ(ctx.cause().what(), cause);
}

struct tree {
  explicit tree(duration timeout = duration::max(), error late = errc::deadline_exceeded)
      : child(with_timeout(parent, timeout, late)) {}
  test_clock clock;
  scoped_context parent = with_cancel(context::root(clock));
  scoped_context child;
};

}  // namespace pinion::test
