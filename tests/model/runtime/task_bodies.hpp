// SPDX-License-Identifier: MIT
// What is done with tasks while the checker looks: they wait, are joined, move, and a scheduler
// that they belong to ends.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <span>

#include "tests/model/runtime/bodies.hpp"

#include "pinion/runtime/when_all.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"

namespace pinion::model::scheduling {

/// Opens once; an operation waits for it.
class latch {
 public:
  op<> pass() { return {how_, this, nullptr}; }
  op<> pass(const context& ctx) { return {how_, this, &ctx}; }
  void open() {
    wake_chain woken;
    const std::lock_guard lock(waiting_);
    open_ = true;
    waiting_.claim_all(woken);
  }

 private:
  static latch& of(op<>& o) noexcept { return *static_cast<latch*>(o.object()); }
  static const op<>::verb how_;

  wait_list waiting_;
  bool open_ = false;
};

inline const op<>::verb latch::how_{
    .list = [](op<>& o) noexcept -> wait_list& { return of(o).waiting_; },
    .try_complete = [](op<>& o) noexcept { return of(o).open_; },
    .enlist = [](op<>& o, waiter& w) noexcept { of(o).waiting_.push_back(o.link(w)); },
    .withdraw = [](op<>& o) noexcept { of(o).waiting_.remove(o.link()); },
    .take = [](op<>&) { return pinion::result<>(); }};

inline task<> wait_and_mark(latch& gate, cell<int>& mark) {
  auto passing = gate.pass();
  require((co_await passing).has_value(), "it was let through");
  mark.write(mark.read() + 1);
}
inline task<> mark_only(cell<int>& mark) {
  mark.write(mark.read() + 1);
  co_return;
}

/// The main thread lets a suspended task go on and waits for the end: the task is over then.
template <std::size_t Workers>
void drain_against_suspended() {
  latch gate;
  cell<int> mark;
  scheduler s(with_workers(Workers));
  require(s.post(wait_and_mark(gate, mark)), "it is open");
  s.close();
  gate.open();
  const auto report = s.drain().wait();
  require(report.has_value() && report->blocking.empty(), "it has ended");
  require(mark.read() == 1, "a live task has ended at the end");
}

/// Cancel and let through at once: it goes on once, whichever wins.
inline void cancel_against_wake() {
  latch gate;
  cell<int> mark;
  scheduler s(with_workers(1));
  auto ctx = with_cancel(context::background());
  auto answer = s.submit([&](const context& own) -> task<> {
    auto passing = gate.pass(own);
    (void)co_await passing;
    mark.write(mark.read() + 1);
  });
  auto other = s.submit(ctx, [&](const context& own) -> task<> {
    auto passing = gate.pass(own);
    (void)co_await passing;
  });
  ctx.cancel();
  gate.open();
  (void)other.wait();
  require(answer.wait().has_value(), "it was let through");
  require(mark.read() == 1, "it goes on once");
}

inline task<int> join_marks(std::array<cell<int>, 3>& marks) {
  std::array<task<>, 3> children = {mark_only(marks[0]), mark_only(marks[1]), mark_only(marks[2])};
  co_await when_all(std::span<task<>>(children));
  int sum = 0;
  for (const auto& mark : marks) sum += mark.read();
  co_return sum;
}
inline task<int> join_twice(std::array<cell<int>, 3>& first, std::array<cell<int>, 3>& second) {
  const int a = co_await join_marks(first);
  const int b = co_await join_marks(second);
  co_return a + b;
}

/// The invitation of the first join speaks for the second, too, wherever it is meanwhile.
template <std::size_t Workers>
void joins_in_a_row() {
  std::array<cell<int>, 3> first, second;
  scheduler s(with_workers(Workers));
  require(s.submit(join_twice(first, second)).wait().value() == 6, "each child ran once, before");
}

inline task<> join_waiting(latch& gate, std::array<cell<int>, 3>& marks) {
  std::array<task<>, 3> children = {wait_and_mark(gate, marks[0]), wait_and_mark(gate, marks[1]),
                                    mark_only(marks[2])};
  co_await when_all(std::span<task<>>(children));
  for (const auto& mark : marks) require(mark.read() == 1, "a parent goes on after its children");
}

template <std::size_t Workers>
void join_of_suspended() {
  latch gate;
  std::array<cell<int>, 3> marks;
  scheduler s(with_workers(Workers));
  auto answer = s.submit(join_waiting(gate, marks));
  gate.open();
  require(answer.wait().has_value(), "the parent has ended");
}

inline task<> open_and_mark(latch& gate, cell<int>& mark) {
  gate.open();
  mark.write(mark.read() + 1);
  co_return;
}
inline task<> join_and_join_waiting(std::array<cell<int>, 2>& first,
                                    std::array<cell<int>, 2>& second) {
  {
    std::array<task<>, 2> children = {mark_only(first[0]), mark_only(first[1])};
    co_await when_all(std::span<task<>>(children));
  }
  latch gate;
  std::array<task<>, 2> children = {wait_and_mark(gate, second[0]), open_and_mark(gate, second[1])};
  co_await when_all(std::span<task<>>(children));
  for (const auto& mark : second) require(mark.read() == 1, "each child ran once, before");
}

/// The second join needs its invitation: one child waits for the other.
template <std::size_t Workers>
void join_after_a_join() {
  std::array<cell<int>, 2> first, second;
  scheduler s(with_workers(Workers));
  require(s.submit(join_and_join_waiting(first, second)).wait().has_value(), "it has ended");
}

inline task<int> mark_and_tell(cell<int>& mark) {
  mark.write(mark.read() + 1);
  co_return mark.read();
}

struct cannot_be_made {};

/// Children that are made where they run; one cannot be.
inline task<int> join_made(std::array<cell<int>, 3>& marks) {
  std::array<int, 4> told{};
  try {
    co_await when_all(std::span(told), [&](std::size_t i) {
      if (i == 2) throw cannot_be_made();
      return mark_and_tell(marks[i == 3 ? 2 : i]);
    });
    require(false, "the failure is thrown");
  } catch (const cannot_be_made&) {
  }
  for (const auto& mark : marks) require(mark.read() == 1, "each child ran once, before");
  co_return told[0] + told[1] + told[2] + told[3];
}

template <std::size_t Workers>
void join_of_made() {
  std::array<cell<int>, 3> marks;
  scheduler s(with_workers(Workers));
  require(s.submit(join_made(marks)).wait().value() == 3, "the values are there");
}

/// One child waits for the other, and both are made.
inline task<> join_made_waiting(latch& gate, std::array<cell<int>, 2>& marks) {
  co_await when_all(marks.size(), [&](std::size_t i) {
    return i == 0 ? wait_and_mark(gate, marks[0]) : open_and_mark(gate, marks[1]);
  });
  for (const auto& mark : marks) require(mark.read() == 1, "a parent goes on after its children");
}

template <std::size_t Workers>
void join_of_made_and_suspended() {
  latch gate;
  std::array<cell<int>, 2> marks;
  scheduler s(with_workers(Workers));
  require(s.submit(join_made_waiting(gate, marks)).wait().has_value(), "the parent has ended");
}

inline task<> visit(scheduler& away, cell<int>& mark) {
  require((co_await away.schedule()).has_value(), "it is open");
  mark.write(mark.read() + 1);
}

/// Both schedulers end as soon as they may.
inline void visit_and_end() {
  cell<int> mark;
  scheduler home(with_workers(1));
  {
    scheduler away(with_workers(1));
    auto answer = home.submit(visit(away, mark));
    require(answer.wait().has_value(), "it came home");
  }
  require(mark.read() == 1, "it was there");
}

}  // namespace pinion::model::scheduling
