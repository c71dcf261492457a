// SPDX-License-Identifier: MIT
// Those who wait for a channel, one line for each kind of operation.
//
// A number given on arrival, kept in the operation's word, puts the lines of one side in one order.
// Who is served is claimed under the channel's lock, with the value in hand, and linked to others
// that are claimed with it; they are woken when the lock is free. An operation that completes at
// once keeps that chain in its word until take(), which runs without the lock:
//
//     word, enlisted:  number of arrival
//     word, settled:   first claimed link | settled_by_drop | settled_well
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "pinion/sync/channel_options.hpp"
#include "pinion/sync/op.hpp"

namespace pinion {

template <class T>
class send_permit;

namespace detail {

/// Where a batch is gathered: its memory is there before the lock is taken.
template <class T>
struct channel_batch {
  std::vector<channel_item<T>> values;
  std::size_t most;
};

}  // namespace detail

// The operations of a channel. The payload of a send is its value; for the others it is where what
// they receive is put.
template <class T>
using send_op = op<void, channel_item<T>>;
template <class T>
using receive_op = op<T, std::optional<channel_item<T>>>;
template <class T>
using reserve_op = op<send_permit<T>>;
template <class T>
using receive_many_op = op<std::vector<T>, detail::channel_batch<T>>;

namespace detail {

/// For operations of a handle that was moved from. Nobody stands in it, and it is never destroyed.
wait_list& nobodys_line() noexcept;

inline constexpr std::uint64_t settled_well = 1;
inline constexpr std::uint64_t settled_by_drop = 2;  // the payload is what nobody will receive
inline constexpr std::uint64_t settled_bits = 3;

/// Claimed links, in the order in which they were claimed.
class claimed_links {
 public:
  void add(wait_link& link) noexcept {
    link.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &link;
    last_ = &link;
  }

  /// For the word of an operation that completed at once.
  std::uint64_t to_word(std::uint64_t how) const noexcept {
    return reinterpret_cast<std::uintptr_t>(first_) | how;
  }
  static void wake(std::uint64_t word) noexcept {
    wake(reinterpret_cast<wait_link*>(static_cast<std::uintptr_t>(word & ~settled_bits)));
  }

  /// Without the lock. Any of them, and the channel, may be gone afterwards.
  void wake() noexcept { wake(first_); }

 private:
  static_assert(alignof(wait_link) > settled_bits);

  static void wake(wait_link* link) noexcept {
    while (link != nullptr) {
      waiter& who = *link->owner;
      link = link->next;  // before the wake: the link may be gone after it
      who.wake();
    }
  }

  wait_link* first_ = nullptr;
  wait_link* last_ = nullptr;
};

/// Operations of one kind that wait.
/// @threads   under the channel's lock
template <class Op>
class channel_line {
 public:
  channel_line() noexcept = default;
  channel_line(const channel_line&) = delete;
  channel_line& operator=(const channel_line&) = delete;
  ~channel_line() { assert(empty() && "a channel was destroyed while somebody waits for it"); }

  bool empty() const noexcept { return links_.empty(); }
  std::size_t count() const noexcept {
    std::size_t n = 0;
    for (const wait_link* l = links_.front(); l != nullptr; l = l->next) ++n;
    return n;
  }

  void add(Op& o, waiter& who, std::uint64_t number) noexcept {
    o.word() = number;
    links_.push_back(o.link(who));
  }
  void remove(Op& o) noexcept { links_.remove(o.link()); }  // nothing if it was claimed

  /// Did its first one come before that of `other`? No if there is none.
  template <class Other>
  bool is_before(const channel_line<Other>& other) const noexcept {
    return first_number() < other.first_number();
  }
  std::uint64_t first_number() const noexcept {
    return empty() ? ~std::uint64_t{0} : Op::of(*links_.front()).word();
  }

  /// Takes the first one out. Null: its wait was settled elsewhere.
  /// @pre  not empty
  Op* claim_first(claimed_links& claimed) noexcept {
    wait_link& link = *links_.front();
    links_.remove(link);
    if (!link.owner->try_claim(link)) return nullptr;
    claimed.add(link);
    Op& o = Op::of(link);
    o.word() = settled_well;
    return &o;
  }

  /// Ends all of them with nothing.
  void claim_all(claimed_links& claimed) noexcept {
    while (!empty())
      if (Op* const o = claim_first(claimed)) o->word() = 0;
  }

 private:
  linked_list<wait_link> links_;
};

}  // namespace detail
}  // namespace pinion
