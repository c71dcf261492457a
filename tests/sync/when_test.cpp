// SPDX-License-Identifier: MIT
// Cases that may be switched off.
#include "pinion/sync/when.hpp"

#include "tests/support/contexts.hpp"
#include "tests/support/waiting.hpp"
#include "tests/support/waiting_thread.hpp"
#include <gtest/gtest.h>

#include "pinion/sync/context.hpp"
#include "pinion/sync/select.hpp"

namespace {

using pinion::context;
using pinion::errc;
using pinion::select;
using pinion::try_select;
using pinion::when;
using pinion::with_cancel;
using pinion::test::gate;
using pinion::test::until;
using pinion::test::waiters_of;
using pinion::test::waiting_thread;
using pinion::test::waits_under;

TEST(when, SEL_10_what_is_switched_off_is_never_ready) {
  gate a, b;
  a.open(), b.open();
  auto ctx = with_cancel(context::background());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(select(when(false, a.pass()), b.pass()).wait()->index(), 1u);
  }
  ctx.cancel();
  EXPECT_EQ(try_select(when(false, a.pass(ctx))).error(), errc::not_ready);
  auto first = when(false, a.pass());
  first.enable(true);
  EXPECT_EQ(select(first).wait()->index(), 0u);
}

TEST(when, SEL_10_with_nothing_that_can_end_it_a_wait_would_deadlock) {
  gate a;
  a.open();
  EXPECT_EQ(select(when(false, a.pass())).wait().error(), errc::would_deadlock);
  EXPECT_EQ(select(context::background(), when(false, a.pass())).wait().error(),
            errc::would_deadlock);
  EXPECT_EQ(when(false, a.pass()).wait().error(), errc::would_deadlock);
  EXPECT_EQ(select(select(when(false, a.pass()))).wait().error(), errc::would_deadlock);
  auto ctx = with_cancel(context::background());
  waiting_thread waits(select(ctx, when(false, a.pass())));
  until([&] { return waits_under(ctx) == 1; });
  ctx.cancel();
  EXPECT_EQ(waits.get().error(), errc::canceled);
}

TEST(when, keeps_the_context_of_its_operation) {
  gate a;
  auto ctx = with_cancel(context::background());
  {
    waiting_thread waits(select(a.pass(), when(true, a.pass(ctx))));
    until([&] { return waits_under(ctx) == 1; });
    ctx.cancel();
    EXPECT_EQ(get<1>(*waits.get()).error(), errc::canceled);
  }
  EXPECT_EQ(when(true, a.pass(ctx)).wait().error(), errc::canceled);
}

}  // namespace
