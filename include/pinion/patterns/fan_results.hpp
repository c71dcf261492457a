// SPDX-License-Identifier: MIT
// The results of a fan-out on their way: a ring of slots between those who call and the one who
// reads.
//
//     runner --place--> [ .. | head | ... | ticket, or number of the input | .. ] --take--> reader
//
// A call has a credit, so its slot is free. Results in the order in which the calls ended take the
// next ticket; those in the order of their inputs have the input's number for one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "pinion/patterns/fan_control.hpp"
#include "pinion/patterns/group_report.hpp"
#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion::detail {

/// The slots between those who call and the one who reads.
template <class R>
class fan_results : public fan_control {
  static_assert(std::is_void_v<R> || std::is_nothrow_move_constructible_v<R>,
                "results are moved on their way: return a pointer to what cannot be");

 public:
  fan_results(scheduler& on, const context& parent, const fan_options& options)
      : fan_control(on, parent, options),
        mask_(std::bit_ceil(std::uint64_t{buffer_} + 1) - 1),  // one more, for the end
        slots_(new slot[mask_ + 1]) {}
  virtual ~fan_results() = default;

  // --- For the one who reads.

  bool is_ready() noexcept { return head_state() >= fan_slot::value; }
  bool is_ended() noexcept { return head_state() == fan_slot::ended; }

  /// @pre  is_ready()
  result<result<R>> take();
  void enlist(wait_link& link, waiter& who) noexcept;
  void withdraw(wait_link& link) noexcept;
  group_report report();

 protected:
  void place(std::uint64_t input, result<R>&& r) noexcept;

 private:
  struct slot {
    slot() noexcept {}
    ~slot() {}
    os::atomic<fan_slot> state{fan_slot::empty};
    union {
      result<R> value;
    };
  };

  slot& at(std::uint64_t position) noexcept { return slots_[position & mask_]; }
  os::atomic<fan_slot>& state_at(std::uint64_t position) noexcept final {
    return at(position).state;
  }
  fan_slot head_state() noexcept {
    // acquire: sees the result; pairs with the release in place.
    return at(head_).state.load(std::memory_order_acquire);
  }
  void count(fan_slot kind, const result<R>& r) noexcept;
  error reason_for_end() const noexcept;

  // Constant, and not on a line that is written for every call.
  alignas(cache_line_size) const std::uint64_t mask_;
  const std::unique_ptr<slot[]> slots_;

  // The reader's.
  alignas(cache_line_size) std::uint64_t head_ = 0;
  std::uint32_t taken_ = 0;  // credits not given back
  group_report seen_;
};

template <class R>
void fan_results<R>::place(std::uint64_t input, result<R>&& r) noexcept {
  const fan_slot kind = r ? fan_slot::value : kind_of(r.error());
  // acq_rel: whoever gets a ticket has seen what those saw who got the ones before it, so the slot
  // is seen to be empty, whoever brought the credit.
  const std::uint64_t position =
      in_order_ ? input : next_ticket_.fetch_add(1, std::memory_order_acq_rel);
  slot& s = at(position);
  std::construct_at(&s.value, std::move(r));
  // R4. release: publishes the result; pairs with the acquire in head_state. acquire: sees where
  // the reader waits.
  if (s.state.exchange(kind, std::memory_order_acq_rel) == fan_slot::awaited) {
    wake_reader(position);
  }
}

template <class R>
result<result<R>> fan_results<R>::take() {
  slot& s = at(head_);
  const fan_slot kind = head_state();
  if (kind == fan_slot::ended) return reason_for_end();
  count(kind, s.value);
  result<result<R>> taken(std::move(s.value));
  std::destroy_at(&s.value);
  // relaxed: the slot is filled again only with a credit, which give_back publishes.
  s.state.store(fan_slot::empty, std::memory_order_relaxed);
  ++head_;
  // C2. In batches, but at once when there is nothing more to take.
  const bool caught_up = !is_ready();
  if (++taken_ > buffer_ / 16 || caught_up) give_back(std::exchange(taken_, 0), caught_up);
  return taken;
}

template <class R>
void fan_results<R>::count(fan_slot kind, const result<R>& r) noexcept {
  constexpr std::size_t errors_max = 64;
  if (kind == fan_slot::value) ++seen_.succeeded;
  if (kind == fan_slot::canceled) ++seen_.canceled;
  if (kind == fan_slot::failed) {
    ++seen_.failed;
    if (seen_.errors.size() == errors_max) return;
    try {
      seen_.errors.push_back(r.error());
    } catch (const std::bad_alloc&) {  // counted all the same
    }
  }
}

template <class R>
group_report fan_results<R>::report() {
  group_report now = seen_;
  const std::uint64_t left = inputs_left();
  if (is_ended() && left != ~std::uint64_t{0}) now.not_started = left;
  return now;
}

template <class R>
error fan_results<R>::reason_for_end() const noexcept {
  if (inputs_left() == 0) return errc::closed;
  return gate::why_ended(ctx_, root_, gate::why_refused(scheduler_));
}

// With the lock held. C4.
template <class R>
void fan_results<R>::enlist(wait_link& link, waiter& who) noexcept {
  waiting.push_back(link);
  awaited_ = head_;
  fan_slot before = fan_slot::empty;
  // acq_rel: the meeting with R4. acquire: it is ready, and seen.
  if (at(head_).state.compare_exchange_strong(before, fan_slot::awaited, std::memory_order_acq_rel,
                                              std::memory_order_acquire)) {
    return;
  }
  if (before != fan_slot::awaited && waiting.claim(link)) who.wake();  // not asleep yet: a mark
}

template <class R>
void fan_results<R>::withdraw(wait_link& link) noexcept {
  waiting.remove(link);
  fan_slot before = fan_slot::awaited;
  // relaxed: if it fails, the slot is ready, or was never awaited.
  at(head_).state.compare_exchange_strong(before, fan_slot::empty, std::memory_order_relaxed,
                                          std::memory_order_relaxed);
}

}  // namespace pinion::detail
