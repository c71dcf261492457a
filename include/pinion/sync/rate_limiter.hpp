// SPDX-License-Identifier: MIT
// Rate limiter: a token bucket. In any interval of length t at most burst + rate * t tokens.
//
//     word:  | when the bucket will be full again | setting | somebody waits |
//
// A bucket needs one number only, the time at which it would be full if nobody took any more. It is
// full when that time has come, and what is missing now is what time will have brought by then. So
// taking tokens is one CAS that moves this time on, if it does not come to lie too far ahead:
//
//     full at     now            then           limit: what the whole bucket takes to fill
//     ------------|--------------|--------------|-------->
//                 | what is taken| what is there|
//
// Whoever has to wait stands in line and is served in order of arrival; one timer is set for the
// first in line. While somebody waits, the road past the line is closed.
//
// All numbers are integers in units that make a token and a nanosecond whole; none is rounded in
// favour of who takes.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>

#include "pinion/platform/clock.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/time_source.hpp"

namespace pinion {

class rate_limiter;

namespace detail {
struct token_scale;
}  // namespace detail

/// Tokens per time, as an exact fraction. No events: none ever; no time: unlimited.
struct rate {
  std::uint64_t events = 0;
  duration per = std::chrono::seconds(1);

  static constexpr rate per_second(std::uint64_t n) { return {n, std::chrono::seconds(1)}; }
  static rate per_second(std::floating_point auto) = delete;  // a part of one: every()
  static constexpr rate every(duration d) { return {1, d}; }
  static constexpr rate unlimited() { return {1, duration::zero()}; }

  friend bool operator==(const rate&, const rate&) noexcept = default;
};

/// Tokens taken in advance, usable from when() on. Move-only; its end gives nothing back.
/// @threads   one at a time
/// @lifetime  cancel() needs the limiter
class [[nodiscard]] reservation {
 public:
  reservation(reservation&& other) noexcept { *this = std::move(other); }
  reservation& operator=(reservation&& other) noexcept {
    from_ = std::exchange(other.from_, nullptr);
    when_ = other.when_;
    end_ = other.end_;
    tokens_ = other.tokens_;
    setting_ = other.setting_;
    return *this;
  }
  ~reservation() = default;

  time_point when() const noexcept { return when_; }

  /// Gives back what no later reservation builds on, unless when() has passed; how many. A change
  /// of the rate or the burst between is allowed for; after several nothing is given back.
  std::uint64_t cancel() noexcept;

 private:
  friend class rate_limiter;
  reservation(rate_limiter* from, time_point when) noexcept : from_(from), when_(when) {}

  rate_limiter* from_;  // null: nothing to give back
  time_point when_;
  std::uint64_t end_ = 0;  // when the bucket was to be full again, with this one taken
  std::uint64_t tokens_ = 0;
  std::uint64_t setting_ = 0;  // under which
};

/// The bucket starts full. Waiters are served in order of arrival; one that wants many tokens holds
/// up those behind it, and is not held up by them. A wait that is given up takes nothing, and all
/// behind it have their turn earlier.
/// @threads   any
/// @lifetime  outlives its waits
class rate_limiter {
 public:
  static constexpr unsigned max_burst_bits = 40;
  static constexpr std::uint64_t max_burst = std::uint64_t{1} << max_burst_bits;

  /// @errors    throws std::invalid_argument: burst is 0 and the rate is limited, or more than
  ///            max_burst
  rate_limiter(rate, std::uint64_t burst, time_source& = system_time());
  rate_limiter(const rate_limiter&) = delete;
  rate_limiter& operator=(const rate_limiter&) = delete;
  ~rate_limiter();

  /// Of nothing, or without a limit: at once.
  /// @cost      no allocation; nobody waiting and enough there: one CAS
  /// @errors    too_large: n is more than the burst; would_exceed_deadline: at once, without
  /// waiting;
  ///            unavailable: the clock has no thread to wait by, and gets none; canceled,
  ///            deadline_exceeded. No token is taken then
  op<void, std::uint64_t> acquire(const context& ctx, std::uint64_t n = 1) noexcept {
    return {acquiring, this, &ctx, n};
  }
  op<void, std::uint64_t> acquire(std::uint64_t n = 1) noexcept {
    return {acquiring, this, nullptr, n};
  }
  op<void, std::uint64_t> acquire(scoped_context&&, std::uint64_t = 1) = delete;

  /// All or nothing. By the machine's clock, the time is that of now() to about a tenth of a
  /// microsecond.
  /// @progress  lock-free, one CAS; read-only when it fails. After 18 minutes or more, depending on
  ///            the rate, one call counts time anew, under a short lock
  /// @errors    not_ready, also when others wait; too_large
  result<> try_acquire(std::uint64_t n = 1) noexcept {
    const errc got = try_take(n);
    return got == errc::ok ? result<>() : result<>(got);
  }

  /// Takes them now, to be used when their time has come: after all that was reserved and all that
  /// waits. Times do not move any more, so who waits keeps its place in time, too.
  /// @progress  as try_acquire(); takes a short lock while others wait
  /// @errors    too_large; not_ready: paused, or so far ahead that there is no time for it
  result<reservation> reserve(std::uint64_t n = 1) noexcept;

  /// What is there stays, and what was reserved keeps its time; all that wait are timed anew.
  void set_rate(rate) noexcept;
  /// 0 pauses. Who waits for more than the burst gets too_large. @pre no more than max_burst
  void set_burst(std::uint64_t) noexcept;

 private:
  friend class reservation;
  struct snapshot;
  using request = op<void, std::uint64_t>;  // carries how many

  /// What is constant between two changes, in two places that are used in turn.
  struct setting {
    os::atomic<std::uint64_t> plain_until{0};  // nanoseconds in which a plain try will do
    os::atomic<std::uint64_t> token{0}, per_time{0}, shift{0}, burst{0};  // see token_scale
    os::atomic<std::int64_t> horizon{0};
    os::atomic<std::int64_t> start{0};    // when time is counted from
    os::atomic<std::uint64_t> number{0};  // of the setting
  };

  /// The last change of the setting, for what was taken before it.
  struct change {
    std::uint64_t before = 0, after = 0;  // the same moment in both
    std::uint64_t token_before = 1, token_after = 1;
    std::uint64_t translate(std::uint64_t end) const noexcept;
  };

  struct timer : timer_node {
    rate_limiter* owner = nullptr;
  };
  struct tending : late_work {
    rate_limiter* owner = nullptr;
  };

  errc try_take(std::uint64_t n) noexcept;
  errc try_take_at(time_point now, std::uint64_t n) noexcept;
  std::uint64_t give_back(const reservation&) noexcept;

  snapshot look() const noexcept;
  bool replace(const snapshot&, std::uint64_t full_at) noexcept;
  bool is_current(std::uint64_t word) const noexcept;
  bool try_reserve(const snapshot&, std::uint64_t n, time_point now, result<reservation>&) noexcept;
  bool try_refund(const snapshot&, std::uint64_t end, std::uint64_t& tokens) noexcept;
  void count_anew(time_point now) noexcept;

  // With the lock of the line held.
  void adopt(time_point now) noexcept;
  void publish(const detail::token_scale&, std::int64_t start) noexcept;
  bool settle(request&, time_point now) noexcept;
  void move_to(const snapshot&, std::uint64_t full_at) noexcept;
  void prepay(time_point now) noexcept;
  void leave(request&) noexcept;
  time_point serve(time_point now, wake_chain&) noexcept;
  void ask_to_tend(wake_chain&) noexcept;
  void retime(request&) noexcept;

  void tend(wake_chain&) noexcept;

  static rate_limiter& of(request& o) noexcept { return *static_cast<rate_limiter*>(o.object()); }
  static wait_list& list_of(request&) noexcept;
  static attempt take_now(request&) noexcept;
  static bool try_complete(request&) noexcept;
  static void enlist(request&, waiter&) noexcept;
  static void withdraw(request&) noexcept;
  static result<> take(request&);
  static constexpr request::verb acquiring{.list = &list_of,
                                           .try_complete = &try_complete,
                                           .enlist = &enlist,
                                           .withdraw = &withdraw,
                                           .take = &take,
                                           .try_now = &take_now};

  // Most go by the machine's clock; asking it directly saves a call.
  time_point now() const noexcept { return by_system_ ? os::now() : time_.now(); }

  time_source& time_;
  const bool by_system_;
  os::atomic<std::uint64_t> word_{0};
  setting settings_[2];

  wait_list line_;
  // Guarded by the lock of line_.
  rate rate_;
  std::uint64_t burst_;
  std::uint64_t number_ = 0;      // of the setting
  std::uint64_t queued_ = 0;      // tokens that those in line have not paid for yet
  std::uint64_t owed_until_ = 0;  // the last end of what was taken before something was given back
  change change_;
  bool tended_ = false;  // somebody sets the timer, or is about to
  bool again_ = false;   // and shall look again

  timer timer_;  // belongs to who tends
  tending tending_;
};

}  // namespace pinion
