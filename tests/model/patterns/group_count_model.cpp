// SPDX-License-Identifier: MIT
// The count of a group in all interleavings: the last one out against who joins, jobs that begin at
// one word and end at another, and a round that begins while another one is closed.
#include <cstddef>
#include <mutex>

#include "tests/model/support/model.hpp"

#include "pinion/patterns/group_count.hpp"
#include "pinion/sync/operation.hpp"
#include "pinion/sync/waiter.hpp"

namespace {

using namespace pinion::model;
using pinion::parker;
using pinion::sleep_until_woken;
using pinion::wait_link;
using pinion::wait_list;
using pinion::waiter;
using pinion::wake_chain;

/// A group in small: what is done with its count, and who waits for it.
class group {
 public:
  explicit group(std::size_t words) : count_(line_, words) {}

  /// Looks at what belongs to the round, as the context of a group does.
  void begin(std::size_t at) {
    count_.add(at);
    (void)round_.read();
  }

  void end(std::size_t at) {
    if (count_.try_remove(at)) return;
    wake_chain woken;
    const std::lock_guard lock(line_);
    count_.remove(at);
    if (!count_.is_zero()) return;
    bool closed = false;
    while (line_.claim_first(woken) != nullptr) closed = true;
    if (closed) begin_another_round();
  }

  void join() {
    parker thread;
    waiter who(thread);
    wait_link link;
    link.owner = &who;
    line_.lock();
    count_.make_exact();
    const bool waits = !count_.is_zero();
    if (waits) {
      line_.push_back(link);
    } else {
      begin_another_round();
    }
    line_.unlock();
    if (!waits) return;
    sleep_until_woken(who, thread);
    line_.lock();
    line_.unlock();
  }

  /// Takes no notice of jobs, and leaves the count exact.
  void look() {
    const std::lock_guard lock(line_);
    count_.make_exact();
  }

 private:
  // With the lock held, and nobody in the round before.
  void begin_another_round() {
    round_.write(round_.read() + 1);
    count_.make_loose();
  }

  wait_list line_;
  pinion::detail::group_count count_;
  cell<int> round_ = 0;
};

// What the jobs did is seen after the join. With a look at zero that is not under the lock the last
// one out goes by who joins, or comes when the group is gone.
void last_one_out() {
  group g(2);
  cell<int> first = 0, second = 0;
  g.begin(0), g.begin(0);
  thread a([&] { first.write(1), g.end(0); });
  thread b([&] { second.write(1), g.end(1); });
  g.join();
  require(first.read() == 1 && second.read() == 1, "after both");
  a.join(), b.join();
}

// All end at a word where none began: what is negative is paid from the other one.
void ended_elsewhere() {
  group g(2);
  cell<int> first = 0, second = 0;
  g.begin(0), g.begin(0);
  thread other([&] {
    first.write(1), g.end(1);
    second.write(1), g.end(1);
  });
  g.join();
  require(first.read() == 1 && second.read() == 1, "after both");
  other.join();
}

// A job that begins another one while somebody looks and somebody waits.
void begun_by_a_job() {
  group g(2);
  cell<int> first = 0, second = 0;
  g.begin(0);
  thread other([&] {
    first.write(1);
    g.begin(1);
    g.end(1);
    second.write(1), g.end(1);
  });
  g.look();
  g.join();
  require(first.read() == 1 && second.read() == 1, "after both");
  other.join();
}

// From outside, against a join: the job is in this round or in the next one, and sees what belongs
// to that.
void begun_from_outside() {
  group g(2);
  cell<int> ran = 0;
  thread other([&] {
    g.begin(1);
    ran.write(1), g.end(1);
  });
  g.join();
  other.join();
  g.join();
  require(ran.read() == 1, "in one of the two");
  g.begin(0), g.end(0);
  g.join();
}

// The same at a word that was negative, and has been paid for.
void begun_at_a_word_repaid() {
  group g(2);
  thread other([&] { g.begin(1), g.end(1); });
  g.join();
  g.begin(0), g.begin(0), g.end(1);
  g.look();
  g.begin(1);
  g.end(0), g.end(1);
  other.join();
  g.join();
}

// Two who share a word, with the mark on it.
void a_shared_word() {
  group g(1);
  cell<int> first = 0, second = 0;
  g.begin(0), g.begin(0);
  thread a([&] { first.write(1), g.end(0); });
  g.look();
  g.begin(0);
  second.write(1), g.end(0);
  g.end(0);
  g.join();
  require(first.read() == 1 && second.read() == 1, "after all");
  a.join();
}

const options two_stops{.preemptions = 2};

TEST(group_count_model, TG_1_the_last_one_out_is_seen) {
  EXPECT_TRUE(holds_always(two_stops, last_one_out));
  EXPECT_TRUE(holds_always({.preemptions = 3}, ended_elsewhere));
}
TEST(group_count_model, TG_15_what_a_job_begins_is_waited_for) {
  EXPECT_TRUE(holds_always(two_stops, begun_by_a_job));
}
TEST(group_count_model, TG_15_what_begins_outside_is_in_one_round) {
  EXPECT_TRUE(holds_always(two_stops, begun_from_outside));
  EXPECT_TRUE(holds_always(two_stops, begun_at_a_word_repaid));
}
TEST(group_count_model, threads_that_share_a_word) {
  EXPECT_TRUE(holds_always(two_stops, a_shared_word));
}
TEST(group_count_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known({{{.preemptions = 1}, last_one_out},
                                   {{.preemptions = 2}, ended_elsewhere},
                                   {{.preemptions = 1}, begun_by_a_job},
                                   {{.preemptions = 1}, begun_from_outside},
                                   {{.preemptions = 1}, begun_at_a_word_repaid},
                                   {{.preemptions = 1}, a_shared_word}},
                                  {"group_count.hpp", "group_count.cpp"}));
}

}  // namespace
