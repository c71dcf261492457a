// SPDX-License-Identifier: MIT
// The parker in all interleavings: a wake-up ends the park it belongs to, or the next one.
#include <chrono>
#include <memory>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/platform/parker.hpp"

namespace {

using namespace pinion::model;
using namespace std::chrono_literals;
using pinion::parker;

// Without the exchange in unpark() (a store and a look), the wake-up can fall between.
void one_wake_up() {
  parker p;
  cell<int> data;
  thread other([&] {
    data.write(1);
    p.unpark();
  });
  p.park();
  require(data.read() == 1, "written before the wake-up");
  other.join();
}

// The second wake-up may find the first one not yet taken: what came before both must be seen.
void two_wake_ups() {
  parker p;
  cell<int> data;
  pinion::os::atomic<int> second{0};
  thread one([&] { p.unpark(); });
  thread other([&] {
    data.write(1);
    second.store(1, std::memory_order_relaxed);
    p.unpark();
  });
  p.park();
  if (second.load(std::memory_order_relaxed) == 0) p.park();
  one.join(), other.join();
  require(data.read() == 1, "written");
}

// After the exchange unpark() uses the address only: the parker may be gone.
void destroyed_after_park() {
  auto p = std::make_unique<parker>();
  thread other([&q = *p] { q.unpark(); });
  p->park();
  p.reset();
  other.join();
}

// A wake-up that comes as time runs out is taken by this park or the next, not lost and not twice.
void deadline() {
  parker p;
  cell<int> data;
  thread other([&] {
    data.write(1);
    p.unpark();
  });
  if (!p.park_until(pinion::time_point(1ms))) p.park();
  require(data.read() == 1, "written before the wake-up");
  other.join();
}

// The wake-up of one round is not that of the next: each park needs its own.
void two_rounds() {
  parker p;
  cell<int> data;
  pinion::os::atomic<int> taken{0};
  thread other([&] {
    data.write(1);
    p.unpark();
    while (taken.load(std::memory_order_acquire) == 0) pinion::os::spin_hint();
    data.write(2);
    p.unpark();
  });
  p.park();
  require(data.read() == 1, "the first");
  taken.store(1, std::memory_order_release);
  p.park();
  require(data.read() == 2, "the second");
  other.join();
}

const options with_faults{.may_fail = {.spurious = 1, .timeouts = 1}};

const std::vector<trial>& trials() {
  static const std::vector<trial> all = {
      {with_faults, one_wake_up}, {with_faults, deadline}, {{}, two_rounds}, {{}, two_wake_ups}};
  return all;
}

TEST(parker_model, a_wake_up_is_never_lost) {
  EXPECT_TRUE(holds_always(with_faults, one_wake_up));
  EXPECT_TRUE(holds_always(with_faults, two_rounds));
}
TEST(parker_model, wake_ups_do_not_add_up_and_all_are_seen) {
  EXPECT_TRUE(holds_always({}, two_wake_ups));
}
TEST(parker_model, it_may_be_destroyed_after_park) {
  EXPECT_TRUE(holds_always(with_faults, destroyed_after_park));
}
TEST(parker_model, a_deadline_loses_no_wake_up) {
  EXPECT_TRUE(holds_always(with_faults, deadline));
}

TEST(parker_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known(trials(), {"parker.hpp"}));
}

}  // namespace
