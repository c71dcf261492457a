// SPDX-License-Identifier: MIT
// A place without room, for tests: who sends meets who receives, or either waits for the other.
// Closed, it ends all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"

namespace pinion::test {

template <class Value>
class handover {
 public:
  using sending = op<void, Value>;
  using receiving = op<Value, Value>;  // carries the value once it has it

  sending send(Value v) { return {send_, this, nullptr, std::move(v)}; }
  sending send(const context& ctx, Value v) { return {send_, this, &ctx, std::move(v)}; }
  receiving recv() { return {recv_, this, nullptr}; }
  receiving recv(const context& ctx) { return {recv_, this, &ctx}; }
  sending send(scoped_context&&, Value) = delete;
  receiving recv(scoped_context&&) = delete;

  void close() noexcept {
    wake_chain woken;
    const std::lock_guard lock(receivers_);
    closed_ = true;
    receivers_.claim_all(woken);
    senders_.claim_all(woken);
  }

  std::size_t waiting() {
    const std::lock_guard lock(receivers_);
    std::size_t n = 0;
    for (wait_list* line : {&receivers_, &senders_}) {
      for (const wait_link* link = line->front(); link != nullptr; link = link->next) ++n;
    }
    return n;
  }

 private:
  // What an operation ended with, and, above, the waiter that it met and has to wake.
  static constexpr std::uint64_t nothing = 0, done = 1;

  template <class Op>
  static handover& of(Op& o) noexcept {
    return *static_cast<handover*>(o.object());
  }

  // Of those who wait in `line` the first that is open is met.
  template <class Op, class Transfer>
  static bool meet(Op& self, wait_list& line, Transfer transfer) noexcept {
    self.word() = nothing;
    while (wait_link* const link = line.front()) {
      waiter* const other = link->owner;
      if (!line.claim(*link)) continue;
      transfer(*link);
      self.word() = done | reinterpret_cast<std::uintptr_t>(other);
      return true;
    }
    return of(self).closed_;
  }

  template <class Op>
  static bool finish(Op& self) noexcept {
    const std::uint64_t end = std::exchange(self.word(), nothing);
    if (auto* const met = reinterpret_cast<waiter*>(static_cast<std::uintptr_t>(end & ~done))) {
      met->wake();
    }
    return end != nothing;
  }

  static bool try_send(sending& o) noexcept {
    return meet(o, of(o).receivers_, [&](wait_link& link) noexcept {
      receiving& other = receiving::of(link);
      other.payload() = std::move(o.payload());
      other.word() = done;
    });
  }
  static bool try_recv(receiving& o) noexcept {
    return meet(o, of(o).senders_, [&](wait_link& link) noexcept {
      sending& other = sending::of(link);
      o.payload() = std::move(other.payload());
      other.word() = done;
    });
  }
  static result<> end_send(sending& o) {
    if (finish(o)) return {};
    return errc::closed;
  }
  static result<Value> end_recv(receiving& o) {
    if (finish(o)) return std::move(o.payload());
    return errc::closed;
  }

  static const typename sending::verb send_;
  static const typename receiving::verb recv_;

  wait_list receivers_;  // its lock is the lock of all
  wait_list senders_;
  bool closed_ = false;
};

template <class Value>
const typename handover<Value>::sending::verb handover<Value>::send_{
    .list = [](sending& o) noexcept -> wait_list& { return of(o).receivers_; },
    .try_complete = try_send,
    .enlist = [](sending& o, waiter& w) noexcept { of(o).senders_.push_back(o.link(w)); },
    .withdraw = [](sending& o) noexcept { of(o).senders_.remove(o.link()); },
    .take = end_send};

template <class Value>
const typename handover<Value>::receiving::verb handover<Value>::recv_{
    .list = [](receiving& o) noexcept -> wait_list& { return of(o).receivers_; },
    .try_complete = try_recv,
    .enlist = [](receiving& o, waiter& w) noexcept { of(o).receivers_.push_back(o.link(w)); },
    .withdraw = [](receiving& o) noexcept { of(o).receivers_.remove(o.link()); },
    .take = end_recv};

}  // namespace pinion::test
