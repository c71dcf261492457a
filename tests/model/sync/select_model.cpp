// SPDX-License-Identifier: MIT
// Selects in all interleavings: one case wins and no other has an effect, two selects pair or do
// not meet, and whoever was served may destroy what it waited for.
#include <memory>
#include <utility>

#include "tests/model/support/model.hpp"
#include "tests/support/handover.hpp"
#include "tests/support/waiting.hpp"

#include "pinion/sync/context.hpp"
#include "pinion/sync/select.hpp"

namespace {

using namespace pinion::model;
using pinion::context;
using pinion::errc;
using pinion::select;
using pinion::select_biased;
using pinion::try_select;
using pinion::with_cancel;
using pinion::test::mailbox;
using place = pinion::test::handover<cell<int>>;

// Both wait, or one finds the other: what the one has sent the other has received. With one lock at
// a time while they enlist, each may find the other's half and claim it.
void select_against_select() {
  place x, y;
  std::size_t sent = 9;
  thread other([&] { sent = select(x.send(1), y.send(2)).wait()->index(); });
  auto won = select(y.recv(), x.recv()).wait();
  other.join();
  require(sent == 1 - won->index(), "they have met in one place");
  auto& received = won->index() == 0 ? get<0>(*won) : get<1>(*won);
  require(received->read() == static_cast<int>(sent) + 1, "the value of that case");
  require(x.waiting() + y.waiting() == 0, "and nobody is left in the other");
}

// The same place twice in each: a select does not meet itself.
void either_way() {
  place x;
  std::size_t one = 9, two = 9;
  thread other([&] { one = select(x.send(1), x.recv()).wait()->index(); });
  auto won = select(x.recv(), x.send(2)).wait();
  two = won->index();
  other.join();
  require(one == two, "one has sent, one has received");
  if (two == 0) require(get<0>(*won)->read() == 1, "what the other has sent");
  require(x.waiting() == 0, "nobody is left");
}

// Two come for the same select. The one that loses has done nothing, and is served by the next.
void claim_against_claim() {
  place x, y;
  thread a([&] { require(x.send(1).wait().has_value(), "received"); });
  thread b([&] { require(y.send(2).wait().has_value(), "received"); });
  auto won = select(x.recv(), y.recv()).wait();
  const bool is_first = won->index() == 0;
  const int one = (is_first ? get<0>(*won) : get<1>(*won))->read();
  auto rest = (is_first ? y : x).recv().wait();
  require(one == (is_first ? 1 : 2) && rest->read() == 3 - one, "each value once");
  a.join(), b.join();
}

// A place is closed while somebody sends in the other.
void against_close() {
  place x, y;
  thread closer([&] { x.close(); });
  thread sender([&] { require(y.send(7).wait().has_value(), "received"); });
  auto won = select(x.recv(), y.recv()).wait();
  if (won->index() == 0) {
    require(get<0>(*won).error() == errc::closed, "closed");
    require(y.recv().wait()->read() == 7, "nothing was taken");
  } else {
    require(get<1>(*won)->read() == 7, "the value");
  }
  closer.join(), sender.join();
}

// What was handed over is received; a select that was ended has taken nothing.
void against_cancel() {
  place x, y;
  auto ctx = with_cancel(context::background());
  thread canceller([&] { (void)ctx.cancel(); });
  thread sender([&] { require(y.send(7).wait().has_value(), "received"); });
  auto won = select(ctx, x.recv(), y.recv()).wait();
  if (won) {
    require(won->index() == 1 && get<1>(*won)->read() == 7, "the value");
  } else {
    require(won.error() == errc::canceled, "canceled");
    require(y.recv().wait()->read() == 7, "nothing was taken");
  }
  canceller.join(), sender.join();
}

// Who was served destroys the box, while whoever gave may still be in give(). The other box stays.
// Finds: a wake before the unlock.
void destroyed_after_the_wait() {
  auto a = std::make_unique<mailbox>();
  mailbox b;
  cell<int> before;
  thread giver([&, &there = *a] { before.write(1), there.give(1); });
  auto won = select(b.take(), a->take()).wait();
  a.reset();
  require(get<1>(*won).value() == 1 && before.read() == 1, "the value, and what came before");
  giver.join();
}

// The number is in one of the two at every instant, so one of them is ready. Looking at one after
// the other, each under its own lock, finds neither.
void not_ready_at_one_instant() {
  mailbox a, b;
  a.give(1);
  thread mover([&] { a.move_to(b), b.move_to(a); });
  require(try_select(a.take(), b.take()).has_value(), "one of them is ready");
  mover.join();
}

// First a is ready and then b, never b alone. Trying the first and then the second without holding
// the lock of the first takes b.
void in_order() {
  mailbox a, b;
  thread giver([&] { a.give(1), b.give(2); });
  require(select_biased(a.take(), b.take()).wait()->index() == 0, "the first one is ready, too");
  giver.join();
}

const options two_stops{.preemptions = 2, .random_numbers = 2};
const options some{
    .how = mode::priorities, .executions = 20'000, .changes = 4, .random_numbers = 2};

TEST(select_model, SEL_15_two_selects_pair_or_do_not_meet) {
  EXPECT_TRUE(holds_always(two_stops, select_against_select));
  EXPECT_TRUE(holds_always(two_stops, either_way));
}
TEST(select_model, SEL_3_one_case_takes_effect) {
  EXPECT_TRUE(holds(some, claim_against_claim));
  EXPECT_TRUE(holds(some, against_close));
}
TEST(select_model, XC_2_XC_4_against_a_cancel) {
  EXPECT_TRUE(holds(some, against_cancel));
}
TEST(select_model, the_object_may_go_after_the_wait) {
  EXPECT_TRUE(holds_always(two_stops, destroyed_after_the_wait));
}
TEST(select_model, SEL_7_not_ready_is_true_at_one_instant) {
  EXPECT_TRUE(holds_always(two_stops, not_ready_at_one_instant));
}
TEST(select_model, SEL_6_in_order_means_at_one_instant) {
  EXPECT_TRUE(holds_always(two_stops, in_order));
}

}  // namespace
