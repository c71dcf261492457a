// SPDX-License-Identifier: MIT
// Lines and turns: how items get from one stage to the next.
#include <utility>

#include "src/patterns/pipeline_control.hpp"
#include "src/patterns/pipeline_runner.hpp"

namespace pinion::detail {

bool pipeline_control::is_open(const stage& s) const noexcept {
  if (is_source(s)) return !s.busy && !source_ended_ && free_ != nullptr;
  if (s.how == mode::parallel) return !s.line.empty();
  if (s.busy) return false;
  return s.how == mode::serial_any_order ? !s.line.empty() : s.places[s.turn & mask_] != nullptr;
}

bool pipeline_control::work_is_left() const noexcept {
  for (const stage& s : stages_) {
    if (is_open(s)) return !canceled();
  }
  return false;
}

// Of what nobody would rob it takes no more than it can call at once: the next call may not return
// before others have gone on. A model has no time for guards, and robs whenever it may.
std::uint32_t pipeline_control::batch_most(const pipeline_runner& r) const noexcept {
  return looking_ || os::shrinkable(false, true) ? r.batch_size() : 1;
}

// What is farthest goes first: it frees tokens.
bool pipeline_control::take(pipeline_runner& r) noexcept {
  if (r.batch.size != 0) return true;  // it has gone on whole
  if (canceled()) return false;
  for (std::uint32_t s = last_ + 1; s-- != 0;) {
    if (!is_open(stages_[s])) continue;
    ++r.number;
    take_from(s, r.batch, batch_most(r));
    return true;
  }
  return false;
}

void pipeline_control::begin_batch(pipeline_batch& b, std::uint32_t stage) noexcept {
  b.stage = stage;
  b.robbed = 0;
  b.all_kept = true;
  b.done.store(0, std::memory_order_relaxed);   // relaxed: under the lock, which publishes it
  b.begun.store(0, std::memory_order_relaxed);  // relaxed: as above
}

void pipeline_control::take_from(std::uint32_t number, pipeline_batch& b,
                                 std::uint32_t most) noexcept {
  stage& s = stages_[number];
  begin_batch(b, number);
  b.size = 0;
  if (s.how != mode::parallel) s.busy = true;
  if (is_source(s)) {
    for (; free_ != nullptr && b.size < most; free_ = free_->next) {
      free_->stage = 0;
      b.tokens[b.size++] = free_;
    }
    in_flight_ += b.size;
  } else if (s.how == mode::serial_in_order) {
    while (b.size < most) {
      pipeline_token*& next = place(s, s.turn + b.size);
      if (next == nullptr || !next->holds) break;
      b.tokens[b.size++] = std::exchange(next, nullptr);
    }
  } else {
    while (b.size < most && !s.line.empty()) b.tokens[b.size++] = s.line.pop();
  }
}

// Without the lock. `done` tells who robs which of them are their own again.
void pipeline_control::call_batch(pipeline_batch& b) noexcept {
  const bool may_be_shared = b.size > 1 && stages_[b.stage].how == mode::parallel;
  for (std::uint32_t i = 0; i < b.size; ++i) {
    // relaxed: decides whose it is; that others may have it was said under the lock.
    if (may_be_shared && b.begun.fetch_add(1, std::memory_order_relaxed) >= b.size) break;
    pipeline_token& t = *b.tokens[i];
    call_one(t, b.why);
    if (t.fate != item_fate::kept) b.all_kept = false;
    const bool is_end = b.stage == 0 && t.fate != item_fate::kept;
    // release: publishes what was made of the item, which is somebody else's from here on; pairs
    // with the acquire in rob.
    b.done.store(i + 1, std::memory_order_release);
    if (is_end) break;
  }
}

// Through one stage, or through all the parallel ones that follow.
void pipeline_control::call_one(pipeline_token& t, error& why) noexcept {
  for (;;) {
    const stage& s = stages_[t.stage];
    void* const given = tokens_.given_to(t.stage, t);
    if (canceled()) {
      if (!is_source(s)) s.function->destroy(given);
      t.fate = item_fate::abandoned;
      return;
    }
    t.fate = s.function->run(ctx_, given, tokens_.made_by(t.stage, t), why);
    if (t.fate == item_fate::failed) t.fate = failed(why);
    if (t.fate != item_fate::kept || t.stage == last_) return;
    if (s.how != mode::parallel || stages_[t.stage + 1].how != mode::parallel) return;
    ++t.stage;
  }
}

void pipeline_control::end_batch(pipeline_batch& b) noexcept {
  // relaxed: written by this thread.
  const std::uint32_t done = b.done.load(std::memory_order_relaxed);
  for (std::uint32_t i = b.robbed; i < done; ++i) pass(*b.tokens[i]);
  const std::uint32_t size = std::exchange(b.size, 0);  // nothing is to be robbed of it any more
  stage& s = stages_[b.stage];
  for (std::uint32_t i = size; is_source(s) && i-- != done;) put_back(*b.tokens[i]);
  free_stage(s, done);
}

// Of a serial one: others may enter.
void pipeline_control::free_stage(stage& s, std::uint32_t done) noexcept {
  if (s.how == mode::parallel) return;
  s.busy = false;
  if (is_source(s)) {
    progress_.store(next_sequence_, std::memory_order_relaxed);  // relaxed: for speed alone
  } else if (s.how == mode::serial_in_order) {
    s.turn += done;
    let_pass(s);
  }
}

// What end_batch and take would do, where the batch would come out of them as it is: the items do
// not go through the line.
bool pipeline_control::go_on_whole(pipeline_runner& r) noexcept {
  pipeline_batch& b = r.batch;
  if (!may_go_on_whole(b)) return false;
  stage& left = stages_[b.stage];
  const std::uint32_t number = b.tokens[0]->stage + 1;
  for (std::uint32_t i = 0; i < b.size; ++i) {
    pipeline_token& t = *b.tokens[i];
    if (is_source(left)) count_from_source(t);
    t.stage = number;
  }
  if (stages_[number].how != mode::parallel) stages_[number].busy = true;
  free_stage(left, b.size);
  begin_batch(b, number);
  ++r.number;
  return true;
}

// All of it is left, in the order in which the next stage would take it, and nothing that is
// farther or there before.
bool pipeline_control::may_go_on_whole(const pipeline_batch& b) const noexcept {
  // relaxed: written by this thread.
  if (b.robbed != 0 || !b.all_kept || b.done.load(std::memory_order_relaxed) != b.size)
    return false;
  const std::uint32_t number = b.tokens[0]->stage + 1;  // of all: they have passed the same stages
  if (number > last_) return false;
  for (std::uint32_t s = last_; s > number; --s) {
    if (is_open(stages_[s])) return false;
  }
  const stage& s = stages_[number];
  if (s.how != mode::serial_in_order) return !s.busy && s.line.empty();
  // Whose turn it is, is the first of those that are in it: if it is busy, it is not this one's.
  if (b.stage == 0) return s.turn == next_sequence_;
  for (std::uint32_t i = 0; i < b.size; ++i) {
    if (b.tokens[i]->sequence != s.turn + i) return false;
  }
  return true;
}

// The runner of the batch is in a function. What it has done goes on, and of a parallel stage what
// it has not begun goes back.
bool pipeline_control::rob(pipeline_batch& b) noexcept {
  // acquire: sees what was made of the items; pairs with the release in call_batch.
  const std::uint32_t done = b.done.load(std::memory_order_acquire);
  bool found = b.robbed < done;
  for (; b.robbed < done; ++b.robbed) pass(*b.tokens[b.robbed]);
  if (stages_[b.stage].how != mode::parallel) return found;
  // relaxed: as in call_batch.
  std::uint32_t i = b.begun.exchange(pipeline_batch::most, std::memory_order_relaxed);
  for (; i < b.size; ++i, found = true) stages_[b.stage].line.push(*b.tokens[i]);
  return found;
}

// Somebody's function has had it.
void pipeline_control::pass(pipeline_token& t) noexcept {
  if (t.stage == 0) return pass_from_source(t);
  if (t.fate == item_fate::kept && t.stage != last_) {
    ++t.stage;
    return stand_in_line(t);
  }
  t.holds = false;
  if (t.fate == item_fate::kept) ++counts_.delivered;
  if (t.fate == item_fate::dropped) ++counts_.dropped;
  if (t.fate == item_fate::failed) ++counts_.failed;
  if (t.fate == item_fate::abandoned) ++counts_.abandoned;
  ++t.stage;
  move_on_empty(t);
}

void pipeline_control::pass_from_source(pipeline_token& t) noexcept {
  t.holds = t.fate == item_fate::kept;
  if (t.fate == item_fate::ended || t.fate == item_fate::failed) source_ended_ = true;
  if (t.fate == item_fate::failed) {
    ++counts_.produced;
    ++counts_.failed;
  }
  if (!t.holds) return put_back(t);
  count_from_source(t);
  ++t.stage;
  stand_in_line(t);
}

void pipeline_control::count_from_source(pipeline_token& t) noexcept {
  t.holds = true;
  t.sequence = next_sequence_++;
  ++counts_.produced;
}

void pipeline_control::stand_in_line(pipeline_token& t) noexcept {
  stage& s = stages_[t.stage];
  if (s.how == mode::serial_in_order) {
    place(s, t.sequence) = &t;
  } else {
    s.line.push(t);
  }
}

// Empty tokens whose turn it is pass, up to the first that holds something.
void pipeline_control::let_pass(stage& s) noexcept {
  for (;;) {
    pipeline_token*& next = place(s, s.turn);
    if (next == nullptr || next->holds) return;
    pipeline_token& t = *std::exchange(next, nullptr);
    ++s.turn;
    ++t.stage;
    move_on_empty(t);
  }
}

// It calls let_pass() for later stages only, so the depth is bounded by their number.
void pipeline_control::move_on_empty(pipeline_token& t) noexcept {
  for (; t.stage <= last_in_order_; ++t.stage) {
    stage& s = stages_[t.stage];
    if (s.how != mode::serial_in_order) continue;
    if (s.busy || s.turn != t.sequence) {
      place(s, t.sequence) = &t;
      return;
    }
    ++s.turn;
    let_pass(s);
  }
  put_back(t);
}

}  // namespace pinion::detail
