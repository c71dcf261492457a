// SPDX-License-Identifier: MIT
// Who waits for a rate limiter, and the one timer that is set for the first in line.
//
// Who stands in line has paid for nothing: tokens are taken when its turn has come, so that those
// behind it move up when it gives up. Only a reservation behind it makes it pay at once, since its
// time, which stays, has then to leave room for all before it.
//
// The timer belongs to whoever tends it, one thread at a time, and with no lock held: a timer that
// fires takes the lock of the line, and disarming waits for it.
#include <algorithm>
#include <mutex>

#include "pinion/sync/rate_limiter.hpp"
#include "src/sync/bucket.hpp"

namespace pinion {
namespace {

// What a request says of itself: where the bucket is full again with it, once it has paid; or, when
// it has ended, how, as an errc.
constexpr std::uint64_t in_line = std::uint64_t{1} << 63;
constexpr std::uint64_t paid_until = in_line - 1;  // zero: not paid

bool is_in_line(std::uint64_t word) noexcept {
  return (word & in_line) != 0;
}

template <class Request>
bool end_with(Request& o, errc how) noexcept {
  o.word() = static_cast<std::uint64_t>(how);
  return true;
}

}  // namespace

wait_list& rate_limiter::list_of(request& o) noexcept {
  return of(o).line_;
}

attempt rate_limiter::take_now(request& o) noexcept {
  const errc got = of(o).try_take(o.payload());
  const bool is_over = got != errc::not_ready && end_with(o, got);
  return is_over ? attempt::done : attempt::needs_lock;
}

bool rate_limiter::try_complete(request& o) noexcept {
  rate_limiter& self = of(o);
  return self.settle(o, self.now());
}

result<> rate_limiter::take(request& o) {
  return static_cast<errc>(o.word());
}

bool rate_limiter::settle(request& o, time_point now) noexcept {
  const std::uint64_t n = o.payload();
  const context* const bound = o.own_context().bound();
  for (;;) {
    const snapshot s = look();
    if (s.scale.unlimited() || n == 0) return end_with(o, errc::ok);
    if (s.scale.burst != 0 && n > s.scale.burst) return end_with(o, errc::too_large);
    if (!s.counts(now)) {
      adopt(now);
      continue;
    }
    if (!s.waiting() && s.scale.burst != 0 && s.reached(s.checked_end(n, now), now)) {
      if (replace(s, s.noted_end(n, now))) return end_with(o, errc::ok);
      continue;
    }
    const bool limited =
        bound != nullptr && bound->deadline() != forever && &bound->time() == &time_;
    if (limited && s.turn_after(queued_, n, now) > bound->deadline()) {
      return end_with(o, errc::would_exceed_deadline);
    }
    return !time_.prepare() && end_with(o, errc::unavailable);
  }
}

void rate_limiter::enlist(request& o, waiter& who) noexcept {
  rate_limiter& self = of(o);
  o.word() = in_line;
  self.queued_ += o.payload();
  self.line_.push_back(o.link(who));
  // relaxed: what is taken is taken in this word; the lock orders the rest.
  self.word_.fetch_or(snapshot::waiting_bit, std::memory_order_relaxed);
  if (self.line_.front() == &o.link()) self.ask_to_tend(who.left_over());
}

void rate_limiter::withdraw(request& o) noexcept {
  if (!is_in_line(o.word())) return;
  rate_limiter& self = of(o);
  const bool was_first = self.line_.front() == &o.link();
  self.leave(o);
  if (was_first) self.ask_to_tend(o.link().owner->left_over());
}

/// A request that ends without its tokens.
void rate_limiter::leave(request& o) noexcept {
  line_.remove(o.link());
  if (const std::uint64_t end = o.word() & paid_until; end != 0) {
    std::uint64_t tokens = o.payload();
    while (!try_refund(look(), end, tokens)) tokens = o.payload();
  } else {
    queued_ -= o.payload();
  }
  o.word() = 0;
}

/// While the line is not empty nobody else moves the time.
void rate_limiter::move_to(const snapshot& s, std::uint64_t full_at) noexcept {
  // relaxed: as in replace.
  word_.fetch_add((full_at - s.full_at()) << snapshot::full_at_shift, std::memory_order_relaxed);
}

/// All in line pay now. Their times do not move any more, unless the setting changes.
void rate_limiter::prepay(time_point now) noexcept {
  for (wait_link* link = line_.front(); link != nullptr; link = link->next) {
    request& o = request::of(*link);
    const snapshot s = look();
    if (!s.counts(now)) return;
    if ((o.word() & paid_until) != 0 || o.payload() > s.scale.burst) continue;
    const time_point turn = s.turn_of(o.payload(), now);
    o.word() = in_line | s.checked_end(o.payload(), now);
    move_to(s, s.noted_end(o.payload(), turn == forever ? now : turn));
    queued_ -= o.payload();
  }
}

void rate_limiter::retime(request& o) noexcept {
  if (const std::uint64_t end = o.word() & paid_until; end != 0) {
    o.word() = in_line | std::max<std::uint64_t>(change_.translate(end), 1);
  }
}

/// Lets those go whose turn has come. When the next one's does; or forever.
time_point rate_limiter::serve(time_point now, wake_chain& woken) noexcept {
  while (wait_link* const first = line_.front()) {
    request& o = request::of(*first);
    const std::uint64_t n = o.payload();
    const std::uint64_t paid = o.word() & paid_until;
    const snapshot s = look();
    errc how = errc::ok;
    if (!s.counts(now)) {
      adopt(now);
      continue;
    }
    if (paid == 0 && !s.scale.unlimited()) {
      if (s.scale.burst == 0) return forever;  // paused
      if (n > s.scale.burst) how = errc::too_large;
    }
    const std::uint64_t end = paid != 0 ? paid : s.checked_end(n, now);
    const bool free = s.scale.unlimited() || how != errc::ok;
    if (!free && !s.reached(end, now)) return s.time_of(end);
    if (!line_.claim(*first)) {
      leave(o);
      continue;
    }
    if (paid == 0) {
      queued_ -= n;
      if (!free) move_to(s, s.noted_end(n, now));
    }
    end_with(o, how);
    woken.add(*o.link().owner);
  }
  // relaxed: nothing is published.
  word_.fetch_and(~snapshot::waiting_bit, std::memory_order_relaxed);
  return forever;
}

/// The timer may have to be set anew. One thread at a time does that.
void rate_limiter::ask_to_tend(wake_chain& left) noexcept {
  again_ = true;
  if (!tended_) left.add(tending_);
  tended_ = true;
}

// Disarming comes first: afterwards the timer is this thread's. A fire() meanwhile asks again.
void rate_limiter::tend(wake_chain& woken) noexcept {
  for (;;) {
    time_.disarm(timer_);
    const time_point now = this->now();
    {
      const std::lock_guard lock(line_);
      again_ = false;
      timer_.when = serve(now, woken);
      if (timer_.when == forever) {
        tended_ = false;
        return;
      }
    }
    const bool armed = time_.arm(timer_);
    const std::lock_guard lock(line_);
    if (armed && !again_) {
      tended_ = false;
      return;
    }
  }
}

}  // namespace pinion
