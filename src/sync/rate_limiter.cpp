// SPDX-License-Identifier: MIT
// The bucket of a rate limiter: taking without waiting, reserving, and changes of the setting. Who
// waits is served elsewhere.
#include "pinion/sync/rate_limiter.hpp"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <string>

#include "src/platform/counter_clock.hpp"
#include "src/sync/bucket.hpp"
#include "src/sync/token_scale.hpp"

namespace pinion {

using detail::token_scale;
using detail::wide;

namespace {

constexpr std::int64_t longest_salt = 1'000'000'000;  // nanoseconds

std::uint64_t convert_up(std::uint64_t units, std::uint64_t from, std::uint64_t to) noexcept {
  return from == 0 ? 0 : static_cast<std::uint64_t>((wide{units} * to + from - 1) / from);
}

}  // namespace

rate_limiter::rate_limiter(rate r, std::uint64_t burst, time_source& time)
    : time_(time), by_system_(&time == &system_time()), rate_(r), burst_(burst) {
  const bool limited = r.events == 0 || r.per > duration::zero();
  if (limited && (burst == 0 || burst > max_burst)) {
    throw std::invalid_argument("rate_limiter: a burst of " + std::to_string(burst) +
                                ", must be 1 to " + std::to_string(max_burst));
  }
  burst_ = std::min(burst, max_burst);
  publish(token_scale::of(rate_, burst_), now().time_since_epoch().count());
  timer_.owner = tending_.owner = this;
  timer_.fire = [](timer_node& fired) noexcept {
    rate_limiter& self = *static_cast<timer&>(fired).owner;
    wake_chain left;  // outlives the lock
    const std::lock_guard lock(self.line_);
    self.ask_to_tend(left);
  };
  tending_.run = [](late_work& work, wake_chain& woken) noexcept {
    static_cast<tending&>(work).owner->tend(woken);
  };
}

// A timer that fires may still be at it, or who has given tokens back in line.
rate_limiter::~rate_limiter() {
  time_.disarm(timer_);
  const std::lock_guard lock(line_);
}

rate_limiter::snapshot rate_limiter::look() const noexcept {
  // acquire: sees the setting that the word names; pairs with the release in adopt.
  const std::uint64_t word = word_.load(std::memory_order_acquire);
  const setting& s = settings_[(word >> 1) & 1];
  // acquire (all): what is seen of a later setting shows in the word that is_current() and
  // replace() then find; pairs with the releases in publish.
  snapshot seen{word, {}, 0, 0};
  seen.scale.token = s.token.load(std::memory_order_acquire);
  seen.scale.per_time = s.per_time.load(std::memory_order_acquire);
  // acquire (all): as above.
  seen.scale.shift = s.shift.load(std::memory_order_acquire);
  // acquire (all): as above.
  seen.scale.burst = s.burst.load(std::memory_order_acquire);
  seen.scale.horizon = s.horizon.load(std::memory_order_acquire);
  seen.start = s.start.load(std::memory_order_acquire);
  seen.number = s.number.load(std::memory_order_acquire);
  return seen;
}

/// What was seen belongs together: the setting has not changed meanwhile.
bool rate_limiter::is_current(std::uint64_t word) const noexcept {
  // relaxed: ordered after the loads of the setting, which are acquires.
  return ((word_.load(std::memory_order_relaxed) ^ word) & snapshot::low &
          ~snapshot::waiting_bit) == 0;
}

/// Moves the time on. False: the word has changed; look again.
bool rate_limiter::replace(const snapshot& s, std::uint64_t full_at) noexcept {
  std::uint64_t expected = s.word;
  // relaxed: publishes nothing; continues the release sequence of the setting.
  return word_.compare_exchange_weak(expected,
                                     (s.word & snapshot::low) | full_at << snapshot::full_at_shift,
                                     std::memory_order_relaxed, std::memory_order_relaxed);
}

// A plain try: nobody waits, there is a limit, and its units are whole nanoseconds. What it needs
// is little, so it looks at no more. All else is for try_take_at, and so is a word that has
// changed.
errc rate_limiter::try_take(std::uint64_t n) noexcept {
  const time_point now = by_system_ ? detail::counter_now() : time_.now();
  // acquire: as in look.
  std::uint64_t word = word_.load(std::memory_order_acquire);
  const setting& s = settings_[(word >> 1) & 1];
  // acquire (all): as in look.
  const std::uint64_t burst = s.burst.load(std::memory_order_acquire);
  const std::int64_t start = s.start.load(std::memory_order_acquire);
  const std::uint64_t plain_until = s.plain_until.load(std::memory_order_acquire);
  // Unsigned: nothing wanted is more than any burst, and before the start is later than any time.
  const std::uint64_t passed = static_cast<std::uint64_t>(now.time_since_epoch().count()) -
                               static_cast<std::uint64_t>(start);
  if ((word & snapshot::waiting_bit) == 0 && n - 1 < burst && passed < plain_until) {
    // acquire (both): as in look.
    const std::uint64_t token = s.token.load(std::memory_order_acquire);
    const std::uint64_t filled = passed * s.per_time.load(std::memory_order_acquire);
    const std::uint64_t end = std::max(word >> snapshot::full_at_shift, filled) + n * token;
    const std::uint64_t after = (word & snapshot::low) | end << snapshot::full_at_shift;
    if (end > filled + burst * token) {
      if (is_current(word)) return errc::not_ready;
      // relaxed (both): as in replace.
    } else if (word_.compare_exchange_weak(word, after, std::memory_order_relaxed,
                                           std::memory_order_relaxed)) {
      return errc::ok;
    }
  }
  return try_take_at(now, n);
}

errc rate_limiter::try_take_at(time_point now, std::uint64_t n) noexcept {
  for (;;) {
    const snapshot s = look();
    errc got = errc::not_ready;
    if (s.scale.unlimited() || n == 0) {
      got = errc::ok;
    } else if (s.scale.burst != 0 && n > s.scale.burst) {
      got = errc::too_large;
    } else if (!s.waiting() && s.scale.burst != 0) {
      if (!s.counts(now)) {
        count_anew(now);
        continue;
      }
      if (s.reached(s.checked_end(n, now), now)) {
        if (replace(s, s.noted_end(n, now))) return errc::ok;
        continue;
      }
    }
    if (is_current(s.word)) return got;
  }
}

result<reservation> rate_limiter::reserve(std::uint64_t n) noexcept {
  const time_point now = this->now();
  result<reservation> got = errc::not_ready;
  for (;;) {
    snapshot s = look();
    std::unique_lock<wait_list> lock;
    if (!s.counts(now)) {
      count_anew(now);
      continue;
    }
    if (s.waiting()) {
      lock = std::unique_lock(line_);
      prepay(now);
      s = look();
      if (!s.counts(now)) continue;
    }
    if (try_reserve(s, n, now, got)) return got;
  }
}

bool rate_limiter::try_reserve(const snapshot& s, std::uint64_t n, time_point now,
                               result<reservation>& got) noexcept {
  if (s.scale.unlimited() || n == 0) {
    got = reservation(nullptr, now);
    return is_current(s.word);
  }
  got = n > s.scale.burst && s.scale.burst != 0 ? errc::too_large : errc::not_ready;
  if (n > s.scale.burst) return is_current(s.word);
  const time_point when = s.turn_of(n, now);
  if (when == forever || s.checked_end(n, now) >> token_scale::ahead_bits != 0) {
    return is_current(s.word);
  }
  const std::uint64_t end = s.noted_end(n, when);
  if (!replace(s, end)) return false;
  reservation r(this, when);
  r.end_ = end;
  r.tokens_ = n;
  r.setting_ = s.number;
  got = std::move(r);
  return true;
}

std::uint64_t reservation::cancel() noexcept {
  rate_limiter* const from = std::exchange(from_, nullptr);
  return from == nullptr ? 0 : from->give_back(*this);
}

/// With the lock held. Of tokens that were taken up to `end`: those that nothing later builds on.
/// False: look again.
bool rate_limiter::try_refund(const snapshot& s, std::uint64_t end,
                              std::uint64_t& tokens) noexcept {
  const std::uint64_t last = std::max(s.full_at(), owed_until_);
  const std::uint64_t behind = last - std::min(end, last);
  // What is not a whole token was lost between two of them, to a time in whole nanoseconds.
  const std::uint64_t later = s.scale.unlimited() ? tokens : behind / s.scale.token;
  const std::uint64_t back = tokens - std::min(later, tokens);
  // Where others stay behind it, the bucket may now be full when their time comes, and then loses
  // what a nanosecond brings beyond.
  const std::uint64_t slack = last == end ? 0 : s.scale.slack();
  const std::uint64_t units = back * s.scale.token;
  const std::uint64_t less = std::min(units - std::min(slack, units), s.full_at());
  if (back == 0 ? !is_current(s.word) : !replace(s, s.full_at() - less)) return false;
  // The time goes back, and those behind keep theirs: what is given back next must know of them.
  if (back != 0 && last != end) owed_until_ = last;
  tokens = back;
  return true;
}

std::uint64_t rate_limiter::give_back(const reservation& r) noexcept {
  if (now() > r.when_) return 0;
  wake_chain left;  // outlives the lock
  const std::lock_guard lock(line_);
  for (;;) {
    const snapshot s = look();
    if (s.number > r.setting_ + 1) return 0;
    const std::uint64_t end = s.number == r.setting_ ? r.end_ : change_.translate(r.end_);
    std::uint64_t tokens = r.tokens_;
    if (!try_refund(s, end, tokens)) continue;
    if (s.waiting() && tokens > 0) ask_to_tend(left);
    return tokens;
  }
}

std::uint64_t rate_limiter::change::translate(std::uint64_t end) const noexcept {
  const std::uint64_t later = convert_up(before - std::min(end, before), token_before, token_after);
  return after - std::min(later, after);
}

void rate_limiter::set_rate(rate r) noexcept {
  const time_point now = this->now();
  wake_chain left;  // outlives the lock
  const std::lock_guard lock(line_);
  rate_ = r;
  adopt(now);
  if (!line_.empty()) ask_to_tend(left);
}

void rate_limiter::set_burst(std::uint64_t n) noexcept {
  const time_point now = this->now();
  wake_chain left;  // outlives the lock
  const std::lock_guard lock(line_);
  burst_ = std::min(n, max_burst);
  adopt(now);
  if (!line_.empty()) ask_to_tend(left);
}

void rate_limiter::count_anew(time_point now) noexcept {
  const std::lock_guard lock(line_);
  if (!look().counts(now)) adopt(now);
}

// With the lock held. The place is that of the setting before the last one: whoever still looks at
// it finds the word changed since.
void rate_limiter::publish(const token_scale& scale, std::int64_t start) noexcept {
  setting& s = settings_[number_ & 1];
  const bool is_plain = scale.shift == 0 && !scale.unlimited();
  // release (all): whoever sees one of these sees the word of the setting before; pairs with the
  // acquires in look.
  s.plain_until.store(is_plain ? static_cast<std::uint64_t>(scale.horizon) : 0,
                      std::memory_order_release);
  // release (all): as above.
  s.token.store(scale.token, std::memory_order_release);
  s.per_time.store(scale.per_time, std::memory_order_release);
  s.shift.store(scale.shift, std::memory_order_release);
  // release (all): as above.
  s.burst.store(scale.burst, std::memory_order_release);
  s.horizon.store(scale.horizon, std::memory_order_release);
  s.start.store(start, std::memory_order_release);
  s.number.store(number_, std::memory_order_release);
}

// With the lock held: what rate_ and burst_ say holds from now on. What is in the bucket stays;
// what it lacks, or owes, is paid at the new rate. Time is counted from now.
void rate_limiter::adopt(time_point now) noexcept {
  const snapshot old = look();
  const token_scale scale = token_scale::of(rate_, burst_);
  const std::uint64_t passed = old.scale.passed_long(old.since_start(now));
  ++number_;
  // A full bucket begins a little later each time, so that the word of one setting is not that of
  // another in which somebody who was held up for long may still believe.
  std::uint64_t full = (number_ >> snapshot::setting_bits) & 0xffff;
  duration salt = scale.per_time == 0 ? duration::zero() : scale.time_until(full);
  if (scale.per_time == 0 || salt.count() > longest_salt) {
    full = 0;
    salt = duration::zero();
  }
  const std::int64_t at = std::max(now.time_since_epoch().count(), old.start) - salt.count();
  publish(scale, at);
  const wide begin = scale.unlimited() ? 0 : scale.passed_up(salt.count());
  const wide more = scale.burst > old.scale.burst ? scale.burst - old.scale.burst : 0;
  const wide fewer = old.scale.burst > scale.burst ? old.scale.burst - scale.burst : 0;
  // relaxed: the CAS looks again.
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t before = word >> snapshot::full_at_shift;
    wide after = full;
    if (!scale.unlimited() && !old.scale.unlimited()) {
      const std::uint64_t lacking = before - std::min(passed, before);
      after = begin + convert_up(lacking, old.scale.token, scale.token) + more * scale.token;
      after -= std::min(after, fewer * scale.token);
      after = std::clamp<wide>(after, full, wide{1} << token_scale::ahead_bits);
    }
    const auto then = static_cast<std::uint64_t>(after);
    const std::uint64_t bits = (number_ << 1 & snapshot::low) | (word & snapshot::waiting_bit);
    // release: publishes the setting; pairs with the acquire in look. relaxed: looks again.
    if (word_.compare_exchange_weak(word, then << snapshot::full_at_shift | bits,
                                    std::memory_order_release, std::memory_order_relaxed)) {
      change_ = {before, then, old.scale.token, scale.token};
      const std::uint64_t beyond = owed_until_ - std::min(before, owed_until_);
      owed_until_ = beyond == 0 ? change_.translate(owed_until_)
                                : then + convert_up(beyond, old.scale.token, scale.token);
      break;
    }
  }
  for (wait_link* link = line_.front(); link != nullptr; link = link->next) {
    retime(request::of(*link));
  }
}

}  // namespace pinion
