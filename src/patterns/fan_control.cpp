// SPDX-License-Identifier: MIT
#include "pinion/patterns/fan_control.hpp"

#include <algorithm>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>

namespace pinion::detail {

namespace {

constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();

std::uint32_t checked(std::size_t value, std::size_t limit, const char* option) {
  if (value <= limit) return static_cast<std::uint32_t>(value);
  throw std::invalid_argument("fan_options::" + std::string(option) + " is " +
                              std::to_string(value) + ", must be " + std::to_string(limit) +
                              " at most");
}

// Without a buffer of its own it has one of twice as many.
std::uint32_t concurrency_for(const fan_options& o, const scheduler& on) {
  const std::size_t wanted = o.concurrency != 0 ? o.concurrency : on.workers();
  return checked(wanted, o.buffer != 0 ? most : most / 2, "concurrency");
}

std::uint32_t buffer_for(const fan_options& o, std::uint32_t concurrency) {
  constexpr std::uint32_t usual_min = 64;  // as completed, for calls that take no time
  if (o.buffer != 0) return std::max(checked(o.buffer, most, "buffer"), concurrency);
  return o.order == order::as_completed ? std::max(2 * concurrency, usual_min) : 2 * concurrency;
}

}  // namespace

fan_control::fan_control(scheduler& on, const context& parent, const fan_options& options)
    : scheduler_(on),
      root_(on.root()),
      concurrency_(concurrency_for(options, on)),
      buffer_(buffer_for(options, concurrency_)),
      in_order_(options.order == order::as_submitted),
      cancel_siblings_(options.policy == on_error::cancel_siblings),
      ctx_(with_either(parent, root_)) {}

// No more than a share of what is there, so that a runner in a long call keeps nobody else from
// starting.
std::uint32_t fan_control::take_credits(std::uint32_t want) noexcept {
  std::uint64_t before = word_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  for (;;) {
    const std::uint32_t credits = credits_in(before);
    const std::uint64_t share = credits / (std::uint64_t{2} * concurrency_);
    const auto taken = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(share, 1, want));
    const std::uint64_t after = credits != 0 ? before - taken : before - one_runner;
    // acq_rel: sees the slots of these credits emptied; a runner that leaves has done all it does.
    if (word_.compare_exchange_weak(before, after, std::memory_order_acq_rel,
                                    std::memory_order_relaxed)) {  // relaxed: tries again
      return credits != 0 ? taken : 0;
    }
  }
}

void fan_control::leave(std::uint32_t credits, bool given_up) noexcept {
  const bool nothing_left = given_up || over();
  std::uint64_t before = word_.load(std::memory_order_relaxed);  // relaxed: the CAS decides
  std::uint64_t after = 0;
  do {
    after = before + credits - one_runner;
    if (nothing_left && runners_in(after) == 0) after |= closed;
    // acq_rel: the last one sees what the others did, and all that comes before end().
  } while (!word_.compare_exchange_weak(before, after, std::memory_order_acq_rel,
                                        std::memory_order_relaxed));  // relaxed: tries again
  if ((after & closed) != 0) end();                                   // otherwise *this may be gone
}

void fan_control::give_back(std::uint32_t credits, bool caught_up) {
  // acq_rel: the slots are empty; sees what those did who have left.
  std::uint64_t now = word_.fetch_add(credits, std::memory_order_acq_rel) + credits;
  if (!caught_up && credits_in(now) < buffer_ / 2) return;
  // As many as there is something to do for; those that were started first may take it meanwhile.
  std::uint64_t starts = std::min<std::uint64_t>(credits_in(now), inputs_left());
  while (starts != 0 && credits_in(now) != 0 && runners_in(now) < concurrency_) {
    if ((now & closed) != 0 || over()) break;
    // acq_rel: as above. acquire: as above, and decides anew.
    if (!word_.compare_exchange_strong(now, now + one_runner, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    if (!start_runner()) break;
    --starts;
    now = word_.load(std::memory_order_acquire);  // acquire: as above
  }
  now = word_.load(std::memory_order_acquire);  // acquire: as above
  while ((now & closed) == 0 && runners_in(now) == 0 && over()) {
    // acq_rel, acquire: as above.
    if (word_.compare_exchange_strong(now, now | closed, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
      return end();
    }
  }
}

// What the scheduler does not take leaves again as the runner's end of scope.
bool fan_control::start_runner() noexcept {
  fan_runner runner(*this);
  return post(runner);
}

bool fan_control::pass_on() noexcept {
  if (!scheduler_.this_worker()) return false;
  fan_runner runner(*this);
  if (post(runner)) return true;
  runner.forget();  // it was not taken: this one goes on itself
  return false;
}

bool fan_control::post(fan_runner& runner) noexcept {
  try {
    return scheduler_.post(ctx_, std::move(runner), {.name = "fan_out"});
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// Under the lock, so that the reader, which takes the lock once before *this goes, finds nobody
// in here any more.
void fan_control::end() noexcept {
  wake_chain woken;
  const std::lock_guard lock(waiting);
  // relaxed: whoever took a ticket has left, and the word says so.
  const std::uint64_t behind =
      in_order_ ? inputs_claimed() : next_ticket_.load(std::memory_order_relaxed);
  // acq_rel: the meeting with the reader, as in R4.
  const fan_slot before = state_at(behind).exchange(fan_slot::ended, std::memory_order_acq_rel);
  if (before == fan_slot::awaited) waiting.claim_all(woken);
}

// The reader may have given up its wait meanwhile, and may wait for another slot already.
void fan_control::wake_reader(std::uint64_t position) noexcept {
  wake_chain woken;
  const std::lock_guard lock(waiting);
  if (awaited_ == position) waiting.claim_all(woken);
}

fan_slot fan_control::kind_of(const error& e) noexcept {
  if (canceled() && (e.is_cancel() || e.is_timeout())) return fan_slot::canceled;
  if (cancel_siblings_) ctx_.cancel(e);
  return fan_slot::failed;
}

}  // namespace pinion::detail
