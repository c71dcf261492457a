// SPDX-License-Identifier: MIT
// The idle set in all interleavings, with the loop of a worker around it: work that is handed in is
// always found, however a worker is about to go to sleep.
//
// A lost wake-up shows as "every thread waits": the one who waits for the work to be done, and the
// worker that sleeps beside it.
#include <vector>

#include "tests/model/support/items.hpp"
#include "tests/model/support/model.hpp"

#include "pinion/platform/parker.hpp"
#include "src/lockfree/idle_set.hpp"
#include "src/lockfree/run_queue.hpp"

namespace {

using namespace pinion::model;
using pinion::lockfree::idle_set;
using pinion::lockfree::run_queue;
using pinion::os::atomic;

constexpr auto seq_cst = std::memory_order_seq_cst;
constexpr auto relaxed = std::memory_order_relaxed;

// What a worker may leave out, to see that it is missed.
enum class left_out : unsigned char { nothing, look_before_sleep, look_of_last_searcher };

class office {
 public:
  explicit office(int work, left_out what = left_out::nothing, bool tasks_meet = false)
      : left_(work), left_out_(what), tasks_meet_(tasks_meet) {}

  // --- Who hands in.

  void submit() {
    queue_.push(all_.make());  // S1
    wake_one();
  }

  // To who watches its cell, or as submit().
  void hand_over() {
    const auto work = all_.make();
    const auto seen = idle_.look();
    for (std::size_t w = 0; w < 2; ++w)
      if ((seen.idle() >> w & 1) != 0 && idle_.hand_over(w, work)) return;
    if (seen.searching() == 0) {
      const std::size_t who = idle_.claim(0);
      if (who != idle_set::max_workers) {
        const auto given = idle_.give(who, work);
        if (given == idle_set::given::asleep) idle_.wake(who);
        if (given != idle_set::given::no) return;
      }
    }
    queue_.push(work);
    wake_one();
  }

  void wait_until_done() {
    done_.park();
    stop_.store(true, seq_cst);
    for (std::size_t w = 0; w < 2; ++w)
      if (idle_.retract(w, true) && idle_.notify(w)) idle_.wake(w);
    all_.expect_all_taken();
  }

  // --- A worker.

  void work(std::size_t me) {
    bool searching = false;
    for (;;) {
      std::uintptr_t w = take(me, searching);
      if (w == 0) {
        if (stop_.load(relaxed)) return;
        w = idle(me, searching);
        if (w == 0) continue;
      }
      if (searching) end_search();
      searching = false;
      run(w);
    }
  }

 private:
  void wake_one() {
    const auto seen = idle_.look();  // S2
    if (!seen.wants_wake() || somebody_has_work_coming(seen.idle())) return;
    const std::size_t who = idle_.claim(0);                                  // S3
    if (who != idle_set::max_workers && idle_.notify(who)) idle_.wake(who);  // S4
  }

  bool somebody_has_work_coming(std::uint32_t idle) const {
    for (std::size_t w = 0; w < 2; ++w)
      if ((idle >> w & 1) != 0 && idle_.holds_work(w)) return true;
    return false;
  }

  std::uintptr_t take(std::size_t me, bool& searching) {
    if (!searching) idle_.begin_search();
    searching = true;
    std::uintptr_t w = 0;
    if (queue_.steal({&w, 1}) == 1) return w;
    return idle_.take_back(1 - me);
  }

  void end_search() {
    const auto after = idle_.end_search();
    if (left_out_ == left_out::look_of_last_searcher) return;
    if (after.wants_wake() && !queue_.looks_empty()) wake_one();
  }

  std::uintptr_t idle(std::size_t me, bool& searching) {
    idle_.announce(me, searching);  // W1, W2
    const bool look = left_out_ != left_out::look_before_sleep;
    const bool stays = !stop_.load(seq_cst) && (!look || queue_.looks_empty());  // W3
    while (stays && idle_.untouched(me)) idle_.sleep(me, pinion::forever);       // W4
    const bool has_work = idle_set::is_work(idle_.peek(me));
    const bool unclaimed = idle_.retract(me, !has_work);
    searching = !has_work || !unclaimed;
    const std::uintptr_t w = idle_.take(me);
    if (w != 0 && !queue_.looks_empty()) wake_one();
    if (w == 0 && !searching) {
      searching = true;
      idle_.begin_search();
    }
    return w;
  }

  void run(std::uintptr_t w) {
    all_.take(w);
    if (tasks_meet_) meet();
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_.unpark();
  }

  // A task that waits for another one: they must run at the same time.
  void meet() {
    arrived_.fetch_add(1, std::memory_order_relaxed);
    while (arrived_.load(std::memory_order_relaxed) < 2) pinion::os::spin_hint();
  }

  idle_set idle_;
  run_queue queue_{2};
  items all_;
  atomic<int> left_;
  atomic<bool> stop_{false};
  pinion::parker done_;
  left_out left_out_;
  bool tasks_meet_;
  atomic<int> arrived_{0};
};

using way = void (office::*)();

void one_worker(int work, way hand_in, left_out what = left_out::nothing) {
  office o(work, what);
  thread worker([&] { o.work(0); });
  for (int i = 0; i < work; ++i) (o.*hand_in)();
  o.wait_until_done();
  worker.join();
}

// The worker has work in its cell: the next one is left to it, and it looks after it has taken
// that.
void handed_over_then_submitted() {
  office o(2);
  thread worker([&] { o.work(0); });
  o.hand_over();
  o.submit();
  o.wait_until_done();
  worker.join();
}

// claim() without a look() before it: the worker is seen, or sees the work.
void claimed_at_once() {
  idle_set idle;
  run_queue queue(2);
  items all;
  bool sees = false;
  thread worker([&] {
    idle.announce(0, false);
    sees = !queue.looks_empty();
  });
  queue.push(all.make());
  const bool claims = idle.claim(0) == 0;
  worker.join();
  require(sees || claims, "nobody sees the other");
}

// Work that its worker does not come for: who takes it back has not read the idle word since the
// claim (it may be of another idle set), so the cell alone says what was written before.
void taken_back_by_a_stranger() {
  idle_set idle;
  items all;
  idle.announce(0, false);
  thread stranger([&] {
    if (const auto work = idle.take_back(0)) all.take(work);
  });
  const auto work = all.make();
  require(idle.claim(0) == 0, "an idle worker is claimed");
  require(idle.give(0, work) == idle_set::given::watching, "it is watching");
  stranger.join();
  if (const auto left = idle.take(0)) all.take(left);
  all.expect_all_taken();
}

void two_workers(int work, way hand_in, left_out what = left_out::nothing) {
  office o(work, what);
  thread one([&] { o.work(0); });
  thread other([&] { o.work(1); });
  for (int i = 0; i < work; ++i) (o.*hand_in)();
  o.wait_until_done();
  one.join(), other.join();
}

// Each of the two tasks needs the other to run: so the worker that finds one has to wake the other.
void two_that_meet(left_out what, way first = &office::submit) {
  office o(2, what, true);
  thread one([&] { o.work(0); });
  thread other([&] { o.work(1); });
  (o.*first)();
  o.submit();
  o.wait_until_done();
  one.join(), other.join();
}

// While the brisk bit is set nobody is woken; the last sentinel takes the bit with it, and looks
// after that. With the look before, or the bit left, the work is stranded.
void the_last_sentinel_leaves() {
  idle_set idle;
  run_queue queue(2);
  items all;
  idle.add_sentinel();
  thread brisk([&] { (void)idle.set_brisk(); });
  thread sentinel([&] {
    idle.announce(0, false);
    idle.remove_sentinel();
    std::uintptr_t w = 0;
    while (queue.steal({&w, 1}) == 0) {
      if (queue.looks_empty()) idle.sleep(0, pinion::forever);
      if (!idle.untouched(0)) idle.announce(0, false);
    }
    all.take(w);
  });
  queue.push(all.make());
  const auto seen = idle.look();
  if (!seen.is_brisk() && seen.idle() != 0) {
    const std::size_t who = idle.claim(0, true);
    if (who != idle_set::max_workers && idle.notify(who)) idle.wake(who);
  }
  brisk.join(), sentinel.join();
  require(!idle.look().is_brisk(), "the bit is set and nobody looks after the queues");
}

const options no_stop{.preemptions = 0};
const options two_stops{.preemptions = 2};
const options three_stops{.preemptions = 3};
const options at_random{.how = mode::random, .executions = 20'000};
const options by_priorities{.how = mode::priorities, .executions = 20'000, .changes = 3};

TEST(idle_set_model, one_worker_finds_what_is_submitted) {
  EXPECT_TRUE(holds_always(three_stops, [] { one_worker(1, &office::submit); }));
  EXPECT_TRUE(holds_always(two_stops, [] { one_worker(2, &office::submit); }));
}
TEST(idle_set_model, one_worker_finds_what_is_handed_over) {
  EXPECT_TRUE(holds_always(three_stops, [] { one_worker(1, &office::hand_over); }));
  EXPECT_TRUE(holds_always(two_stops, [] { one_worker(2, &office::hand_over); }));
}
TEST(idle_set_model, who_has_work_in_its_cell_looks_for_more) {
  EXPECT_TRUE(holds_always(two_stops, handed_over_then_submitted));
}
TEST(idle_set_model, claimer_or_worker_sees_the_other) {
  EXPECT_TRUE(holds_always({}, claimed_at_once));
}
TEST(idle_set_model, what_is_taken_back_is_seen_as_it_was_written) {
  EXPECT_TRUE(holds_always({}, taken_back_by_a_stranger));
}
TEST(idle_set_model, two_workers_find_what_is_submitted) {
  EXPECT_TRUE(holds_always(no_stop, [] { two_workers(2, &office::submit); }));
  for (const options& o : {at_random, by_priorities})
    EXPECT_TRUE(holds(o, [] { two_workers(2, &office::submit); }));
}
TEST(idle_set_model, two_workers_find_what_is_handed_over) {
  EXPECT_TRUE(holds_always(no_stop, [] { two_workers(2, &office::hand_over); }));
  for (const options& o : {at_random, by_priorities})
    EXPECT_TRUE(holds(o, [] { two_workers(2, &office::hand_over); }));
}
TEST(idle_set_model, the_last_sentinel_leaves) {
  EXPECT_TRUE(holds_always(two_stops, the_last_sentinel_leaves));
}

// The planted lost wake-up: W3 left out. Found in milliseconds, by each way to search.
TEST(idle_set_model, without_the_look_before_the_sleep_a_wake_up_is_lost) {
  const auto planted = [] { one_worker(1, &office::submit, left_out::look_before_sleep); };
  EXPECT_TRUE(fails(two_stops, planted, "lost wake-up"));
  EXPECT_TRUE(fails({.how = mode::random}, planted, "lost wake-up"));
  EXPECT_TRUE(fails({.how = mode::priorities}, planted, "lost wake-up"));
}

// Work that a submitter left to a searcher, which found other work: nobody looks for it.
TEST(idle_set_model, without_the_look_of_the_last_searcher_work_waits) {
  EXPECT_TRUE(holds(by_priorities, [] { two_that_meet(left_out::nothing); }));
  EXPECT_TRUE(holds(by_priorities, [] { two_that_meet(left_out::nothing, &office::hand_over); }));
  EXPECT_TRUE(fails(
      by_priorities, [] { two_that_meet(left_out::look_of_last_searcher); }, "nobody can end it"));
}

// What is small is gone through as a whole, the rest by lot.
TEST(idle_set_model, mutants_are_killed) {
  auto trials = sampled(
      3'000, {the_last_sentinel_leaves, handed_over_then_submitted,
              [] { one_worker(1, &office::submit); }, [] { one_worker(2, &office::hand_over); },
              [] { two_workers(2, &office::hand_over); }, [] { two_that_meet(left_out::nothing); },
              [] { two_that_meet(left_out::nothing, &office::hand_over); }});
  trials.insert(trials.begin(), {{{}, claimed_at_once}, {{}, taken_back_by_a_stranger}});
  EXPECT_TRUE(survivors_are_known(trials, {"idle_set.hpp"}));
}

}  // namespace
