// SPDX-License-Identifier: MIT
// Singleflight: callers that ask for the same key at the same time share one call.
//
//     singleflight<std::string, page> pages(sched);
//     auto answer = pages.get(ctx, url, [url](const context& c) { return fetch(c, url); });
//     std::shared_ptr<const page> p = answer.wait().value();
//
// A call belongs to nobody: it runs on the scheduler, under a context of its own with the values
// of its first caller and the deadline of none. It is canceled when the last caller has left.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pinion/platform/short_lock.hpp"
#include "pinion/runtime/job.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/context_callback.hpp"
#include "pinion/sync/future.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

namespace detail {

/// Says, in the context of a call, which call it is. The context may live on when that has ended.
struct call_in_flight {
  const void* table;
  std::weak_ptr<const void> key;  // there while the call runs
  std::shared_ptr<const call_in_flight> outer;
};
struct inside_flight : context_key<std::shared_ptr<const call_in_flight>> {};

/// The calls of a singleflight that can be joined, by key.
template <class Key, class T, class Hash>
class flight_table : public std::enable_shared_from_this<flight_table<Key, T, Hash>> {
 public:
  using answer = std::shared_ptr<const T>;

  enum class stage : std::uint8_t { waits, has_left, has_landed };
  struct caller {
    promise<answer> to;
    std::optional<callback_registration> at_end = std::nullopt;  // of its context
    stage is = stage::waits;                                     // guarded by the table's lock
  };

  struct flight {
    flight(const Key& k, const context& first) : key(k), ctx(with_cancel(without_cancel(first))) {}
    const Key key;
    scoped_context ctx;
    std::vector<std::shared_ptr<caller>> callers;  // guarded by the table's lock
  };

  /// Joins a call that is in flight, or makes `fresh` one.
  std::shared_ptr<flight> join(const Key&, const context&, std::shared_ptr<caller>, bool& fresh);
  void leave(flight&, caller&, result<answer> with) noexcept;
  void land(flight&, const result<answer>&) noexcept;
  void forget(const Key&) noexcept;
  /// The caller leaves when its context ends.
  void watch(const std::shared_ptr<flight>&, const std::shared_ptr<caller>&, const context&,
             executor_ref);

 private:
  void remove(const flight& f) noexcept {
    const auto found = flights_.find(f.key);
    if (found != flights_.end() && found->second.get() == &f) flights_.erase(found);
  }

  short_lock lock_;
  std::unordered_map<Key, std::shared_ptr<flight>, Hash> flights_;  // guarded by lock_
};

template <class Key, class T, class Hash>
auto flight_table<Key, T, Hash>::join(const Key& key, const context& ctx,
                                      std::shared_ptr<caller> who, bool& fresh)
    -> std::shared_ptr<flight> {
  auto made = std::make_shared<flight>(key, ctx);
  made->callers.reserve(1);  // what is in the table can be called
  const std::lock_guard lock(lock_);
  auto& place = flights_[key];
  fresh = place == nullptr;
  if (fresh) place = std::move(made);
  place->callers.push_back(std::move(who));
  return place;
}

// When the last one leaves, nobody can join any more: the next caller starts anew.
template <class Key, class T, class Hash>
void flight_table<Key, T, Hash>::leave(flight& f, caller& who, result<answer> with) noexcept {
  bool is_last = false;
  {
    const std::lock_guard lock(lock_);
    if (who.is != stage::waits) return;
    who.is = stage::has_left;
    is_last = true;
    for (const auto& c : f.callers) is_last = is_last && c->is == stage::has_left;
    if (is_last) remove(f);
  }
  who.to.set(std::move(with));
  if (is_last) f.ctx.cancel();
}

template <class Key, class T, class Hash>
void flight_table<Key, T, Hash>::land(flight& f, const result<answer>& r) noexcept {
  std::vector<std::shared_ptr<caller>> those;
  {
    const std::lock_guard lock(lock_);
    remove(f);
    those.swap(f.callers);
    for (const auto& c : those) {
      if (c->is == stage::waits) c->is = stage::has_landed;
    }
  }
  for (const auto& c : those) {
    if (c->is != stage::has_landed) continue;  // stays as it is, so no lock is needed
    c->at_end.reset();
    c->to.set(r);
  }
}

template <class Key, class T, class Hash>
void flight_table<Key, T, Hash>::forget(const Key& key) noexcept {
  const std::lock_guard lock(lock_);
  flights_.erase(key);
}

template <class Key, class T, class Hash>
void flight_table<Key, T, Hash>::watch(const std::shared_ptr<flight>& f,
                                       const std::shared_ptr<caller>& who, const context& ctx,
                                       executor_ref on) {
  if (!ctx.can_end()) return;
  std::optional<callback_registration> at_end(
      ctx.on_done(on, [table = this->shared_from_this(), f, who, ctx] {
        table->leave(*f, *who, ctx.cause().as(ctx.status()));
      }));
  const std::lock_guard lock(lock_);
  if (who->is == stage::waits) who->at_end.swap(at_end);
}

/// A call that is to land. Dropped before it ran, it says so to who waits.
template <class Table>
struct landing {
  landing(std::shared_ptr<Table> t, std::shared_ptr<typename Table::flight> f) noexcept
      : table(std::move(t)), flight(std::move(f)) {}
  landing(landing&&) noexcept = default;
  landing& operator=(landing&&) = delete;
  ~landing() {
    if (flight != nullptr) table->land(*flight, errc::not_started);
  }

  std::shared_ptr<Table> table;
  std::shared_ptr<typename Table::flight> flight;
};

/// The same on its way to a worker. Also when its callable cannot be moved, it lands.
template <class Table, class F>
class flying {
 public:
  flying(std::shared_ptr<Table> table, std::shared_ptr<typename Table::flight> f, F&& call)
      : to_(std::move(table), std::move(f)), call_(std::move(call)) {}

  void operator()() noexcept {
    const auto mine = std::exchange(to_.flight, nullptr);
    to_.table->land(*mine, answer_of(mine));
  }

 private:
  using answer = typename Table::answer;
  using flight = typename Table::flight;

  result<answer> answer_of(const std::shared_ptr<flight>& f) noexcept {
    try {
      const auto running = std::make_shared<const std::shared_ptr<flight>>(f);
      const auto* const outer = f->ctx.template value<inside_flight>();
      const auto here = std::make_shared<const call_in_flight>(
          call_in_flight{to_.table.get(), std::shared_ptr<const void>(running, &f->key),
                         outer != nullptr ? *outer : nullptr});
      const context ctx = with_value<inside_flight>(f->ctx, here);
      auto r = call_for_result(call_, ctx);
      if (!r) return r.error();
      using value = typename answer::element_type;
      return answer(std::make_shared<value>(*std::move(r)));
    } catch (...) {
      return error(std::current_exception());
    }
  }

  landing<Table> to_;  // goes last
  F call_;
};

}  // namespace detail

/// Keys are compared, hashed and copied under a lock: quickly, and without using this object.
/// @threads   any
/// @lifetime  the scheduler must outlive the calls; this object need not
template <class Key, class T, class Hash = std::hash<Key>>
class singleflight {
  using table = detail::flight_table<Key, T, Hash>;

 public:
  explicit singleflight(scheduler& on) : on_(on), table_(std::make_shared<table>()) {}

  /// Joins the call in flight for `key`, or starts f. A caller whose context ends leaves alone;
  /// when the last one leaves, the call's context is canceled, and the next caller starts anew.
  /// Nothing is cached. A caller that drops its future has not left: its context has to end.
  /// @errors    those of f, the same object for every caller; canceled, deadline_exceeded;
  ///            would_deadlock when f itself asks for its key, under the context it was given;
  ///            stopped, not_started: of the scheduler. Throws std::bad_alloc
  template <job F>
  future<std::shared_ptr<const T>> get(const context& ctx, const Key& key, F f) {
    using answer = typename table::answer;
    if (ctx.is_done()) return future<answer>(ctx.cause().as(ctx.status()));
    if (waits_for_itself(ctx, key)) return future<answer>(errc::would_deadlock);
    auto who = std::make_shared<typename table::caller>();
    future<answer> mine = who->to.get_future();
    bool fresh = false;
    auto flight = table_->join(key, ctx, who, fresh);
    if (fresh) {
      detail::flying<table, F> call(table_, flight, std::move(f));
      static_cast<void>(on_.post(std::move(call), {.name = "singleflight"}));
    }
    try {
      table_->watch(flight, who, ctx, on_);
    } catch (...) {
      table_->leave(*flight, *who, answer());  // which nobody gets
      throw;
    }
    return mine;
  }
  template <job F>
  future<std::shared_ptr<const T>> get(scoped_context&&, const Key&, F) = delete;

  /// The next caller starts anew; those who have joined stay with their call.
  void forget(const Key& key) noexcept { table_->forget(key); }

 private:
  bool waits_for_itself(const context& ctx, const Key& key) const {
    const auto* const inside = ctx.template value<detail::inside_flight>();
    if (inside == nullptr) return false;
    for (auto c = inside->get(); c != nullptr; c = c->outer.get()) {
      if (c->table != table_.get()) continue;
      const std::shared_ptr<const void> its = c->key.lock();
      if (its != nullptr && *static_cast<const Key*>(its.get()) == key) return true;
    }
    return false;
  }

  scheduler& on_;
  const std::shared_ptr<table> table_;
};

}  // namespace pinion
