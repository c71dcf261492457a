// SPDX-License-Identifier: MIT
// What the handles of a channel share: the buffer, the lines of those who wait, and one lock.
//
//     sends    o o o --.                                          .-- o o o   receives
//                      |--> [ .. | oldest | .... | newest | .. ] --|
//     reserves o o ----'         exactly `capacity` places        '-- o o     batches
//
// Invariants, whenever the lock is free; a place counts as taken while it is reserved:
//   a value is buffered        =>  nobody waits to receive
//   a place is free            =>  nobody waits to send or to reserve
//   somebody waits to receive  =>  nobody waits to send, but for the other half of one select
//
// Progress: each call is a short critical section: some instructions, the move of a value, and one
// claim for each waiter it serves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "pinion/sync/channel_buffer.hpp"
#include "pinion/sync/channel_line.hpp"
#include "pinion/sync/channel_options.hpp"

namespace pinion::detail {

enum class send_outcome : std::uint8_t {
  sent,
  sent_for_oldest,  // which made room, and was given to `displaced`
  dropped,          // the value is where it was
  full,
  closed,
};

/// The state, and what changes it under the lock.
template <class T>
class channel_state {
 public:
  using item = channel_item<T>;

  /// @errors    throws std::invalid_argument, std::bad_alloc
  channel_state(std::size_t capacity, when_full policy)
      : policy_(policy), buffer_(capacity, policy == when_full::wait) {
    if (capacity == 0 && policy != when_full::wait)
      throw std::invalid_argument(
          "channel_options::capacity is 0, must be 1 or more to drop values");
  }

  wait_list& line() const noexcept { return lock_; }
  std::size_t capacity() const noexcept { return buffer_.capacity(); }

  /// @pre  is_closed() was true under the lock
  error why_closed() const noexcept { return cause_.as(errc::closed); }

  // --- Without the lock, while nobody waits and nothing special is going on.

  road try_put(item& value, look when) noexcept { return buffer_.try_push(value, when); }
  template <class Into>
  road try_get(Into&& into, look when) noexcept {
    return buffer_.try_pop(into, when);
  }
  std::uint64_t guess_to_put() const noexcept { return buffer_.tail_guess(); }
  std::uint64_t guess_to_get() const noexcept { return buffer_.head_guess(); }
  road put_by_road(item& value, look when, std::uint64_t guess) noexcept {
    return buffer_.push_by_road(value, when, guess);
  }
  template <class Into>
  road get_by_road(Into&& into, look when, std::uint64_t guess) noexcept {
    return buffer_.pop_by_road(into, when, guess);
  }
  void let_the_other_side_work() const noexcept { buffer_.let_the_other_side_work(); }
  std::size_t size_approx() const noexcept { return buffer_.size_approx(); }

  // --- All else with the lock held, between begin() and end().

  void begin() noexcept {
    if (buffer_.has_roads()) buffer_.shut();
  }

  /// Lets go of the roads unless somebody waits. Left out when somebody is about to.
  void end() noexcept {
    if (!buffer_.has_roads()) return;
    const bool waits =
        !sends_.empty() || !reserves_.empty() || !receives_.empty() || !batches_.empty();
    if (!waits && !closed_ && reserved_ == 0) buffer_.open();
  }

  bool is_closed() const noexcept { return closed_; }
  bool is_drained() const noexcept { return closed_ && buffer_.size() == 0 && reserved_ == 0; }
  std::size_t size() const noexcept { return buffer_.size(); }

  /// Would put() take a value now, or drop it?
  bool takes_now() const noexcept {
    return has_room() || policy_ != when_full::wait || !receives_.empty() || !batches_.empty();
  }

  /// `displaced(item&&)` gets the oldest value if that has to make room.
  template <class Displaced>
  send_outcome put(item& value, claimed_links& claimed, Displaced&& displaced) noexcept {
    if (closed_) return send_outcome::closed;
    if (give(value, claimed)) return send_outcome::sent;
    if (capacity() == 0) return send_outcome::full;  // its policy is to wait
    if (has_room()) return buffer_.push(std::move(value)), send_outcome::sent;
    if (policy_ == when_full::wait) return send_outcome::full;
    if (policy_ == when_full::drop_newest || buffer_.size() == 0) return send_outcome::dropped;
    std::optional<item> oldest;
    buffer_.pop([&](item&& v) { oldest.emplace(std::move(v)); });
    buffer_.push(std::move(value));
    displaced(std::move(*oldest));
    return send_outcome::sent_for_oldest;
  }

  /// Calls into(item&&) with the next value, if there is one.
  template <class Into>
  bool get(claimed_links& claimed, Into&& into) noexcept {
    if (capacity() != 0 && buffer_.size() > 0) {
      buffer_.pop(into);
      fill_places(claimed);
      return true;
    }
    while (!sends_.empty()) {
      if (send_op<T>* const o = sends_.claim_first(claimed)) {
        into(std::move(o->payload()));
        return true;
      }
    }
    return false;
  }

  /// Takes up to `most`. @pre  there is memory for them
  bool get_many(std::vector<item>& into, std::size_t most, claimed_links& claimed) noexcept {
    const auto add = [&](item&& value) { into.push_back(std::move(value)); };
    while (into.size() < most && get(claimed, add)) {
    }
    return !into.empty();
  }

  /// False: no place is free.
  bool reserve() noexcept {
    if (!has_room()) return false;
    ++reserved_;
    return true;
  }
  void unreserve(claimed_links& claimed) noexcept {
    --reserved_;
    fill_places(claimed);
    end_if_drained(claimed);
  }
  /// False: nobody is left to receive it.
  bool put_reserved(item& value, claimed_links& claimed) noexcept {
    --reserved_;
    const bool is_given = !abandoned_ && give(value, claimed);
    if (!abandoned_ && !is_given) buffer_.push(std::move(value));
    if (is_given) fill_places(claimed);
    end_if_drained(claimed);
    return !abandoned_;
  }

  /// False: it was closed before. A cause that is not kept is destroyed by the caller.
  bool close(error& cause, claimed_links& claimed) noexcept {
    if (closed_) return false;
    std::swap(cause_, cause);
    closed_ = true;
    sends_.claim_all(claimed);
    reserves_.claim_all(claimed);
    end_if_drained(claimed);
    return true;
  }
  void abandon() noexcept { abandoned_ = true; }

  void enlist(send_op<T>& o, waiter& w) noexcept { sends_.add(o, w, next_number()); }
  void enlist(reserve_op<T>& o, waiter& w) noexcept { reserves_.add(o, w, next_number()); }
  void enlist(receive_op<T>& o, waiter& w) noexcept { receives_.add(o, w, next_number()); }
  void enlist(receive_many_op<T>& o, waiter& w) noexcept { batches_.add(o, w, next_number()); }
  void withdraw(send_op<T>& o) noexcept { sends_.remove(o); }
  void withdraw(reserve_op<T>& o) noexcept { reserves_.remove(o); }
  void withdraw(receive_op<T>& o) noexcept { receives_.remove(o); }
  void withdraw(receive_many_op<T>& o) noexcept { batches_.remove(o); }

  std::size_t waiting_to_send() const noexcept { return sends_.count() + reserves_.count(); }
  std::size_t waiting_to_receive() const noexcept { return receives_.count() + batches_.count(); }

 protected:
  ~channel_state() = default;

  channel_buffer<item>& buffer() noexcept { return buffer_; }

 private:
  bool has_room() const noexcept { return buffer_.size() + reserved_ < buffer_.capacity(); }

  std::uint64_t next_number() noexcept { return arrivals_ += settled_bits + 1; }

  // To the first who waits for a value.
  bool give(item& value, claimed_links& claimed) noexcept {
    while (!receives_.empty() || !batches_.empty()) {
      if (receives_.is_before(batches_)) {
        if (receive_op<T>* const o = receives_.claim_first(claimed))
          return o->payload().emplace(std::move(value)), true;
      } else if (receive_many_op<T>* const o = batches_.claim_first(claimed)) {
        return o->payload().values.push_back(std::move(value)), true;  // its memory is there
      }
    }
    return false;
  }

  // Free places go to those who wait for one, in order of arrival.
  void fill_places(claimed_links& claimed) noexcept {
    while (has_room() && (!sends_.empty() || !reserves_.empty())) {
      if (sends_.is_before(reserves_)) {
        if (send_op<T>* const o = sends_.claim_first(claimed))
          buffer_.push(std::move(o->payload()));
      } else if (reserves_.claim_first(claimed) != nullptr) {
        ++reserved_;
      }
    }
  }

  void end_if_drained(claimed_links& claimed) noexcept {
    if (!is_drained()) return;
    receives_.claim_all(claimed);
    batches_.claim_all(claimed);
  }

  mutable wait_list lock_;  // the lock alone: who waits stands in the lines
  const when_full policy_;
  bool closed_ = false;
  bool abandoned_ = false;      // nobody can receive any more
  error cause_ = errc::closed;  // constant once closed
  std::size_t reserved_ = 0;    // places promised to permits
  std::uint64_t arrivals_ = 0;
  channel_buffer<item> buffer_;
  channel_line<send_op<T>> sends_;
  channel_line<reserve_op<T>> reserves_;
  channel_line<receive_op<T>> receives_;
  channel_line<receive_many_op<T>> batches_;
};

}  // namespace pinion::detail
