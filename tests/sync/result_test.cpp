// SPDX-License-Identifier: MIT
// Errors keep what they were told, results keep what they were given, and neither loses it on
// the way to another thread.
#include "pinion/sync/result.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace {

using pinion::errc;
using pinion::error;
using pinion::result;

static_assert(sizeof(error) == 2 * sizeof(void*));
static_assert(std::is_nothrow_copy_constructible_v<error> &&
              std::is_nothrow_move_constructible_v<error>);
static_assert(std::is_nothrow_copy_assignable_v<error>);
static_assert(std::is_constructible_v<result<std::string>, const char*>);
static_assert(!std::is_convertible_v<std::string, result<std::unique_ptr<int>>>);
static_assert(!std::is_copy_constructible_v<result<std::unique_ptr<int>>> &&
              std::is_move_constructible_v<result<std::unique_ptr<int>>>);

struct own_exception : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::exception_ptr thrown(const char* text) {
  return std::make_exception_ptr(own_exception(text));
}

const own_exception* object_of(const std::exception_ptr& p) {
  try {
    std::rethrow_exception(p);
  } catch (const own_exception& e) {
    return &e;
  } catch (...) {
    return nullptr;
  }
}

TEST(result, RE_4_error_keeps_code_cause_and_exception) {
  const error plain = errc::closed;
  EXPECT_EQ(plain.code(), errc::closed);
  EXPECT_EQ(plain.cause(), make_error_code(errc::closed));
  EXPECT_EQ(plain.exception(), nullptr);

  const error because(errc::canceled, std::make_error_code(std::errc::connection_reset));
  EXPECT_TRUE(because == errc::canceled);  // the code is what is compared
  EXPECT_TRUE(because != errc::closed);
  EXPECT_EQ(because.cause(), std::errc::connection_reset);

  const auto p = thrown("boom");
  const error of_user = p;
  EXPECT_EQ(of_user, errc::failed);
  EXPECT_EQ(of_user.exception(), p);
  EXPECT_EQ(of_user.what(), "boom");
  EXPECT_EQ(error("simulated").what(), "simulated");
}

TEST(result, RE_4_copies_and_moves_keep_everything) {
  const auto p = thrown("boom");
  error a = p;
  error b = a;
  error c = std::move(a);
  EXPECT_EQ(b.exception(), p);
  EXPECT_EQ(c.exception(), p);
  b = errc::closed;
  EXPECT_EQ(b.exception(), nullptr);
  const error& itself = c;
  c = itself;
  EXPECT_EQ(c.exception(), p);
  b = error(errc::canceled, std::make_error_code(std::errc::io_error));
  c = b;
  EXPECT_EQ(c.cause(), std::errc::io_error);
}

TEST(result, RE_4_as_keeps_the_reason_under_another_code) {
  const auto p = thrown("boom");
  EXPECT_EQ(error(p).as(errc::canceled), errc::canceled);
  EXPECT_EQ(error(p).as(errc::canceled).exception(), p);
  EXPECT_EQ(error(p).as(errc::canceled).what(), "canceled: boom");
  EXPECT_EQ(error(errc::overloaded).as(errc::canceled).cause(), make_error_code(errc::overloaded));
  EXPECT_EQ(error(errc::canceled).as(errc::canceled).cause(), make_error_code(errc::canceled));
}

TEST(result, RE_5_value_raises_the_original_or_a_system_error) {
  const auto p = thrown("boom");
  const result<int> failed = error(p);
  try {
    (void)failed.value();
    FAIL();
  } catch (const own_exception& e) {
    EXPECT_EQ(&e, object_of(p));
  }
  const result<> late(error(errc::canceled, std::make_error_code(std::errc::io_error)));
  try {
    late.value();
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), errc::canceled);
    EXPECT_NE(std::string(e.what()).find(std::make_error_code(std::errc::io_error).message()),
              std::string::npos);
  }
}

#if !defined(NDEBUG)
TEST(result, RE_5_error_of_a_value_is_caught_in_debug) {
  const result<int> fine = 1;
  EXPECT_DEATH((void)fine.error(), "");
}
#endif

TEST(result, RE_6_exception_keeps_its_identity_across_threads) {
  const auto p = thrown("boom");
  result<int> there = 0;
  std::thread([&] { there = error(p); }).join();
  EXPECT_EQ(object_of(there.error().exception()), object_of(p));
  EXPECT_NE(object_of(p), nullptr);
}

TEST(result, RE_8_errc_is_an_error_code_with_standard_conditions) {
  const std::error_code code = errc::deadline_exceeded;
  EXPECT_EQ(code, std::errc::timed_out);
  EXPECT_EQ(make_error_code(errc::would_exceed_deadline), std::errc::timed_out);
  EXPECT_EQ(make_error_code(errc::canceled), std::errc::operation_canceled);
  EXPECT_EQ(make_error_code(errc::not_ready), std::errc::operation_would_block);
  EXPECT_EQ(make_error_code(errc::overloaded), std::errc::no_buffer_space);
  EXPECT_EQ(make_error_code(errc::would_deadlock), std::errc::resource_deadlock_would_occur);
  EXPECT_EQ(make_error_code(errc::unavailable), std::errc::resource_unavailable_try_again);
  EXPECT_FALSE(make_error_code(errc::ok));
  EXPECT_STREQ(code.category().name(), "pinion");
  EXPECT_EQ(code.message(), "deadline exceeded");
}

TEST(result, XC_13_kinds_of_errors_are_told_apart) {
  EXPECT_TRUE(error(errc::would_exceed_deadline).is_timeout());
  EXPECT_TRUE(error(errc::deadline_exceeded).is_timeout());
  EXPECT_FALSE(error(errc::canceled).is_timeout());
  EXPECT_TRUE(error(errc::canceled).is_cancel());
  EXPECT_TRUE(error(errc::not_started).is_cancel());
  EXPECT_FALSE(error(errc::stopped).is_cancel());
}

TEST(result, RE_9_values_move_and_chain) {
  result<std::unique_ptr<int>> owned = std::make_unique<int>(20);
  auto plus_one = std::move(owned).transform([](std::unique_ptr<int> p) { return *p + 1; });
  static_assert(std::is_same_v<decltype(plus_one), result<int>>);
  EXPECT_EQ(*plus_one, 21);

  auto doubled = std::move(plus_one).and_then([](int n) { return result<long>(n * 2L); });
  EXPECT_EQ(doubled.value(), 42);
  EXPECT_EQ(result<int>(errc::closed).value_or(7), 7);
  EXPECT_EQ(result<int>(1).value_or(7), 1);

  auto rescued = result<int>(errc::closed).or_else([](const error& e) {
    return result<int>(e == errc::closed ? 5 : 6);
  });
  EXPECT_EQ(*rescued, 5);
  auto skipped = result<int>(errc::closed).transform([](int n) { return n; });
  EXPECT_EQ(skipped.error(), errc::closed);
}

TEST(result, RE_9_nothing_is_a_value_too) {
  result<> fine;
  EXPECT_TRUE(fine.has_value());
  int calls = 0;
  result<> twice =
      result<>().and_then([&] { return ++calls, result<>(); }).transform([&] { ++calls; });
  EXPECT_TRUE(twice);
  EXPECT_EQ(calls, 2);
  result<> bad = errc::overloaded;
  EXPECT_FALSE(bad);
  EXPECT_TRUE(std::move(bad).or_else([](const error&) { return result<>(); }));
  EXPECT_EQ(*result<int>(3).transform([](int n) { return n + 1; }), 4);
}

#if defined(__cpp_lib_expected)
TEST(result, RE_9_converts_to_expected) {
  EXPECT_EQ(result<int>(3).to_expected().value(), 3);
  EXPECT_EQ(result<>(errc::closed).to_expected().error(), errc::closed);
}
#endif

}  // namespace
