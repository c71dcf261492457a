// SPDX-License-Identifier: MIT
// Two runners of a pipeline in all interleavings: each item goes through each stage once, in order
// where that is asked for, what a stage wrote is seen by the next, and the run ends once.
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tests/model/support/model.hpp"

#include "pinion/platform/parker.hpp"
#include "pinion/sync/context.hpp"
#include "src/patterns/pipeline_control.hpp"

namespace {

using namespace pinion::model;
using pinion::context;
using pinion::detail::item_fate;
using pinion::detail::item_stage;
using pinion::detail::pipeline_control;
using pinion::detail::pipeline_stage;
using pinion::detail::source_stage;
using stage_mode = pinion::mode;

using item = cell<int>;

/// The control, and two threads that run what is posted.
class modelled final : public pipeline_control {
 public:
  modelled(std::vector<std::unique_ptr<pipeline_stage>> functions, std::size_t tokens)
      : pipeline_control(std::move(functions), tokens, context::background(),
                         context::background()) {}

  counts run() {
    start();
    thread other([this] { work(1); });
    work(0);
    other.join();
    if (take_posted()) run_posted();  // it comes too late, and does nothing
    require(ends_ == 1, "the end comes once");
    return counts_seen_;
  }
  void cancel() { ctx_.cancel(); }

 private:
  void work(int me) {
    for (;;) {
      if (take_posted()) {
        run_posted();
        continue;
      }
      // acquire: sees what was counted at the end.
      if (over_seen_.load(std::memory_order_acquire)) return;
      parkers_[me].park();
    }
  }
  bool take_posted() {
    // acquire: sees what came before it was posted.
    return posted_here_.exchange(0, std::memory_order_acquire) != 0;
  }
  item_fate failed(const pinion::error&) noexcept override { return item_fate::failed; }
  bool post_runner() noexcept override {
    // release: as above.
    require(posted_here_.exchange(1, std::memory_order_release) == 0, "one is posted at a time");
    for (auto& p : parkers_) p.unpark();
    return true;
  }
  void ended() noexcept override {
    ++ends_;
    counts_seen_ = give_up_the_rest();
    over_seen_.store(true, std::memory_order_release);  // release: as above
    for (auto& p : parkers_) p.unpark();
  }

  pinion::os::atomic<int> posted_here_{0};
  pinion::os::atomic<bool> over_seen_{false};
  pinion::parker parkers_[2];
  int ends_ = 0;
  counts counts_seen_;
};

auto source_of(int n) {
  auto f = [n, next = cell<int>(0)]() mutable -> std::optional<item> {
    const int number = next.read();
    if (number == n) return std::nullopt;
    next.write(number + 1);
    return item(number);
  };
  return std::make_unique<source_stage<decltype(f)>>(std::move(f));
}

template <class In, class F>
std::unique_ptr<pipeline_stage> make_stage(stage_mode how, F f) {
  return std::make_unique<item_stage<In, F>>(how, std::move(f));
}

/// One parallel stage that adds 10, one that has them one at a time, and the ordered end.
void flow(int items, std::size_t tokens, stage_mode first, stage_mode last, int dropped = -1) {
  std::vector<std::unique_ptr<pipeline_stage>> all;
  cell<int> seen = 0;
  cell<int> previous = -1;
  all.push_back(source_of(items));
  all.push_back(make_stage<item>(first, [dropped](item i) -> std::optional<item> {
    if (i.read() == dropped) return std::nullopt;
    i.write(i.read() + 10);
    return i;
  }));
  all.push_back(make_stage<item>(last, [&](item i) {
    seen.write(seen.read() + 1);  // one at a time: plain memory
    require(i.read() >= 10, "the stage before has had it");
    if (last == stage_mode::serial_in_order) {
      require(previous.read() < i.read(), "in the order of the source");
      previous.write(i.read());
    }
  }));
  modelled run(std::move(all), tokens);
  const auto n = run.run();
  require(n.produced == static_cast<unsigned>(items), "each was produced");
  require(n.delivered + n.dropped == n.produced && n.abandoned == 0, "each has arrived");
  require(seen.read() == static_cast<int>(n.delivered), "each was seen");
}

void in_order() {
  flow(2, 2, stage_mode::parallel, stage_mode::serial_in_order);
}
void in_any_order() {
  flow(2, 2, stage_mode::parallel, stage_mode::serial_any_order);
}
// Of two batches, one comes to the stage while the other one is in it.
void one_at_a_time() {
  flow(4, 4, stage_mode::parallel, stage_mode::serial_any_order);
}
void dropped() {
  flow(2, 2, stage_mode::parallel, stage_mode::serial_in_order, 0);
}
void serial() {
  flow(2, 2, stage_mode::serial_in_order, stage_mode::serial_any_order);
}

// One item does not come back before the other one is through: what waits behind it in its batch
// must be robbed, and so must what is done before it.
void stuck(stage_mode first, int which) {
  std::vector<std::unique_ptr<pipeline_stage>> all;
  pinion::parker other_is_through;
  all.push_back(source_of(2));
  all.push_back(make_stage<item>(first, [&](item i) {
    if (i.read() == which) other_is_through.park();
    return i;
  }));
  all.push_back(make_stage<item>(stage_mode::serial_any_order, [&](const item& i) {
    if (i.read() != which) other_is_through.unpark();
  }));
  modelled run(std::move(all), 2);
  require(run.run().delivered == 2, "both arrive");
}
void stuck_in_parallel() {
  stuck(stage_mode::parallel, 0);
}
void stuck_in_serial() {
  stuck(stage_mode::serial_in_order, 1);
}

// The first item is held back in its stage until the third one is there, in another batch: that one
// has to wait for its turn, be it at the same stage or at the next.
void held_back(stage_mode how) {
  std::vector<std::unique_ptr<pipeline_stage>> all;
  pinion::parker third_is_there;
  cell<int> next = 0;
  auto f = [&, produced = cell<int>(0)]() mutable -> std::optional<item> {
    const int number = produced.read();
    if (number == 2) third_is_there.unpark();
    if (number == 3) return std::nullopt;
    produced.write(number + 1);
    return item(number);
  };
  const auto in_turn = [&](const item& i) {
    require(next.read() == i.read(), "in the order of the source");
    next.write(i.read() + 1);
  };
  all.push_back(std::make_unique<source_stage<decltype(f)>>(std::move(f)));
  all.push_back(make_stage<item>(how, [&](item i) {
    if (i.read() == 0) third_is_there.park();
    if (how == stage_mode::serial_in_order) in_turn(i);
    return i;
  }));
  all.push_back(make_stage<item>(stage_mode::serial_in_order, [&](const item& i) {
    if (how == stage_mode::parallel) in_turn(i);
  }));
  modelled run(std::move(all), 3);
  require(run.run().delivered == 3 && next.read() == 3, "all arrive");
}
void later_ones_wait_at_the_next_stage() {
  held_back(stage_mode::parallel);
}
void later_ones_wait_behind_the_source() {
  held_back(stage_mode::serial_in_order);
}

// What was robbed of a batch is stages ahead when the rest of it comes back. The rest goes on, and
// takes nothing along.
void robbed_is_ahead() {
  std::vector<std::unique_ptr<pipeline_stage>> all;
  pinion::parker first_is_ahead;
  cell<int> seen = 0;
  all.push_back(source_of(2));
  all.push_back(make_stage<item>(stage_mode::serial_in_order, [&](item i) {
    if (i.read() == 1) first_is_ahead.park();
    return i;
  }));
  all.push_back(make_stage<item>(stage_mode::serial_any_order, [&](item i) {
    if (i.read() == 0) first_is_ahead.unpark();
    return i;
  }));
  all.push_back(make_stage<item>(stage_mode::parallel, [](item i) {
    i.write(i.read() + 10);
    return i;
  }));
  all.push_back(make_stage<item>(stage_mode::serial_any_order, [&](const item& i) {
    require(i.read() >= 10, "the stage before has had it");
    seen.write(seen.read() + 1);
  }));
  modelled run(std::move(all), 2);
  require(run.run().delivered == 2 && seen.read() == 2, "both arrive, once");
}

// The source gives its second item when the first one is through.
void stuck_in_source() {
  std::vector<std::unique_ptr<pipeline_stage>> all;
  pinion::parker first_is_through;
  auto f = [&, next = cell<int>(0)]() mutable -> std::optional<item> {
    const int number = next.read();
    if (number == 2) return std::nullopt;
    if (number == 1) first_is_through.park();
    next.write(number + 1);
    return item(number);
  };
  all.push_back(std::make_unique<source_stage<decltype(f)>>(std::move(f)));
  all.push_back(make_stage<item>(stage_mode::parallel, [&](const item& i) {
    if (i.read() == 0) first_is_through.unpark();
  }));
  modelled run(std::move(all), 2);
  require(run.run().delivered == 2, "both arrive");
}

// A cancel from within: what is on its way is destroyed, once, and the run ends.
void canceled() {
  std::vector<std::unique_ptr<pipeline_stage>> all;
  std::optional<modelled> run;
  all.push_back(source_of(2));
  all.push_back(make_stage<item>(stage_mode::parallel, [&](item i) {
    if (i.read() == 0) run->cancel();
    return i;
  }));
  all.push_back(
      make_stage<item>(stage_mode::serial_in_order, [](const item& i) { (void)i.read(); }));
  run.emplace(std::move(all), std::size_t{2});
  const auto n = run->run();
  require(n.produced == n.delivered + n.abandoned, "each is somewhere");
}

const options fewer = {.how = pinion::model::mode::random, .executions = 4'000, .cpus = 2};
const options random_ones = {.how = pinion::model::mode::random, .executions = 20'000, .cpus = 2};

TEST(pipeline_model, PL_1_PL_4_each_item_once_in_order) {
  EXPECT_TRUE(holds(random_ones, in_order));
}
TEST(pipeline_model, PL_5_any_order) {
  EXPECT_TRUE(holds(random_ones, in_any_order));
}
TEST(pipeline_model, PL_8_dropped) {
  EXPECT_TRUE(holds(random_ones, dropped));
}
TEST(pipeline_model, serial_stages) {
  EXPECT_TRUE(holds(random_ones, serial));
}
TEST(pipeline_model, PL_14_nothing_waits_behind_one_that_is_stuck) {
  EXPECT_TRUE(holds(random_ones, stuck_in_parallel));
  EXPECT_TRUE(holds(random_ones, stuck_in_serial));
  EXPECT_TRUE(holds(random_ones, stuck_in_source));
}
TEST(pipeline_model, PL_3_PL_4_a_batch_goes_on_whole_only_where_it_may) {
  EXPECT_TRUE(holds(fewer, one_at_a_time));
  EXPECT_TRUE(holds(fewer, later_ones_wait_at_the_next_stage));
  EXPECT_TRUE(holds(fewer, later_ones_wait_behind_the_source));
  EXPECT_TRUE(holds(fewer, robbed_is_ahead));
}
TEST(pipeline_model, PL_10_a_cancel_ends_it) {
  EXPECT_TRUE(holds(random_ones, canceled));
}

TEST(pipeline_model, mutants_are_killed) {
  const options some = {.how = pinion::model::mode::random, .executions = 2000, .cpus = 2};
  EXPECT_TRUE(
      survivors_are_known({{some, in_order},
                           {some, stuck_in_parallel},
                           {some, stuck_in_serial},
                           {some, stuck_in_source}},
                          {"pipeline_control.hpp", "pipeline_control.cpp", "pipeline_lines.cpp"}));
}

}  // namespace
