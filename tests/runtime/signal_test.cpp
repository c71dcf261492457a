// SPDX-License-Identifier: MIT
#include "pinion/runtime/signal.hpp"

#include <memory>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include "tests/support/fork.hpp"
#include "tests/support/refusal.hpp"
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "pinion/sync/future.hpp"

namespace pinion {
namespace {

bool is_blocked(int number) {
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  return sigismember(&now, number) == 1;
}

TEST(signal, a_signal_cancels_and_is_the_cause) {
  const auto ctx = with_signals(context::background(), {SIGUSR1, SIGTERM});
  EXPECT_FALSE(ctx.is_done());
  ::kill(::getpid(), SIGTERM);
  EXPECT_TRUE(ctx.done().wait());
  EXPECT_EQ(ctx.status(), errc::canceled);
  EXPECT_EQ(ctx.cause().cause().message(), "signal 15");
}

TEST(signal, each_context_hears_its_own_signals) {
  const auto one = with_signals(context::background(), {SIGUSR1});
  const auto two = with_signals(context::background(), {SIGUSR2});
  const auto both = with_signals(context::background(), {SIGUSR1, SIGUSR2});
  ::kill(::getpid(), SIGUSR2);
  EXPECT_TRUE(two.done().wait());
  EXPECT_TRUE(both.done().wait());
  EXPECT_FALSE(one.is_done());
}

TEST(signal, the_mask_is_as_before_when_the_last_one_ends) {
  ASSERT_FALSE(is_blocked(SIGUSR1));
  {
    auto outer = with_signals(context::background(), {SIGUSR1});
    EXPECT_TRUE(is_blocked(SIGUSR1));
    { const auto inner = with_signals(outer, {SIGUSR1}); }
    EXPECT_TRUE(is_blocked(SIGUSR1));
    const auto moved = std::move(outer);
    EXPECT_FALSE(moved.is_done());
  }
  EXPECT_FALSE(is_blocked(SIGUSR1));
}

TEST(signal, it_can_be_canceled_by_hand_and_ends_with_its_parent) {
  auto parent = with_cancel(context::background());
  auto ctx = with_signals(parent, {SIGUSR1});
  EXPECT_TRUE(ctx.cancel());
  EXPECT_FALSE(ctx.cancel());
  const auto other = with_signals(parent, {SIGUSR1});
  parent.cancel();
  EXPECT_TRUE(other.is_done());
}

// Goal: what is told of a signal may end that context and make others. Finds: a lock that is held
// while it is told (the thread waits for itself), and a mask of that thread which the destructor
// has opened (the second signal ends the process).
TEST(signal, XC_5_what_is_told_of_it_may_destroy_it_and_make_another) {
  auto gone = std::make_unique<signal_context>(with_signals(context::background(), {SIGUSR1}));
  promise<> told;
  {
    const std::stop_callback act(gone->stop_token(), [&] {
      const auto other = with_signals(context::background(), {SIGUSR2});
      gone.reset();
      told.set({});
    });
    ::kill(::getpid(), SIGUSR1);
    EXPECT_TRUE(told.get_future().wait());
  }
  EXPECT_TRUE(is_blocked(SIGUSR1)) << "it was given back where it was destroyed";
  const auto again = with_signals(context::background(), {SIGUSR1});
  ::kill(::getpid(), SIGUSR1);
  EXPECT_TRUE(again.done().wait());
  sigset_t found;
  sigemptyset(&found);
  sigaddset(&found, SIGUSR1);
  pthread_sigmask(SIG_UNBLOCK, &found, nullptr);
}

// Goal: the child of a fork can be ended by a signal that its parent waited for, and can wait for
// it itself. Finds: a thread that is believed to be there; then the signal is blocked for ever.
TEST(signal, the_child_of_a_fork_begins_anew) {
  const auto ctx = with_signals(context::background(), {SIGUSR1});
  EXPECT_EQ(test::in_child_of_a_fork([] {
              if (is_blocked(SIGUSR1)) return 1;
              const auto own = with_signals(context::background(), {SIGUSR1});
              ::kill(::getpid(), SIGUSR1);
              return own.done().wait() && own.is_done() ? 0 : 2;
            }),
            0);
  EXPECT_FALSE(ctx.is_done());
}

TEST(signal, numbers_that_cannot_be_waited_for_are_named) {
  for (const int number : {SIGKILL, 12345}) {
    EXPECT_EQ(
        test::refusal_of([&] { (void)with_signals(context::background(), {number}); }),
        "with_signals: " + std::to_string(number) + " is not a signal that can be waited for");
  }
}

}  // namespace
}  // namespace pinion
