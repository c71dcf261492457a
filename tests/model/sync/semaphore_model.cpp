// SPDX-License-Identifier: MIT
// The semaphore in all interleavings: permits that come back without the lock against whoever joins
// the line, a large request that gives up before a small one, and the end of the semaphore.
#include <memory>

#include "tests/model/support/model.hpp"

#include "pinion/sync/context.hpp"
#include "pinion/sync/semaphore.hpp"

namespace {

using namespace pinion::model;
using pinion::context;
using pinion::errc;
using pinion::permit;
using pinion::scoped_context;
using pinion::semaphore;

// What is guarded by the one permit is nobody else's meanwhile. Without the look at L1 the permit
// comes back between the last look and the mark, and the wait never ends.
void release_against_acquire() {
  semaphore s(1);
  cell<int> guarded = 0;
  permit mine = s.try_acquire().value();
  thread other([&] {
    const permit p = s.acquire().wait().value();
    guarded.write(guarded.read() + 1);
  });
  guarded.write(guarded.read() + 1);
  mine.release();
  other.join();
  require(guarded.read() == 2, "both");
  require(s.available_approx() == 1, "no permit is lost");
}

// The same, on the ways without a lock alone.
void without_waiting() {
  semaphore s(1);
  cell<int> guarded = 0;
  auto work = [&] {
    if (auto p = s.try_acquire()) guarded.write(guarded.read() + 1);
  };
  thread other(work);
  work();
  other.join();
  require(s.available_approx() == 1, "no permit is lost");
  work();
  require(guarded.read() >= 2, "taken by somebody, and again");
}

// The large one stands before the small one and gives up; the permit that is out stays out. Without
// serve() in withdraw() the small one waits for ever.
void the_head_gives_up() {
  semaphore s(2);
  permit one = s.try_acquire().value();
  scoped_context ctx = with_cancel(context::background());
  thread large([&] { require(s.acquire(ctx, 2).wait().error() == errc::canceled, "canceled"); });
  thread small([&] { require(s.acquire().wait().has_value(), "nobody cancels this one"); });
  (void)ctx.cancel();
  large.join(), small.join();
  require(s.available_approx() == 1, "no permit is lost");
}

// A permit that comes back is had by who waits, or is there again when that wait was canceled.
void release_against_cancel() {
  semaphore s(1);
  permit mine = s.try_acquire().value();
  scoped_context ctx = with_cancel(context::background());
  thread canceller([&] { (void)ctx.cancel(); });
  thread giver([&] { mine.release(); });
  {
    const auto got = s.acquire(ctx).wait();
    require(got.has_value() || got.error() == errc::canceled, "the permit, or canceled");
    canceller.join(), giver.join();
    require(s.available_approx() == (got.has_value() ? 0u : 1u), "taken, or there");
  }
  require(s.available_approx() == 1, "no permit is lost");
}

void close_against_acquire() {
  semaphore s(1);
  permit mine = s.try_acquire().value();
  thread closer([&] { require(s.close(), "the first call"); });
  thread giver([&] { mine.release(); });
  const auto got = s.acquire().wait();
  require(got.has_value() || got.error() == errc::closed, "the permit, or closed");
  closer.join(), giver.join();
}

// Whoever gives the last permit back may destroy the semaphore, even while another one who gave one
// back in line has still to unlock. Without the lock in the destructor that one unlocks what is
// gone.
void the_end() {
  auto s = std::make_unique<semaphore>(1);
  cell<int> guarded = 0;
  permit mine = s->try_acquire().value();
  scoped_context ctx = with_cancel(context::background());
  thread waits([&] { (void)s->acquire(ctx).wait(); });
  thread giver([&] {
    guarded.write(1);
    mine.release();
  });
  (void)ctx.cancel();
  waits.join();
  require(s->acquire().wait().has_value() && guarded.read() == 1, "after the release");
  s.reset();
  giver.join();
}

const options two_stops{.preemptions = 2};
const options one_freezes{.preemptions = 2, .may_fail = {.freezes = 1}};

TEST(semaphore_model, a_permit_that_comes_back_is_found) {
  EXPECT_TRUE(holds_always({.preemptions = 3}, release_against_acquire));
  EXPECT_TRUE(holds_always({}, without_waiting));
}
TEST(semaphore_model, SEM_5_who_stands_behind_a_head_that_gives_up_is_served) {
  EXPECT_TRUE(holds_always(two_stops, the_head_gives_up));
}
TEST(semaphore_model, SEM_6_a_permit_is_granted_or_there) {
  EXPECT_TRUE(holds_always(two_stops, release_against_cancel));
}
TEST(semaphore_model, SEM_12_close_ends_the_wait) {
  EXPECT_TRUE(holds_always(two_stops, close_against_acquire));
}
TEST(semaphore_model, who_gives_the_last_permit_back_may_destroy_it) {
  EXPECT_TRUE(holds_always(two_stops, the_end));
}
TEST(semaphore_model, XC_18_one_that_stands_still_holds_up_nobody) {
  EXPECT_TRUE(holds_always(one_freezes, without_waiting));
  EXPECT_TRUE(fails(one_freezes, the_head_gives_up, "holds up others"));  // in line, under a lock
}
TEST(semaphore_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known({{{}, without_waiting},
                                   {{.preemptions = 2}, release_against_acquire},
                                   {{.preemptions = 1}, the_head_gives_up},
                                   {{.preemptions = 1}, close_against_acquire},
                                   {{.preemptions = 2}, the_end}},
                                  {"semaphore.hpp", "semaphore.cpp"}));
}

}  // namespace
