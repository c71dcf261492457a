// SPDX-License-Identifier: MIT
// One stage by itself: what its function gives, and what becomes of the item.
#include "pinion/patterns/pipeline_stage.hpp"

#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>

#include "tests/support/patterns.hpp"
#include <gtest/gtest.h>

#include "pinion/runtime/task.hpp"

namespace pinion {
namespace {

using detail::item_fate;
using detail::item_of;
using detail::item_stage;
using detail::pipeline_stage;
using detail::source_stage;
using detail::stage_function;
using test::counted;

static_assert(std::is_same_v<item_of<std::optional<result<int>>>, int>);
static_assert(std::is_same_v<item_of<result<std::optional<std::string>>>, std::string>);
static_assert(std::is_same_v<item_of<result<void>>, void>);
struct plain {
  void operator()(int);
};
struct of_context {
  void operator()(const context&, int);
};
static_assert(stage_function<plain, int> && stage_function<of_context, int>);
static_assert(!stage_function<plain, std::string>);

/// A stage for items of one type, with the memory of one item before and behind it.
template <class F>
class one_stage {
 public:
  explicit one_stage(F f) : stage_(mode::parallel, std::move(f)) {}

  item_fate run(int n) {
    return static_cast<pipeline_stage&>(stage_).run(context::background(), ::new (in_) counted(n),
                                                    out_, why);
  }
  counted& out() { return *std::launder(reinterpret_cast<counted*>(out_)); }

  error why = errc::ok;

 private:
  item_stage<counted, F> stage_;
  alignas(counted) std::byte in_[sizeof(counted)];
  alignas(counted) std::byte out_[sizeof(counted)];
};

struct pipeline_stage_of_one : testing::Test {
  ~pipeline_stage_of_one() override { EXPECT_EQ(counted::alive.load(), 0); }
};

TEST_F(pipeline_stage_of_one, a_value_is_kept_and_the_item_is_gone) {
  one_stage stage([](counted c) { return counted(c.value() + 1); });
  EXPECT_EQ(stage.run(1), item_fate::kept);
  EXPECT_EQ(counted::alive.load(), 1);
  EXPECT_EQ(stage.out().value(), 2);
  std::destroy_at(&stage.out());
}

TEST_F(pipeline_stage_of_one, an_empty_optional_drops_wherever_it_is) {
  one_stage plain_one([](counted) -> std::optional<counted> { return std::nullopt; });
  EXPECT_EQ(plain_one.run(1), item_fate::dropped);
  one_stage in_result(
      [](counted) -> result<std::optional<counted>> { return std::optional<counted>(); });
  EXPECT_EQ(in_result.run(1), item_fate::dropped);
}

TEST_F(pipeline_stage_of_one, an_error_and_an_exception_fail_with_their_reason) {
  one_stage says([](counted) -> result<counted> { return errc::overloaded; });
  EXPECT_EQ(says.run(1), item_fate::failed);
  EXPECT_EQ(says.why, errc::overloaded);
  one_stage throws([](counted) -> counted { throw std::runtime_error("torn"); });
  EXPECT_EQ(throws.run(1), item_fate::failed);
  EXPECT_EQ(throws.why, errc::failed);
  EXPECT_EQ(throws.why.what(), "torn");
}

TEST_F(pipeline_stage_of_one, a_sink_gives_nothing) {
  int seen = 0;
  one_stage sink([&](const counted& c) { seen = c.value(); });
  EXPECT_EQ(sink.run(7), item_fate::kept);
  EXPECT_EQ(seen, 7);
}

// Finds: an error that is taken for the end, or an end that is taken for an error.
TEST_F(pipeline_stage_of_one, a_source_ends_by_nothing_and_by_closed_and_by_no_other_error) {
  const auto fate_of = [](auto f) {
    source_stage<decltype(f)> source(std::move(f));
    alignas(counted) std::byte out[sizeof(counted)];
    error why = errc::ok;
    const item_fate fate =
        static_cast<pipeline_stage&>(source).run(context::background(), nullptr, out, why);
    if (fate == item_fate::kept) std::destroy_at(std::launder(reinterpret_cast<counted*>(out)));
    return fate;
  };
  EXPECT_EQ(fate_of([] { return counted(1); }), item_fate::kept);
  EXPECT_EQ(fate_of([]() -> std::optional<counted> { return std::nullopt; }), item_fate::ended);
  EXPECT_EQ(fate_of([]() -> result<counted> { return errc::closed; }), item_fate::ended);
  EXPECT_EQ(fate_of([]() -> result<counted> { return errc::overloaded; }), item_fate::failed);
}

}  // namespace
}  // namespace pinion
