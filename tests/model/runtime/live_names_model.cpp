// SPDX-License-Identifier: MIT
// The table of live names in all interleavings, with two places: two that begin under one name at
// once have one place, and two names have two.
#include "tests/model/support/model.hpp"

#include "src/runtime/live_names.hpp"

namespace {

using namespace pinion::model;
using pinion::detail::live_names;

constexpr const char* one = "one";
constexpr const char* other = "other";
constexpr const char* third = "third";

std::uint64_t count_of(const live_names& names, const char* wanted) {
  std::uint64_t count = 0;
  unsigned places = 0;
  names.for_each([&](const char* name, std::uint64_t n) {
    if (name != wanted) return;
    count = n;
    ++places;
  });
  require(places <= 1, "a name has one place");
  return count;
}

// Without the CAS both take the place, or one is lost.
void the_same_name() {
  live_names names;
  thread t([&] { names.begin(one); });
  names.begin(one);
  t.join();
  require(count_of(names, one) == 2, "both are counted");
  names.end(one);
  names.end(one);
  require(count_of(names, one) == 0, "and gone");
}

// One more than there are places: it is left out, in its end too.
void more_than_there_are_places() {
  live_names names;
  thread a([&] { names.begin(one), names.end(one); });
  thread b([&] { names.begin(other), names.begin(other); });
  names.begin(third);
  a.join(), b.join();
  require(count_of(names, one) == 0, "it has ended");
  const std::uint64_t others = count_of(names, other), thirds = count_of(names, third);
  require((others == 0 || others == 2) && thirds <= 1, "all of a name, or none");
  names.end(third);
  require(count_of(names, third) == 0 && count_of(names, other) == others, "its own end alone");
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 2, .may_fail = {.freezes = 1}};

TEST(live_names_model, a_name_has_one_place) {
  EXPECT_TRUE(holds_always({}, the_same_name));
  EXPECT_TRUE(holds_always(two_stops, more_than_there_are_places));
}
TEST(live_names_model, XC_18_one_that_stands_still_holds_up_nobody) {
  EXPECT_TRUE(holds_always(one_freezes, the_same_name));
  EXPECT_TRUE(holds_always(one_freezes, more_than_there_are_places));
}

}  // namespace
