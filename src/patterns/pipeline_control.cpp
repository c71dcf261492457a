// SPDX-License-Identifier: MIT
// Runners: how they come, share the work, and go.
#include "src/patterns/pipeline_control.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "pinion/platform/cpu.hpp"
#include "pinion/platform/parker.hpp"
#include "src/patterns/pipeline_runner.hpp"

namespace pinion::detail {

namespace {

constexpr duration look_away = pipeline_runner::look_away_least;
constexpr duration spin_at_most = std::chrono::microseconds(8);
constexpr duration doze = std::chrono::microseconds(64);
constexpr std::uint32_t looks_max = os::shrinkable(2U, 0U);  // for work, before a runner leaves

// Items that are produced faster than this are not worth the lines that one more runner moves.
constexpr std::uint64_t quick_items = 8;  // by each of the others, in `look_away`

// Once more: who has the place of another may be on its way.
constexpr std::uint32_t slow_looks = os::shrinkable(2U, 1U);

// For a moment on the core; for longer without it.
void pause_for(duration d) noexcept {
  if (d > spin_at_most) {
    parker nobody_wakes;
    (void)nobody_wakes.park_until(os::now() + d);
    return;
  }
  for (spin_budget budget(d); budget.spin();) {
  }
}

}  // namespace

pipeline_control::pipeline_control(std::vector<std::unique_ptr<pipeline_stage>> functions,
                                   std::size_t tokens, const context& parent, const context& also)
    : ctx_(with_either(parent, also)),
      status_(&ctx_.node().state->status),
      also_status_(&also.node().state->status),
      functions_(std::move(functions)),
      tokens_(functions_, tokens),
      last_(static_cast<std::uint32_t>(functions_.size() - 1)),
      mask_(std::bit_ceil(std::uint64_t{tokens}) - 1),
      in_flight_(tokens) {
  stages_.reserve(functions_.size());
  for (const auto& f : functions_) {
    const auto number = static_cast<std::uint32_t>(stages_.size());
    stages_.push_back({.how = f->how, .function = f.get()});
    if (f->how != mode::serial_in_order || number == 0) continue;
    stages_.back().places = std::make_unique<pipeline_token*[]>(mask_ + 1);
    last_in_order_ = number;
  }
  for (std::size_t i = tokens; i-- != 0;) put_back(tokens_[i]);
}

pipeline_control::counts pipeline_control::give_up_the_rest() noexcept {
  for (std::size_t i = 0; i < tokens_.count(); ++i) {
    pipeline_token& t = tokens_[i];
    if (!t.holds) continue;
    stages_[t.stage].function->destroy(tokens_.given_to(t.stage, t));
    ++counts_.abandoned;
  }
  functions_.clear();
  return counts_;
}

void pipeline_control::start() noexcept {
  posted_ = 1;
  post_one();
}

// Under the lock it was decided that one is to be posted; here it is.
void pipeline_control::post_one() noexcept {
  if (post_runner()) return;
  const guard lock(lock_);
  may_post_ = false;
}

void pipeline_control::run_posted() noexcept {
  guard lock(lock_);
  posted_ = 0;
  if (over_) return;
  ++running_;
  run(lock, true);
}

void pipeline_control::run_in_caller() noexcept {
  guard lock(lock_);
  posted_ = 0;
  if (over_ || running_ != 0) return;
  ++running_;
  run(lock, false);
}

void pipeline_control::run_waiting() noexcept {
  guard lock(lock_);
  if (over_) return;
  ++running_;
  run(lock, false);
}

void pipeline_control::give_up_posted() noexcept {
  guard lock(lock_);
  posted_ = 0;
  if (over_) return;
  ++running_;
  leave(lock);
}

void pipeline_control::run(guard& lock, bool may_pass_on) noexcept {
  pipeline_runner mine(may_pass_on, batch_size_, look_away_);
  runners_.push_back(mine);
  // One that comes to help first sees whether that is of use.
  chance next = running_ > 1 ? look(lock, mine) : chance::work;
  while (next != chance::none) {
    if (next == chance::turn_is_over && pass_on(lock, mine)) return;
    next = take(mine) ? work_off(lock, mine) : look(lock, mine);
  }
  runners_.remove(mine);
  leave(lock);
}

pipeline_control::chance pipeline_control::work_off(guard& lock, pipeline_runner& mine) noexcept {
  const std::uint32_t size = mine.batch.size;
  const bool may_be_robbed = size > 1;
  if (may_be_robbed) ++to_be_robbed_;
  const bool help = needs_help();
  if (help) posted_ = 1;
  lock.unlock();
  if (help) post_one();
  call_batch(mine.batch);
  lock.lock();
  if (may_be_robbed) --to_be_robbed_;
  const bool is_time = mine.counts(size);
  if (is_time) {
    mine.look_at_clock();
    batch_size_ = mine.batch_size();
  }
  const bool turn_is_over = is_time && mine.turn_is_over();
  const bool others_carry = running_ - (looking_ ? 1 : 0) > 1;
  const bool looks = is_time && !turn_is_over && others_carry && mine.trial_is_due();
  const bool may_go_on = !turn_is_over && !looks && size <= batch_most(mine);
  if (!may_go_on || !go_on_whole(mine)) end_batch(mine.batch);
  if (turn_is_over) return chance::turn_is_over;
  return looks ? look(lock, mine) : chance::work;
}

// With nothing left to do, nobody waits for a runner that is posted: in a full queue, that could be
// long.
void pipeline_control::leave(guard& lock) noexcept {
  const bool nothing_is_left = canceled() || (source_ended_ && in_flight_ == 0);
  const bool is_last = --running_ == 0 && (posted_ == 0 || nothing_is_left);
  if (is_last) over_ = true;
  lock.unlock();
  if (is_last) ended();
}

// The place goes to a runner that is posted, by this one or already.
bool pipeline_control::pass_on(guard& lock, pipeline_runner& mine) noexcept {
  if (!may_post_) return false;
  if (posted_ == 0) {
    posted_ = 1;
    lock.unlock();
    post_one();
    lock.lock();
    if (!may_post_ || (posted_ == 0 && running_ == 1)) return false;  // it was not taken
  }
  runners_.remove(mine);
  leave(lock);
  return true;
}

// Of those who have nothing to do, or may not be needed, one looks again and again whether there
// is something to take or somebody is stuck, as long as there are batches to be robbed, and a few
// times more, so that nobody has to be woken for the next item. The others look once.
pipeline_control::chance pipeline_control::look(guard& lock, pipeline_runner& mine) noexcept {
  const bool is_guard = !looking_;
  if (running_ == 1 || canceled() || (!is_guard && !work_is_left())) return chance::none;
  if (is_guard) looking_ = true;
  chance found = chance::none;
  std::uint32_t in_vain = 0;
  for (std::uint32_t slow = 0; in_vain <= looks_max && found == chance::none; ++slow) {
    if (running_ == 1) {  // the others have left, and none of them would ever be slow
      if (work_is_left()) found = chance::work;
      break;
    }
    remember_others(mine);
    const std::uint32_t others = running_ - 1;
    lock.unlock();
    const bool quick = look_away_from(others, mine);
    lock.lock();
    look_away_ = mine.look_away();
    if (canceled()) break;
    if (rob_the_stuck(mine)) found = chance::work;
    if (!quick && slow + 1 >= slow_looks && work_is_left()) found = chance::work;
    if (!is_guard && (quick || slow + 1 >= slow_looks)) break;
    const bool may_be_needed = work_is_left() || to_be_robbed_ != 0;
    if (!may_be_needed) ++in_vain;
    if (may_be_needed && found == chance::none && mine.turn_is_over()) found = chance::turn_is_over;
  }
  if (is_guard) looking_ = false;
  return found;
}

// True: they are quick to the end of this one's turn. What they are quick at lately is looked at
// less and less often: a look moves a line of theirs, and a spin takes from what their core has.
bool pipeline_control::look_away_from(std::uint32_t others, pipeline_runner& mine) noexcept {
  bool quick = true;
  while (quick && !mine.turn_is_over() && !canceled()) {
    const duration away = mine.look_away();
    const std::uint64_t before = progress_.load(std::memory_order_relaxed);  // relaxed: for speed
    pause_for(away);
    const std::uint64_t moved = progress_.load(std::memory_order_relaxed) - before;  // as above
    quick = moved >= quick_items * others * static_cast<std::uint64_t>(away / look_away);
    mine.looked(quick ? std::min(2 * away, doze) : look_away);
  }
  return quick;
}

void pipeline_control::remember_others(const pipeline_runner& but) noexcept {
  for (pipeline_runner* r = runners_.front(); r != nullptr; r = r->next) {
    if (r == &but) continue;
    r->seen_number = r->number;
    // relaxed: tells whether it moves, and nothing else.
    r->seen_done = r->batch.done.load(std::memory_order_relaxed);
  }
}

bool pipeline_control::rob_the_stuck(const pipeline_runner& but) noexcept {
  bool found = false;
  for (pipeline_runner* r = runners_.front(); r != nullptr && to_be_robbed_ != 0; r = r->next) {
    if (r == &but || r->batch.size < 2 || r->seen_number != r->number) continue;
    // relaxed: as in remember_others.
    if (r->seen_done == r->batch.done.load(std::memory_order_relaxed)) found |= rob(r->batch);
  }
  return found;
}

}  // namespace pinion::detail
