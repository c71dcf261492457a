// SPDX-License-Identifier: MIT
// Timers that fire while they are disarmed.
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/stress.hpp"

#include "pinion/platform/clock.hpp"
#include "pinion/sync/time_source.hpp"

namespace {

using namespace std::chrono_literals;
using pinion::system_time;
using pinion::timer_node;

class time_source_stress : public pinion::test::stress {};

struct on_stack : timer_node {
  explicit on_stack(unsigned n) : number(n) {
    fire = [](timer_node& node) noexcept {
      auto& self = static_cast<on_stack&>(node);
      if (pinion::now() < self.when) early.fetch_add(1);
      const unsigned before = self.number.load();
      if (before % 4 == 0) std::this_thread::yield();  // long enough for a disarm to come
      self.fired.fetch_add(1);
      if (self.number.load() != before || before == 0) touched_dead.fetch_add(1);
    };
  }
  ~on_stack() { number.store(0); }
  std::atomic<unsigned> number;
  std::atomic<int> fired{0};
  static inline std::atomic<long> early{0};
  static inline std::atomic<long> touched_dead{0};
};

// Goal: each arming ends as fired or as disarmed, never both and never neither, not before its
// time, and a timer on a stack is not touched after disarm.
// Finds: a disarm that does not wait for fire().
TEST_P(time_source_stress, TM_1_TM_4_each_arming_ends_in_exactly_one_way) {
  std::atomic<long> wrong{0};
  std::atomic<long> fired{0};
  const std::size_t rounds = pinion::test::scaled(200'000) / threads() + 1;
  pinion::test::run_threads(threads(), [&](unsigned me) {
    auto random = pinion::test::generator(me);
    for (unsigned i = 1; i <= rounds; ++i) {
      on_stack timer(i);
      timer.when = pinion::now() + std::chrono::nanoseconds(random() % 40'000);
      if (!system_time().arm(timer)) ++wrong;
      if (random() % 2 == 0) {
        const auto until = timer.when - 2us + std::chrono::nanoseconds(random() % 4'000);
        while (pinion::now() < until) {
        }
      }
      const bool prevented = system_time().disarm(timer);
      if (timer.fired.load() != (prevented ? 0 : 1)) ++wrong;
      if (!prevented) ++fired;
    }
  });
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(on_stack::early.load(), 0);
  EXPECT_EQ(on_stack::touched_dead.load(), 0);
  std::cout << fired.load() << " of " << rounds * threads() << " fired\n";
}

INSTANTIATE_TEST_SUITE_P(shapes, time_source_stress, pinion::test::shapes(), pinion::test::name);

}  // namespace
