// SPDX-License-Identifier: MIT
// Callers of one key in all interleavings: those who join against the last one who leaves, the call
// that ends against both, and a key that is forgotten.
//
// `Flights` is the singleflight, or one with a mistake in it. Each call is a thread of its own.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "tests/model/support/model.hpp"

#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"

namespace pinion::model {

inline scheduler_options calls(std::size_t accepted = 0) {
  scheduler_options o;
  o.workers = 1;
  o.queue_limit = accepted;
  return o;
}

/// What the calls do: each makes a value of its own, and none runs beside another one.
class shared_work {
 public:
  auto call() {
    return [this] {
      runs.write(runs.read() + 1);
      return runs.read();
    };
  }
  /// The same, if it is not canceled.
  auto call_unless_canceled() {
    return [this](const context& ctx) -> pinion::result<int> {
      if (ctx.is_done()) return errc::canceled;
      const int n = ++started;
      return n;
    };
  }

  cell<int> runs = 0;
  int started = 0;
};

// Both have one object, or the second came when the first call was over: then it saw that.
template <class Flights>
void two_callers() {
  shared_work work;
  scheduler s(calls());
  Flights all(s);
  std::shared_ptr<const int> theirs;
  thread other([&] { theirs = all.get(context::background(), 0, work.call()).wait().value(); });
  const auto mine = all.get(context::background(), 0, work.call()).wait().value();
  other.join();
  require(work.runs.read() == (mine == theirs ? 1 : 2), "a call for each object");
  require(mine == theirs || *mine != *theirs, "each its own");
}

// The one who leaves is the last, or the other one has joined: nobody joins a call that is
// canceled. Where the key is taken out after the cancel, somebody does.
template <class Flights>
void joined_against_the_last_who_leaves() {
  shared_work work;
  scheduler s(calls());
  {
    Flights all(s);
    scoped_context ctx = with_cancel(context::background());
    auto leaves = all.get(ctx, 0, work.call_unless_canceled());
    thread canceller([&] { ctx.cancel(); });
    const auto stays = all.get(context::background(), 0, work.call_unless_canceled()).wait();
    require(stays.has_value(), "it never left");
    const auto left = leaves.wait();
    require(left.has_value() || left.error().code() == errc::canceled, "one of the two");
    canceller.join();
  }
}

// The call ends while its caller leaves: the caller hears one of the two, once.
template <class Flights>
void ended_against_leaving() {
  shared_work work;
  scheduler s(calls());
  {
    Flights all(s);
    scoped_context ctx = with_cancel(context::background());
    auto mine = all.get(ctx, 0, work.call());
    thread canceller([&] { ctx.cancel(); });
    const auto got = mine.wait();
    require(got.has_value() || got.error().code() == errc::canceled, "one of the two");
    canceller.join();
  }
}

// The call that was forgotten ends while the one that came after it is in flight: that one can
// still be joined, and all have what they asked for. Where the end takes the key out without a
// look at whose it is, a third one starts beside the second.
template <class Flights>
void forgotten() {
  shared_work work;
  scheduler s(calls());
  Flights all(s);
  cell<int> newer_runs = 0;
  const auto newer = [&] {
    newer_runs.write(newer_runs.read() + 1);
    return 7;
  };
  auto first = all.get(context::background(), 0, work.call());
  all.forget(0);
  std::shared_ptr<const int> third;
  thread other([&] { third = all.get(context::background(), 0, newer).wait().value(); });
  const auto second = all.get(context::background(), 0, newer).wait().value();
  other.join();
  require(first.wait().has_value() && *second == 7 && *third == 7, "each has an answer");
  require(newer_runs.read() == (second == third ? 1 : 2), "one after the other");
}

// A scheduler that ends takes no call, or one.
template <class Flights, std::size_t Accepted>
void refused() {
  shared_work work;
  scheduler s(calls(Accepted));
  Flights all(s);
  std::optional<errc> theirs;
  const auto ask = [&] {
    const auto r = all.get(context::background(), 0, work.call()).wait();
    return r ? errc::ok : r.error().code();
  };
  thread other([&] { theirs = ask(); });
  const errc mine = ask();
  other.join();
  const bool one_ran = mine == errc::ok || theirs == errc::ok;
  require(one_ran == (Accepted == 1), "what was taken runs");
  for (const errc e : {mine, *theirs}) require(e == errc::ok || e == errc::not_started, "told");
}

}  // namespace pinion::model
