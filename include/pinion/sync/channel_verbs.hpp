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

/// A moved-from handle: its operations wait until their context ends, and say so at once when it
/// never can.
template <class T, class Payload>
struct nil_verb {
  using op_type = op<T, Payload>;

  static bool is_endless(op_type& o) noexcept {
    const context* const bound = o.own_context().bound();
    return bound == nullptr || !bound->can_end();
  }
  static inline wait_list nobodys_line;  // nobody stands in it

  static constexpr typename op_type::verb how{
      .list = [](op_type&) noexcept -> wait_list& { return nobodys_line; },
      .try_complete = is_endless,
      .enlist = [](op_type&, waiter&) noexcept {},
      .withdraw = [](op_type&) noexcept {},
      .take = [](op_type&) { return result<T>(errc::would_deadlock); }};
};

/// What the verbs of one kind have in common.
template <class T, class Op>
struct channel_verb {
  static channel_core<T>& core(Op& o) noexcept {
    return *static_cast<channel_core<T>*>(o.object());
  }
  static wait_list& list(Op& o) noexcept { return core(o).line(); }
  static void enlist(Op& o, waiter& w) noexcept { core(o).enlist(o, w); }
  static void withdraw(Op& o) noexcept { core(o).withdraw(o); }

  /// For take(): wakes whom the operation has served; true if it came out well.
  static bool settle(Op& o) noexcept {
    const std::uint64_t word = std::exchange(o.word(), 0);
    if ((word & settled_well) == 0) return false;
    claimed_links::wake(word);
    return true;
  }

  static Op make(const typename Op::verb& how, channel_core<T>* core, const context* bound,
                 auto&&... payload) {
    using nil = nil_verb<typename Op::value_type,
                         std::remove_reference_t<decltype(std::declval<Op&>().payload())>>;
    return Op(core != nullptr ? how : nil::how, core, bound,
              std::forward<decltype(payload)>(payload)...);
  }
};

template <class T>
struct send_verb : channel_verb<T, send_op<T>> {
  using op_type = send_op<T>;
  using item = channel_item<T>;

  static bool try_complete(op_type& o) noexcept {
    claimed_links claimed;
    std::uint64_t outcome = settled_well;
    switch (send_verb::core(o).put(
        o.payload(), claimed, [&](item&& oldest) { replace(o.payload(), std::move(oldest)); })) {
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
    o.word() = claimed.to_word(outcome);
    return true;
  }

  static result<> take(op_type& o) {
    const bool is_dropped = (o.word() & (settled_well | settled_by_drop)) == settled_bits;
    if (!send_verb::settle(o)) return send_verb::core(o).why_closed();
    if (is_dropped) send_verb::core(o).undelivered(o.payload());
    return {};
  }

  static void replace(item& moved_from, item&& by) noexcept {
    std::destroy_at(&moved_from);
    std::construct_at(&moved_from, std::move(by));
  }

  static constexpr typename op_type::verb how{.list = &send_verb::list,
                                              .try_complete = &try_complete,
                                              .enlist = &send_verb::enlist,
                                              .withdraw = &send_verb::withdraw,
                                              .take = &take};
};

template <class T>
struct receive_verb : channel_verb<T, receive_op<T>> {
  using op_type = receive_op<T>;
  using item = channel_item<T>;

  static bool try_complete(op_type& o) noexcept {
    claimed_links claimed;
    auto& core = receive_verb::core(o);
    // A value that is there could not be moved out the last time.
    const bool has_value = o.payload().has_value() ||
                           core.get(claimed, [&](item&& v) { o.payload().emplace(std::move(v)); });
    if (!has_value && !core.is_drained()) return false;
    o.word() = claimed.to_word(has_value ? settled_well : 0);
    return true;
  }

  /// A value whose move throws stays in the operation, which may be run again.
  static result<T> take(op_type& o) {
    if (!receive_verb::settle(o)) return receive_verb::core(o).why_closed();
    return take_out<T>(o.payload());
  }

  static constexpr typename op_type::verb how{.list = &receive_verb::list,
                                              .try_complete = &try_complete,
                                              .enlist = &receive_verb::enlist,
                                              .withdraw = &receive_verb::withdraw,
                                              .take = &take};
};

template <class T>
struct receive_many_verb : channel_verb<T, receive_many_op<T>> {
  using op_type = receive_many_op<T>;

  static bool try_complete(op_type& o) noexcept {
    claimed_links claimed;
    auto& core = receive_many_verb::core(o);
    const bool some = core.get_many(o.payload().values, o.payload().most, claimed);
    if (!some && !core.is_drained()) return false;
    o.word() = claimed.to_word(some ? settled_well : 0);
    return true;
  }

  // Whoever waited was given one value. What else is there comes with it.
  static void withdraw(op_type& o) noexcept {
    receive_many_verb::core(o).withdraw(o);
    if ((o.word() & settled_well) != 0) (void)try_complete(o);
  }

  static result<std::vector<T>> take(op_type& o) {
    if (!receive_many_verb::settle(o)) return receive_many_verb::core(o).why_closed();
    return take_out_all<T>(o.payload().values);
  }

  static constexpr typename op_type::verb how{.list = &receive_many_verb::list,
                                              .try_complete = &try_complete,
                                              .enlist = &receive_many_verb::enlist,
                                              .withdraw = &withdraw,
                                              .take = &take};
};

template <class T>
struct reserve_verb : channel_verb<T, reserve_op<T>> {
  using op_type = reserve_op<T>;

  static bool try_complete(op_type& o) noexcept {
    auto& core = reserve_verb::core(o);
    if (!core.is_closed() && core.capacity() != 0) {
      if (!core.reserve()) return false;
      o.word() = settled_well;
      return true;
    }
    o.word() = 0;
    return true;
  }

  static result<send_permit<T>> take(op_type& o) {
    auto& core = reserve_verb::core(o);
    if (reserve_verb::settle(o)) return send_permit<T>(core.shared_from_this());
    if (core.capacity() == 0) return errc::too_large;
    return core.why_closed();
  }

  static constexpr typename op_type::verb how{.list = &reserve_verb::list,
                                              .try_complete = &try_complete,
                                              .enlist = &reserve_verb::enlist,
                                              .withdraw = &reserve_verb::withdraw,
                                              .take = &take};
};

}  // namespace pinion::detail
