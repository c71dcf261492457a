// SPDX-License-Identifier: MIT
// What a channel does for its operations: one table a verb.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "pinion/sync/channel_core.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/operation.hpp"

namespace pinion::detail {

/// What the verbs of one kind have in common.
template <class T, class Op, class Verb>
struct channel_verb {
  static channel_core<T>& core(Op& o) noexcept {
    return *static_cast<channel_core<T>*>(o.object());
  }
  static wait_list& list(Op& o) noexcept { return is_nil(o) ? nobodys_line() : core(o).line(); }
  static bool try_complete(Op& o) noexcept {
    return is_nil(o) ? is_endless(o) : Verb::try_complete_at(o, core(o));
  }
  static void enlist(Op& o, waiter& w) noexcept {
    if (!is_nil(o)) core(o).enlist(o, w);
  }
  // Not a touch of the operation after the unlock: it may be gone.
  static bool begin_alone(Op& o, waiter_place place) noexcept {
    if (is_nil(o)) return !try_complete(o);
    channel_core<T>& c = core(o);
    c.line().lock();
    const bool waits = !Verb::try_complete_at(o, c);
    if (waits) c.enlist(o, place.make_alone());
    c.line().unlock();
    return waits;
  }
  static void withdraw(Op& o) noexcept {
    if (is_nil(o)) return;
    core(o).withdraw(o);
    Verb::after_withdraw(o);
    core(o).end();
  }
  static void after_withdraw(Op&) noexcept {}

  // A handle that was moved from: its operations wait until their context ends, and say so at once
  // when it never can.
  static bool is_nil(Op& o) noexcept { return o.object() == nullptr; }
  static bool is_endless(Op& o) noexcept {
    const context* const bound = o.own_context().bound();
    o.word() = 0;
    return bound == nullptr || !bound->can_end();
  }

  /// For try_complete(): the word of what completed at once.
  static bool complete(Op& o, const claimed_links& claimed, std::uint64_t outcome) noexcept {
    o.word() = claimed.to_word(outcome);
    core(o).end();
    return true;
  }
  // The road is a function of its own, so that a channel without one pays for nothing.
  static attempt try_now(Op& o) noexcept {
    if (is_nil(o)) return attempt::needs_lock;
    const std::uint64_t seen = Verb::guess(core(o));
    return channel_side::is_shut_in(seen) ? attempt::needs_lock : Verb::try_road(o, seen);
  }
  /// For try_road(): what a way by the road came to, and `again()`, when that was put off.
  template <class Again>
  static attempt early(Op& o, road how, Again&& again) noexcept {
    if (how == road::put_off) {
      core(o).let_the_other_side_work();
      how = again();
    }
    if (how == road::shut) return attempt::needs_lock;
    if (how == road::ended) {
      core(o).let_the_other_side_work();
      return attempt::not_ready;
    }
    o.word() = settled_well;
    return attempt::done;
  }

  /// For take(), when it did not come out well.
  static error reason(Op& o) noexcept {
    return is_nil(o) ? error(errc::would_deadlock) : core(o).why_closed();
  }

  /// For take(): it came out well, and there is nobody to wake.
  static bool is_plain_success(Op& o) noexcept {
    if (o.word() != settled_well) return false;
    o.word() = 0;
    return true;
  }
  /// For take(): wakes whom the operation has served; true if it came out well.
  static bool settle(Op& o) noexcept {
    const std::uint64_t word = std::exchange(o.word(), 0);
    if ((word & settled_well) == 0) return false;
    claimed_links::wake(word);
    return true;
  }
};

template <class T>
struct send_verb : channel_verb<T, send_op<T>, send_verb<T>> {
  using op_type = send_op<T>;
  using item = channel_item<T>;

  static bool try_complete_at(op_type& o, channel_core<T>& core) noexcept {
    claimed_links claimed;
    std::uint64_t outcome = settled_well;
    core.begin();
    const auto displaced = [&](item&& oldest) { replace(o.payload(), std::move(oldest)); };
    switch (core.put(o.payload(), claimed, displaced)) {
      case send_outcome::full:
        return false;
      case send_outcome::closed:
        outcome = 0;
        break;
      case send_outcome::sent:
        break;
      case send_outcome::sent_for_oldest:
      case send_outcome::dropped:
        outcome |= settled_by_drop;
    }
    return send_verb::complete(o, claimed, outcome);
  }
  static std::uint64_t guess(const channel_core<T>& core) noexcept { return core.guess_to_put(); }
  [[gnu::noinline]] static attempt try_road(op_type& o, std::uint64_t seen) noexcept {
    channel_core<T>& core = send_verb::core(o);
    const road first = core.put_by_road(o.payload(), look::later_if_better, seen);
    return send_verb::early(o, first, [&] { return core.try_put(o.payload(), look::at_once); });
  }

  static result<> take(op_type& o) {
    return send_verb::is_plain_success(o) ? result<>() : take_all_else(o);
  }
  [[gnu::noinline]] static result<> take_all_else(op_type& o) {
    const bool is_dropped = (o.word() & (settled_well | settled_by_drop)) == settled_bits;
    if (!send_verb::settle(o)) return send_verb::reason(o);
    if (is_dropped) send_verb::core(o).undelivered(o.payload());
    return {};
  }

  static void replace(item& moved_from, item&& by) noexcept {
    std::destroy_at(&moved_from);
    std::construct_at(&moved_from, std::move(by));
  }

  static constexpr typename op_type::verb how{.list = &send_verb::list,
                                              .try_complete = &send_verb::try_complete,
                                              .enlist = &send_verb::enlist,
                                              .withdraw = &send_verb::withdraw,
                                              .take = &take,
                                              .try_now = &send_verb::try_now,
                                              .begin_alone = &send_verb::begin_alone,
                                              .off_without_object = true};
};

template <class T>
struct receive_verb : channel_verb<T, receive_op<T>, receive_verb<T>> {
  using op_type = receive_op<T>;
  using item = channel_item<T>;

  static bool try_complete_at(op_type& o, channel_core<T>& core) noexcept {
    claimed_links claimed;
    core.begin();
    // A value that is there could not be moved out the last time.
    const bool has_value = o.payload().has_value() ||
                           core.get(claimed, [&](item&& v) { o.payload().emplace(std::move(v)); });
    if (!has_value && !core.is_drained()) return false;
    return receive_verb::complete(o, claimed, has_value ? settled_well : 0);
  }
  static std::uint64_t guess(const channel_core<T>& core) noexcept { return core.guess_to_get(); }
  [[gnu::noinline]] static attempt try_road(op_type& o, std::uint64_t seen) noexcept {
    if (o.payload().has_value()) return attempt::needs_lock;
    channel_core<T>& core = receive_verb::core(o);
    const auto into = [&](item&& v) { o.payload().emplace(std::move(v)); };
    const road first = core.get_by_road(into, look::later_if_better, seen);
    return receive_verb::early(o, first, [&] { return core.try_get(into, look::at_once); });
  }

  /// A value whose move throws stays in the operation, which may be run again.
  static result<T> take(op_type& o) {
    return receive_verb::is_plain_success(o) ? take_out<T>(o.payload()) : take_all_else(o);
  }
  [[gnu::noinline]] static result<T> take_all_else(op_type& o) {
    if (!receive_verb::settle(o)) return receive_verb::reason(o);
    return take_out<T>(o.payload());
  }

  static constexpr typename op_type::verb how{.list = &receive_verb::list,
                                              .try_complete = &receive_verb::try_complete,
                                              .enlist = &receive_verb::enlist,
                                              .withdraw = &receive_verb::withdraw,
                                              .take = &take,
                                              .try_now = &receive_verb::try_now,
                                              .begin_alone = &receive_verb::begin_alone,
                                              .off_without_object = true};
};

template <class T>
struct receive_many_verb : channel_verb<T, receive_many_op<T>, receive_many_verb<T>> {
  using op_type = receive_many_op<T>;

  static bool try_complete_at(op_type& o, channel_core<T>& core) noexcept {
    claimed_links claimed;
    core.begin();
    const bool some = core.get_many(o.payload().values, o.payload().most, claimed);
    if (!some && !core.is_drained()) return false;
    return receive_many_verb::complete(o, claimed, some ? settled_well : 0);
  }

  // Whoever waited was given one value. What else is there comes with it.
  static void after_withdraw(op_type& o) noexcept {
    if ((o.word() & settled_well) != 0) (void)receive_many_verb::try_complete(o);
  }

  static result<std::vector<T>> take(op_type& o) {
    if (!receive_many_verb::settle(o)) return receive_many_verb::reason(o);
    return take_out_all<T>(o.payload().values);
  }

  static constexpr typename op_type::verb how{.list = &receive_many_verb::list,
                                              .try_complete = &receive_many_verb::try_complete,
                                              .enlist = &receive_many_verb::enlist,
                                              .withdraw = &receive_many_verb::withdraw,
                                              .take = &take,
                                              .off_without_object = true};
};

template <class T>
struct reserve_verb : channel_verb<T, reserve_op<T>, reserve_verb<T>> {
  using op_type = reserve_op<T>;

  static bool try_complete_at(op_type& o, channel_core<T>& core) noexcept {
    core.begin();
    const bool is_refused = core.is_closed() || core.capacity() == 0;
    if (!is_refused && !core.reserve()) return false;
    return reserve_verb::complete(o, claimed_links(), is_refused ? 0 : settled_well);
  }

  static result<send_permit<T>> take(op_type& o) {
    if (reserve_verb::settle(o)) return send_permit<T>(reserve_verb::core(o).shared_from_this());
    if (!reserve_verb::is_nil(o) && reserve_verb::core(o).capacity() == 0) return errc::too_large;
    return reserve_verb::reason(o);
  }

  static constexpr typename op_type::verb how{.list = &reserve_verb::list,
                                              .try_complete = &reserve_verb::try_complete,
                                              .enlist = &reserve_verb::enlist,
                                              .withdraw = &reserve_verb::withdraw,
                                              .take = &take,
                                              .off_without_object = true};
};

}  // namespace pinion::detail
