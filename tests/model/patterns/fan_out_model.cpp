// SPDX-License-Identifier: MIT
// A fan-out in all interleavings: credits that come back against runners that leave, a result
// against the reader that goes to sleep, the end against both, and a reader that goes away.
//
// What is under it is not the whole scheduler: each runner is a thread of its own from the moment
// it is handed in. So it may come at any time, and there are fewer steps to go through.
#include <array>
#include <cstddef>
#include <optional>

#include "tests/model/support/model.hpp"

#include "pinion/patterns/fan_out.hpp"

namespace {

using namespace pinion::model;
using pinion::context;
using pinion::errc;
using pinion::fan_options;
using pinion::fan_out;
using pinion::on_error;
using pinion::scheduler;
using pinion::scheduler_options;
using pinion::scoped_context;

using pinion::order::as_completed;
using pinion::order::as_submitted;

/// Runners, of which this many are accepted; 0: all.
scheduler_options runners(std::size_t accepted = 0) {
  scheduler_options o;
  o.workers = 1;
  o.queue_limit = accepted;
  return o;
}

/// A result: where its call has written. It is watched itself, so that a slot that is filled before
/// it is seen to be empty is a data race.
using value = cell<cell<int>*>;

/// What the calls write to: who has a result without having seen its call races with it.
class calls {
 public:
  explicit calls(std::size_t count) : count_(count) {}

  auto inputs() { return std::span(numbers_).first(count_); }
  auto call() {
    return [this](std::size_t i) {
      require(cells_[i].read() == 0, "an input is called for once");
      cells_[i].write(1);
      return value(&cells_[i]);
    };
  }

  void take(const value& result) {
    cell<int>* const of = result.read();
    require(of->read() == 1, "a result comes once, and is seen");
    of->write(2);
    ++taken_;
  }
  std::size_t taken() const { return taken_; }
  cell<int>* at(std::size_t i) { return &cells_[i]; }

  /// Those that were not taken have not run.
  void expect_nothing_is_lost() const {
    std::size_t seen = 0;
    for (const auto& c : cells_) {
      require(c.read() != 1, "what was started comes");
      seen += c.read() == 2;
    }
    require(seen == taken_, "each once");
  }

 private:
  std::array<std::size_t, 5> numbers_{0, 1, 2, 3, 4};
  std::array<cell<int>, 5> cells_{};
  std::size_t count_;
  std::size_t taken_ = 0;
};

/// Reads to the end, and says why there is one.
template <class Results>
pinion::errc read_all(Results& from, calls& c) {
  for (;;) {
    auto r = from.next().wait();
    if (!r) return r.error().code();
    require(r->has_value(), "no call fails");
    c.take(**r);
  }
}

// One slot: each result gives its credit to the next call, in a new runner if the last has left.
// Where R1 leaves by a second step, or C3 looks at an older word, nobody goes on.
template <pinion::order Order, std::size_t Inputs>
void one_slot() {
  calls c(Inputs);
  scheduler s(runners());
  {
    auto all = fan_out(s, context::background(), c.inputs(), c.call(),
                       {.concurrency = 1, .buffer = 1, .order = Order});
    require(read_all(all, c) == errc::closed, "the end");
    require(c.taken() == Inputs && all.report().succeeded == Inputs, "all of them");
  }
  c.expect_nothing_is_lost();
}

// Two runners: they meet at tickets and inputs, and the one that leaves last says the end. With
// three credits and five inputs the last slot is the first one again, and its runner may have a
// credit that is older than that.
template <pinion::order Order, std::size_t Inputs, std::size_t Buffer>
void two_runners() {
  calls c(Inputs);
  scheduler s(runners());
  {
    auto all = fan_out(s, context::background(), c.inputs(), c.call(),
                       {.concurrency = 2, .buffer = Buffer, .order = Order});
    for (std::size_t i = 0; Order == as_submitted && i < Inputs; ++i) {
      const value next = *all.next().wait().value();
      require(next.read() == c.at(i), "in order");
      c.take(next);
    }
    require(read_all(all, c) == errc::closed, "the end");
    require(c.taken() == Inputs, "all of them");
  }
  c.expect_nothing_is_lost();
}

// The reader goes away at once or after the first result: runners that are on their way leave, and
// nobody is inside any more when the memory goes.
template <std::size_t Takes>
void reader_goes_away() {
  calls c(2);
  scheduler s(runners());
  auto all =
      fan_out(s, context::background(), c.inputs(), c.call(), {.concurrency = 1, .buffer = 1});
  for (std::size_t i = 0; i < Takes; ++i) c.take(*all.next().wait().value());
}

// The calls' context ends while they go on.
void canceled_from_outside() {
  calls c(2);
  scheduler s(runners());
  {
    scoped_context ctx = with_cancel(context::background());
    thread other([&] { ctx.cancel(); });
    auto all = fan_out(s, ctx, c.inputs(), c.call(), {.concurrency = 1, .buffer = 1});
    const errc why = read_all(all, c);
    require(why == (c.taken() == 2 ? errc::closed : errc::canceled), "the end, and why");
    const auto report = all.report();
    require(report.succeeded == c.taken() && report.succeeded + report.not_started == 2, "told");
    other.join();
  }
  c.expect_nothing_is_lost();
}

// The reader's wait ends, not the calls: the result that comes meanwhile is there for its next
// wait, which may be for another slot. Where R4 wakes without a look at the position, or gives up
// its wait by a store, one of the two is lost.
void reader_gives_up_its_wait() {
  calls c(2);
  scheduler s(runners());
  {
    auto all =
        fan_out(s, context::background(), c.inputs(), c.call(), {.concurrency = 1, .buffer = 2});
    scoped_context patience = with_cancel(context::background());
    thread other([&] { patience.cancel(); });
    if (auto r = all.next(patience).wait()) {
      c.take(**r);
    } else {
      require(r.error().code() == errc::canceled, "it gave up");
    }
    require(read_all(all, c) == errc::closed && c.taken() == 2, "nothing is lost by that");
    other.join();
  }
  c.expect_nothing_is_lost();
}

// A scheduler that ends takes one runner, and refuses the next.
void refused_after_the_first() {
  calls c(2);
  scheduler s(runners(1));
  {
    auto all =
        fan_out(s, context::background(), c.inputs(), c.call(), {.concurrency = 1, .buffer = 1});
    const errc why = read_all(all, c);
    require(why == (c.taken() == 2 ? errc::closed : errc::stopped), "the end, and why");
    require(c.taken() + all.report().not_started == 2, "told");
  }
  c.expect_nothing_is_lost();
}
const options one_stop{.preemptions = 1};
const options newest_only{.preemptions = 1, .stale_reads = 0};
const options without_stops{.preemptions = 0, .stale_reads = 0};  // what has more threads
const options some{.how = mode::priorities, .executions = 4'000, .changes = 3};

TEST(fan_out_model, a_credit_that_comes_back_is_used) {
  EXPECT_TRUE(holds_always(one_stop, one_slot<as_completed, 2>));
  EXPECT_TRUE(holds_always(newest_only, one_slot<as_submitted, 2>));
  EXPECT_TRUE(holds(some, one_slot<as_completed, 3>));
}
TEST(fan_out_model, two_runners_share_the_inputs) {
  EXPECT_TRUE(holds_always(without_stops, two_runners<as_completed, 2, 2>));
  EXPECT_TRUE(holds_always(without_stops, two_runners<as_submitted, 2, 2>));
}
TEST(fan_out_model, a_slot_is_used_again) {
  EXPECT_TRUE(holds(some, two_runners<as_completed, 5, 3>));
  EXPECT_TRUE(holds(some, two_runners<as_submitted, 5, 3>));
}
TEST(fan_out_model, the_reader_may_go_away_before_it_begins) {
  EXPECT_TRUE(holds_always(one_stop, reader_goes_away<0>));
}
TEST(fan_out_model, the_reader_may_go_away_after_a_result) {
  EXPECT_TRUE(holds_always(newest_only, reader_goes_away<1>));
  EXPECT_TRUE(holds(some, reader_goes_away<1>));
}
TEST(fan_out_model, what_was_started_comes_when_the_context_ends) {
  EXPECT_TRUE(holds_always(without_stops, canceled_from_outside));
  EXPECT_TRUE(holds(some, canceled_from_outside));
}
TEST(fan_out_model, a_wait_that_is_given_up_loses_nothing) {
  EXPECT_TRUE(holds_always(without_stops, reader_gives_up_its_wait));
  EXPECT_TRUE(holds(some, reader_gives_up_its_wait));
}
TEST(fan_out_model, a_runner_that_is_refused_ends_it) {
  EXPECT_TRUE(holds_always(one_stop, refused_after_the_first));
}
TEST(fan_out_model, mutants_are_killed) {
  auto trials =
      sampled(400, {one_slot<as_completed, 3>, two_runners<as_completed, 2, 2>, reader_goes_away<0>,
                    reader_goes_away<1>, canceled_from_outside, reader_gives_up_its_wait});
  for (const body& run : {body(two_runners<as_completed, 2, 2>), body(reader_goes_away<1>),
                          body(canceled_from_outside), body(reader_gives_up_its_wait)})
    trials.push_back({some, run, "leave"});
  trials.push_back({some, two_runners<as_completed, 5, 3>, "place"});
  trials.push_back({some, two_runners<as_submitted, 5, 3>, "take"});
  EXPECT_TRUE(survivors_are_known(
      trials, {"fan_control.cpp", "fan_control.hpp", "fan_results.hpp", "fan_input.hpp"}));
}

}  // namespace
