// SPDX-License-Identifier: MIT
#include "pinion/patterns/outlet.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace pinion {
namespace {

using detail::outlet;

const error torn(errc::closed, std::make_error_code(std::errc::io_error));

// Finds: a task that ends without a word, and a reader that takes it for the end of all.
TEST(outlet, without_a_word_the_channel_ends_as_stopped) {
  channel<int> ch(2);
  {
    outlet<int> out(ch);
    EXPECT_TRUE(out.try_send(1));
  }
  EXPECT_EQ(ch.try_recv().value(), 1);
  EXPECT_EQ(ch.try_recv().error(), errc::closed);
  EXPECT_EQ(ch.try_recv().error().cause(), make_error_code(errc::stopped));
}

TEST(outlet, the_end_of_its_input_is_its_own) {
  channel<int> ch(1);
  { outlet<int>(ch).end(errc::closed); }
  EXPECT_EQ(ch.try_recv().error().cause(), make_error_code(errc::closed));
}

TEST(outlet, of_several_inputs_the_first_reason_counts) {
  for (const bool reason_first : {true, false}) {
    channel<int> ch(1);
    {
      outlet<int> out(ch);
      out.end(reason_first ? torn : error(errc::closed));
      out.end(reason_first ? error(errc::closed) : torn);
      out.end(errc::overloaded);
    }
    EXPECT_EQ(ch.try_recv().error().cause(), torn.cause());
  }
}

TEST(outlet, cut_short_it_is_closed_at_once_and_for_that_reason) {
  channel<int> ch(1);
  outlet<int> out(ch);
  out.cut_short(errc::overloaded);
  EXPECT_EQ(ch.try_recv().error().cause(), make_error_code(errc::overloaded));
  EXPECT_EQ(out.try_send(1).error(), errc::closed);
}

// Finds: a task that is moved, and closes what it no longer has.
TEST(outlet, moved_it_closes_once) {
  channel<int> ch(1);
  auto first = std::make_unique<outlet<int>>(ch);
  first->end(torn);
  {
    outlet<int> second(std::move(*first));
    first.reset();
    EXPECT_TRUE(second.try_send(1)) << "it is still open";
  }
  EXPECT_EQ(ch.try_recv().value(), 1);
  EXPECT_EQ(ch.try_recv().error().cause(), torn.cause());
}

TEST(outlet, one_that_is_replaced_ends) {
  channel<int> ch(1), other(1);
  outlet<int> out(ch);
  out.end(torn);
  out = outlet<int>(other);
  EXPECT_EQ(ch.try_recv().error().cause(), torn.cause());
  EXPECT_TRUE(out.try_send(1));
  EXPECT_EQ(other.try_recv().value(), 1);
}

TEST(outlet, taking_one_out_moves_the_last_into_its_place) {
  std::vector<std::string> all{"a", "b", "c"};
  detail::take_out_of(all, 0);
  EXPECT_EQ(all, (std::vector<std::string>{"c", "b"}));
  detail::take_out_of(all, 1);
  EXPECT_EQ(all, std::vector<std::string>{"c"});
}

TEST(outlet, what_throws_while_it_is_given_a_value_is_told_and_goes_no_farther) {
  int n = 1;
  detail::give_up<int>(nullptr, n);
  testing::internal::CaptureStderr();
  detail::give_up<int>([](int&&) { throw std::runtime_error("not mine"); }, n);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("on_undelivered: not mine"),
            std::string::npos);
}

}  // namespace
}  // namespace pinion
