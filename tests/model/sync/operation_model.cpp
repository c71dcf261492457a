// SPDX-License-Identifier: MIT
// Operations in all interleavings: a wait that its context may end loses nothing that was handed
// over, and takes nothing when it was ended; and locks are taken in one order by all.
#include <mutex>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/operation.hpp"

namespace {

using namespace pinion::model;
using pinion::context;
using pinion::errc;
using pinion::scoped_context;
using pinion::wait_list;
using pinion::waiter;
using pinion::wake_chain;

/// Holds values; who finds none waits for one, in line.
class store {
 public:
  using receive_op = pinion::op<int, cell<int>>;

  receive_op receive(const context* ctx = nullptr) noexcept { return {receiving, this, ctx}; }

  void give(int value) {
    wake_chain woken;
    const std::lock_guard lock(line_);
    if (pinion::wait_link* first = line_.claim_first(woken))
      receive_op::of(*first).payload().write(value);
    else
      values_.push_back(value);
  }

  std::size_t left() const { return values_.size(); }

 private:
  wait_list line_;
  std::vector<cell<int>> values_;

  static store& of(receive_op& o) noexcept { return *static_cast<store*>(o.object()); }
  static bool try_complete(receive_op& o) noexcept {
    auto& values = of(o).values_;
    if (values.empty()) return false;
    o.payload() = values.back();
    values.pop_back();
    return true;
  }

  static wait_list& list(receive_op& o) noexcept { return of(o).line_; }
  static void enlist(receive_op& o, waiter& w) noexcept { of(o).line_.push_back(o.link(w)); }
  static void withdraw(receive_op& o) noexcept { of(o).line_.remove(o.link()); }
  static pinion::result<int> take(receive_op& o) { return o.payload().read(); }

  static constexpr receive_op::verb receiving{.list = &list,
                                              .try_complete = &try_complete,
                                              .enlist = &enlist,
                                              .withdraw = &withdraw,
                                              .take = &take};
};

// What was handed over is received, and a wait that was ended has taken nothing. With a look at the
// context after the wait in place of the look at the winner, what was handed over is lost.
void give_against_cancel() {
  store s;
  scoped_context ctx = with_cancel(context::background());
  thread giver([&] { s.give(7); });
  thread canceller([&] { (void)ctx.cancel(); });
  const auto r = s.receive(&ctx).wait();
  require(r.has_value() ? *r == 7 : r.error() == errc::canceled, "the value, or canceled");
  giver.join(), canceller.join();
  require((s.left() == 0) == r.has_value(), "received, or still there");
}

// One of two who wait is canceled: the other gets its value whoever comes first, and none is lost.
void two_receivers() {
  store s;
  scoped_context ctx = with_cancel(context::background());
  thread other([&] { require(s.receive().wait().has_value(), "nobody cancels this one"); });
  thread giver([&] { s.give(1), s.give(2); });
  thread canceller([&] { (void)ctx.cancel(); });
  const auto r = s.receive(&ctx).wait();
  other.join(), giver.join(), canceller.join();
  require(s.left() == (r.has_value() ? 0u : 1u), "received, or still there");
}

/// Done at once, under the locks of two objects.
class at_both : public pinion::operation_base<at_both, void> {
 public:
  at_both(wait_list& one, wait_list& two, cell<int>& n) : one_(&one), two_(&two), done_(&n) {}

  void collect(pinion::lock_set& locks) noexcept { locks.add(*one_), locks.add(*two_); }
  bool try_complete() noexcept {
    done_->write(done_->read() + 1);
    return true;
  }
  void enlist(waiter&) noexcept {}
  void withdraw() noexcept {}
  bool owns(const pinion::wait_link&) const noexcept { return false; }
  pinion::result<> take() { return {}; }

 private:
  wait_list* one_;
  wait_list* two_;
  cell<int>* done_;
};

// With the locks taken in the order in which they were added, both wait for each other.
void crossed_locks() {
  wait_list one, two;
  cell<int> done = 0;
  thread other([&] { (void)at_both(two, one, done).wait(); });
  (void)at_both(one, two, done).wait();
  other.join();
  require(done.read() == 2, "both");
}

const options two_stops{.preemptions = 2};
const options some{.how = mode::priorities, .executions = 20'000, .changes = 4};

TEST(operation_model, a_value_is_received_or_still_there) {
  EXPECT_TRUE(holds_always(two_stops, give_against_cancel));
  EXPECT_TRUE(holds(some, two_receivers));
}
TEST(operation_model, locks_are_taken_in_one_order) {
  EXPECT_TRUE(holds_always({}, crossed_locks));
}

// An operation has no atomics of its own, and so no mutants: what it stands on is in the models of
// the waiter and the lock. An order that is added there is tried here.
TEST(operation_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known({{two_stops, give_against_cancel}, {{}, crossed_locks}},
                                  {"operation.hpp", "operation.cpp"}));
}

}  // namespace
