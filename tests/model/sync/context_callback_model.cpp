// SPDX-License-Identifier: MIT
// Callbacks and merged contexts in all interleavings: a callback runs once or is taken back, and
// afterwards what it uses is its owner's; a merged context ends with either parent, for one reason.
#include <memory>
#include <optional>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/sync/context_callback.hpp"
#include "src/sync/context_merge.hpp"

namespace {

using namespace pinion::model;
using pinion::callback_registration;
using pinion::context;
using pinion::errc;
using pinion::scoped_context;
using pinion::work_item;

/// Runs what it is handed on a thread of its own, or refuses it.
class one_thread final : public pinion::executor {
 public:
  explicit one_thread(bool refuses = false) : refuses_(refuses) {}
  ~one_thread() {
    if (thread_) thread_->join();
  }
  bool post(work_item& item) noexcept override {
    used.write(used.read() + 1);
    if (refuses_) return false;
    thread_.emplace([&item] { item.run(item); });
    return true;
  }
  void unobserved(const pinion::error&, const char*) noexcept override { ++told; }
  pinion::time_source& time() noexcept override { return pinion::system_time(); }

  int told = 0;
  cell<int> used = 0;  // by post()

 private:
  const bool refuses_;
  std::optional<thread> thread_;
};

// Taken back or run, never both. With a removal that does not look at the stage, both.
void try_remove_against_cancel() {
  cell<int> runs = 0;
  bool removed = false;
  {
    one_thread worker;
    scoped_context ctx = with_cancel(context::background());
    auto made = ctx.on_done(worker, [&] { runs.write(runs.read() + 1); });
    thread canceller([&] { (void)ctx.cancel(); });
    removed = made.try_remove();
    made.detach();  // its end would try again
    canceller.join();
  }
  require(runs.read() == (removed ? 0 : 1), "removed, or run");
}

// After remove() what the callback uses may go, and the executor. Without the wait for who posts,
// the executor is used afterwards; without that for who runs, the rest.
void remove_against_cancel() {
  auto used = std::make_unique<cell<int>>(0);
  auto worker = std::make_unique<one_thread>();
  scoped_context ctx = with_cancel(context::background());
  auto made = ctx.on_done(*worker, [&] { used->write(used->read() + 1); });
  thread canceller([&] { (void)ctx.cancel(); });
  require(made.remove().wait().has_value(), "quiet");
  require(used->read() <= 1, "once");
  used.reset();
  worker->used.write(9);
  worker.reset();
  canceller.join();
}

// A refused post, against the removal: told once, or removed.
void refused_against_remove() {
  one_thread worker(true);
  bool removed = false;
  {
    scoped_context ctx = with_cancel(context::background());
    auto made = ctx.on_done(worker, [] { require(false, "not run"); });
    thread canceller([&] { (void)ctx.cancel(); });
    removed = made.try_remove();
    made.detach();  // its end would try again
    canceller.join();
  }
  require(worker.told == (removed ? 0 : 1), "told once");
}

// A registration is made while the context ends: posted by one of the two.
void register_against_cancel() {
  cell<int> runs = 0;
  {
    one_thread worker;
    scoped_context ctx = with_cancel(context::background());
    thread canceller([&] { (void)ctx.cancel(); });
    ctx.on_done(worker, [&] { runs.write(runs.read() + 1); }).detach();
    canceller.join();
  }
  require(runs.read() == 1, "once");
}

// Both parents end: the merged context, and what is below, is done when either cancel returns, and
// has the cause of one of them. With a bridge that is passed by, the second's end is missed.
void either_against_both() {
  scoped_context first = with_cancel(context::background());
  scoped_context second = with_cancel(context::background());
  const scoped_context both = with_either(first, second);
  const scoped_context below = with_cancel(both);
  thread other([&] {
    require(second.cancel(errc::overloaded), "the first");
    require(both.is_done() && below.is_done(), "all below are done");
  });
  require(first.cancel(errc::stopped), "the first");
  require(both.is_done() && below.is_done(), "all below are done");
  other.join();
  require(both.cause() == errc::overloaded || both.cause() == errc::stopped, "one cause");
  require(below.cause() == both.cause().code(), "from parent to child");
}

// Two walkers come to one bridge, and either says that all below is done. With a bridge that is
// passed by because the other has marked it, the second says so too early.
void bridge_against_two_walkers() {
  const scoped_context first = with_cancel(context::background());
  scoped_context top = with_cancel(context::background());
  scoped_context second = with_cancel(top);
  const scoped_context both = with_either(first, second);
  thread other([&] {
    if (second.cancel()) require(both.is_done(), "all below are done");
  });
  require(top.cancel(), "the first");
  require(both.is_done(), "all below are done");
  other.join();
}

// A merged context is made while the parent that is bridged ends.
void making_against_cancel() {
  scoped_context first = with_cancel(context::background());
  scoped_context second = with_cancel(context::background());
  thread canceller([&] { (void)second.cancel(errc::overloaded); });
  const scoped_context both = with_either(first, second);
  canceller.join();
  require(both.is_done() && both.cause() == errc::overloaded, "ends as the second");
  auto& parent = *pinion::detail::cancel_node::of(first.node());
  require(parent.children.empty(), "and leaves the first");
}

// A merged context goes while the other parent ends: the bridge holds it, or lets it be.
void going_against_cancel() {
  scoped_context first = with_cancel(context::background());
  scoped_context second = with_cancel(context::background());
  auto both = std::make_unique<scoped_context>(with_either(first, second));
  both->release();
  thread canceller([&] { (void)second.cancel(); });
  both.reset();
  canceller.join();
  require(pinion::detail::cancel_node::of(first.node())->children.empty(), "leaves both");
}

const options one_stop{.preemptions = 1};
const options two_stops{.preemptions = 2};
const options some{.how = mode::priorities, .executions = 20'000, .changes = 4};

TEST(context_callback_model, runs_once_or_is_removed) {
  EXPECT_TRUE(holds_always(two_stops, try_remove_against_cancel));
  EXPECT_TRUE(holds_always(two_stops, refused_against_remove));
  EXPECT_TRUE(holds_always(two_stops, register_against_cancel));
}
TEST(context_callback_model, remove_waits_for_its_end) {
  EXPECT_TRUE(holds_always(two_stops, remove_against_cancel));
}
TEST(context_merge_model, ends_with_either) {
  EXPECT_TRUE(holds_always(one_stop, either_against_both));
  EXPECT_TRUE(holds(some, either_against_both));
  EXPECT_TRUE(holds_always(one_stop, bridge_against_two_walkers));
  EXPECT_TRUE(holds(some, bridge_against_two_walkers));
  EXPECT_TRUE(holds_always(two_stops, making_against_cancel));
  EXPECT_TRUE(holds_always(two_stops, going_against_cancel));
}

TEST(context_callback_model, mutants_are_killed) {
  EXPECT_TRUE(survivors_are_known({{two_stops, try_remove_against_cancel},
                                   {two_stops, register_against_cancel},
                                   {two_stops, refused_against_remove},
                                   {two_stops, making_against_cancel},
                                   {two_stops, going_against_cancel}},
                                  {"context_callback.cpp", "context_merge.cpp"}));
}

}  // namespace
