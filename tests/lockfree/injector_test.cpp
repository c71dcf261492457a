// SPDX-License-Identifier: MIT
// The injector as one thread sees it; producers against consumers is in the stress test.
#include "src/lockfree/injector.hpp"

#include <cstdint>
#include <new>
#include <numeric>
#include <vector>

#include "tests/support/allocations.hpp"
#include <gtest/gtest.h>

namespace {

using pinion::lockfree::injector;
using pinion::test::allocation_count;
using pinion::test::no_memory;

std::vector<std::uintptr_t> numbers(std::size_t n, std::uintptr_t first) {
  std::vector<std::uintptr_t> v(n);
  std::iota(v.begin(), v.end(), first);
  return v;
}

// Pops until nothing comes.
std::vector<std::uintptr_t> all(injector& q, injector::consumer& c) {
  std::vector<std::uintptr_t> words;
  std::uintptr_t out[16];
  for (std::size_t n = 0; (n = q.pop_many(c, out, 16).count) != 0;)
    words.insert(words.end(), out, out + n);
  return words;
}

TEST(injector, gives_nothing_before_the_first_push) {
  injector q;
  injector::consumer c(q);
  std::uintptr_t w = 0;
  EXPECT_EQ(q.pop_many(c, &w, 1).count, 0u);
  injector::producer p(q);
  EXPECT_EQ(q.size_approx(), 0u);
  EXPECT_FALSE(q.maybe_work());
  EXPECT_FALSE(q.has_work());
  EXPECT_EQ(q.pop_many(c, &w, 1).count, 0u);
}

TEST(injector, keeps_the_order_of_each_producer) {
  injector q;
  injector::consumer c(q);
  injector::producer p(q);
  q.push(p, 1);
  EXPECT_TRUE(q.try_push(p, 2));
  EXPECT_EQ(q.size_approx(), 2u);
  q.push_many(p, numbers(5000, 3).data(), 5000);
  q.push_many(p, nullptr, 0);
  EXPECT_EQ(all(q, c), numbers(5002, 1));
  EXPECT_EQ(q.size_approx(), 0u);
}

TEST(injector, flag_goes_up_with_a_push_and_down_with_a_pop_that_finds_nothing) {
  injector q;
  injector::consumer c(q);
  injector::producer p(q);
  std::uintptr_t out[4];
  for (std::uintptr_t round = 1; round < 100; ++round) {
    q.push(p, round);
    EXPECT_TRUE(q.maybe_work());
    EXPECT_TRUE(q.has_work());
    const auto got = q.pop_many(c, out, 4);
    ASSERT_EQ(got.count, 1u);
    EXPECT_FALSE(got.restored);
    EXPECT_EQ(out[0], round);
    const auto none = q.pop_many(c, out, 4);
    EXPECT_EQ(none.count, 0u);
    EXPECT_FALSE(none.restored);
    EXPECT_FALSE(q.has_work());
  }
}

TEST(injector, a_pop_of_none_leaves_the_flag_up) {
  injector q;
  injector::consumer c(q);
  injector::producer p(q);
  q.push(p, 1);
  EXPECT_EQ(q.pop_many(c, nullptr, 0).count, 0u);
  EXPECT_TRUE(q.has_work());
}

TEST(injector, try_push_works_at_once_and_never_allocates) {
  injector q(0);
  injector::consumer c(q);
  injector::producer p(q);
  const allocation_count count;
  std::uintptr_t fitted = 0;
  while (q.try_push(p, fitted + 1)) ++fitted;
  EXPECT_GE(fitted, 16u);
  EXPECT_EQ(count.get(), 0u);
  EXPECT_EQ(all(q, c), numbers(fitted, 1));
  EXPECT_TRUE(q.try_push(p, 1));
}

TEST(injector, steady_traffic_never_allocates) {
  injector q;
  injector::consumer c(q);
  injector::producer p(q);
  std::uintptr_t out[16];
  std::size_t taken = 0;
  std::size_t warm = 0;
  const allocation_count count;
  for (std::uintptr_t i = 1; i <= 100'000; ++i) {
    if (i == 1000) warm = count.get();
    q.push(p, i);
    if (i % 10 == 0) taken += q.pop_many(c, out, 16).count;
  }
  EXPECT_EQ(count.get(), warm);
  EXPECT_EQ(taken, 100'000u);
}

TEST(injector, a_push_without_memory_throws_and_adds_nothing) {
  injector q(0);
  injector::consumer c(q);
  injector::producer p(q);
  std::uintptr_t fitted = 0;
  while (q.try_push(p, fitted + 1)) ++fitted;
  const auto more = numbers(1000, fitted + 1);
  {
    const no_memory scope;
    EXPECT_THROW(q.push(p, 7), std::bad_alloc);
    EXPECT_THROW(q.push_many(p, more.data(), more.size()), std::bad_alloc);
    EXPECT_THROW(injector::producer another(q), std::bad_alloc);
  }
  q.push_many(p, more.data(), more.size());
  EXPECT_EQ(all(q, c), numbers(fitted + 1000, 1));
}

TEST(injector, words_outlive_their_producer_and_its_place_is_used_again) {
  injector q;
  injector::consumer c(q);
  std::size_t after_a_few = 0;
  const allocation_count count;
  for (std::uintptr_t client = 1; client <= 10'000; ++client) {
    {
      injector::producer p(q);
      injector::producer moved(std::move(p));
      q.push(moved, client);
    }
    std::uintptr_t out[16];
    const auto got = q.pop_many(c, out, 16);
    ASSERT_EQ(got.count, 1u);
    ASSERT_EQ(out[0], client);
    if (client == 100) after_a_few = count.get();
  }
  EXPECT_EQ(count.get(), after_a_few);
}

TEST(injector, two_stand_side_by_side) {
  injector a;
  injector b;
  injector::producer to_a(a);
  injector::producer to_b(b);
  injector::consumer from_b(b);
  a.push(to_a, 1);
  EXPECT_FALSE(b.has_work());
  b.push(to_b, 2);
  EXPECT_EQ(all(b, from_b), numbers(1, 2));
  EXPECT_TRUE(a.has_work());
}

}  // namespace
