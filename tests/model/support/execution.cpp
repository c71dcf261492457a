// SPDX-License-Identifier: MIT
#include "tests/model/support/execution.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace pinion::model {

namespace {

constinit execution* the_current = nullptr;

}  // namespace

execution::execution(const options& o, strategy& s)
    : options_(o), strategy_(s), memory_(o.stale_reads) {
  candidates_.reserve(max_threads);
}

execution* execution::current() noexcept {
  return the_current;
}

// --- From begin to end.

auto execution::run(const std::function<void()>& body, std::uint64_t number, std::size_t longest)
    -> outcome {
  start_over();
  strategy_.begin(number, longest);
  the_current = this;
  (void)start_thread(body);
  running_ = 0;
  fiber::switch_to(outside_, me().runs);
  heap::watch(false);
  running_ = nobody;
  if (failure_.empty() && !dropped_) failure_ = heap_.leaks();
  for (std::size_t i = 0; i < count_; ++i) threads_[i]->body = nullptr;
  the_current = nullptr;
  heap_.clear();
  if (strategy_.is_confused() && failure_.empty())
    failure_ = "the test is not deterministic: the same decisions led elsewhere";
  if (!failure_.empty()) return outcome::failed;
  return dropped_ ? outcome::dropped : outcome::passed;
}

void execution::start_over() {
  count_ = 0;
  running_ = nobody;
  memory_.clear();
  races_.clear();
  left_ = options_.may_fail;
  clock_ns_ = 0;
  steps_ = 0;
  idle_rounds_ = 0;
  dropped_ = false;
  failure_.clear();
  decisions_.clear();
  trace_.clear();
}

void execution::fail(std::string_view why, place at, std::string_view detail) {
  const heap::unwatched scope;
  if (failure_.empty()) {
    failure_ = why;
    failure_ += detail;
    failure_ += " [thread " + std::to_string(running_) + ", " + at.function + "]";
  }
  drop();
}

void execution::drop() {
  dropped_ = true;
  heap::watch(false);
  for (;;) fiber::switch_to(me().runs, outside_);
}

// --- Decisions.

std::size_t execution::decide(std::size_t count) {
  if (count <= 1) return 0;
  const std::size_t k = strategy_.pick(count);
  decisions_.push_back(static_cast<std::uint8_t>(k));
  return k;
}

bool execution::goes_wrong(unsigned& left) {
  if (left == 0 || decide(2) == 0) return false;
  --left;
  return true;
}

// --- Mutants.

order execution::as_changed(operation what, order how, place at) {
  const mutant& m = options_.changed;
  if (m) return !m.dropped && m.of.is(what, at) ? m.to : how;
  const auto same = [&](const site& s) { return s.is(what, at); };
  if (std::none_of(sites_.begin(), sites_.end(), same)) sites_.push_back({what, at, how});
  return how;
}

bool execution::is_dropped(operation what, place at) const noexcept {
  const mutant& m = options_.changed;
  return m.dropped && m.of.is(what, at);
}

// --- Atomics.

void execution::make(const void* address, std::uint64_t value) {
  const heap::unwatched scope;
  if (running_ == nobody)
    memory_.create(address, value, nullptr, nobody);
  else
    memory_.create(address, value, &me().memory, running_);
}

void execution::destroy(const void* address, place at) {
  const heap::unwatched scope;
  if (running_ == nobody) return;
  (void)announce(operation::destroy, address, 0, true, false, at);
  memory_.destroy(address);
}

std::uint64_t execution::load(const void* address, std::uint64_t initial, order how, place at) {
  const heap::unwatched scope;
  if (running_ == nobody) return outside_value(address, initial);
  how = as_changed(operation::load, how, at);
  const location_index l =
      announce(operation::load, address, initial, false, how == order::seq_cst, at);
  const store_index newest = memory_.newest(l);
  const store_index oldest = memory_.oldest(l, me().memory, how);
  const store_index s = newest - static_cast<store_index>(decide(newest - oldest + 1));
  memory_.read(l, s, me().memory, how);
  note(operation::load, l, memory_.value(l, s), s, how, at);
  return memory_.value(l, s);
}

// Who destroys what a dropped execution has left looks at the newest stores.
std::uint64_t execution::outside_value(const void* address, std::uint64_t initial) {
  const location_index l = memory_.find(address, initial);
  return memory_.value(l, memory_.newest(l));
}

void execution::store(const void* address, std::uint64_t initial, std::uint64_t value, order how,
                      place at) {
  const heap::unwatched scope;
  if (running_ == nobody) return;
  how = as_changed(operation::store, how, at);
  const location_index l =
      announce(operation::store, address, initial, true, how == order::seq_cst, at);
  memory_.write(l, value, me().memory, running_, how);
  note(operation::store, l, value, memory_.newest(l), how, at);
  note_write();
}

std::uint64_t execution::modify(const void* address, std::uint64_t initial, change f,
                                std::uint64_t argument, order how, place at) {
  const heap::unwatched scope;
  if (running_ == nobody) return outside_value(address, initial);
  how = as_changed(operation::read_modify_write, how, at);
  const location_index l =
      announce(operation::read_modify_write, address, initial, true, how == order::seq_cst, at);
  const std::uint64_t old = memory_.value(l, memory_.newest(l));
  memory_.replace(l, f(old, argument), me().memory, running_, how);
  note(operation::read_modify_write, l, f(old, argument), memory_.newest(l), how, at);
  note_write();
  return old;
}

// It succeeds on the newest store, or fails on any that may be read and differs.
auto execution::compare_exchange(const void* address, std::uint64_t initial, const exchange& x,
                                 place at) -> exchanged {
  const heap::unwatched scope;
  if (running_ == nobody) return {outside_value(address, initial), true};
  const order succeeds = as_changed(operation::read_modify_write, x.succeeds, at);
  const order fails = as_changed(operation::failed_exchange, x.fails, at);
  const bool total = succeeds == order::seq_cst || fails == order::seq_cst;
  const location_index l =
      announce(operation::read_modify_write, address, initial, true, total, at);
  const store_index newest = memory_.newest(l);
  std::array<store_index, 256> readable;
  std::size_t count = 0;
  readable[count++] = newest;
  for (store_index s = newest; s-- > memory_.oldest(l, me().memory, fails) && count < 256;)
    if (memory_.value(l, s) != x.expected) readable[count++] = s;
  const store_index s = readable[decide(count)];
  const std::uint64_t value = memory_.value(l, s);
  const bool fits = s == newest && value == x.expected;
  if (!fits || (x.weak && goes_wrong(left_.spurious))) {
    memory_.read(l, s, me().memory, fails);
    note(operation::failed_exchange, l, value, s, fails, at);
    return {value, false};
  }
  memory_.replace(l, x.desired, me().memory, running_, succeeds);
  note(operation::read_modify_write, l, x.desired, memory_.newest(l), succeeds, at);
  note_write();
  return {value, true};
}

void execution::fence(order how, place at) {
  const heap::unwatched scope;
  how = as_changed(operation::fence, how, at);
  if (is_dropped(operation::fence, at)) return;
  announce(operation::fence, how == order::seq_cst);
  memory_.fence(me().memory, running_, how);
  note(operation::fence, 0, 0, 0, how, at);
}

// --- Threads.

thread_index execution::start_thread(std::function<void()> body, bool may_freeze) {
  const heap::unwatched scope;
  if (count_ == max_threads) fail("more threads than a test may have", place::here());
  if (count_ == threads_.size()) threads_.push_back(std::make_unique<one_thread>());
  const thread_index index = count_++;
  one_thread& t = *threads_[index];
  t.body = std::move(body);
  t.is = state::ready;
  t.may_freeze = may_freeze;
  t.next = intents_[index] = {};
  t.memory.clear();
  t.waits_on = nullptr;
  t.waits_for = nobody;
  t.wrote_since_pause = t.saw_clock_since_pause = false;
  if (running_ != nobody) {
    t.memory.now = me().memory.now;
    ++me().memory.now.time.at[running_];
  }
  t.memory.now.time.at[index] = 1;
  t.runs.prepare([this, index] { run_thread(index); });
  return index;
}

bool execution::may_start_thread() {
  const heap::unwatched scope;
  return !goes_wrong(left_.threads);
}

void execution::run_thread(thread_index index) {
  one_thread& t = *threads_[index];
  // What was thrown is let go before the execution fails: nobody comes back to do it.
  std::array<char, 128> thrown{};
  heap::watch(true);
  try {
    t.body();
    t.body = nullptr;
    t.runs.end_thread_locals();
  } catch (const std::exception& e) {
    std::string_view(e.what()).copy(thrown.data(), thrown.size() - 1);
  } catch (...) {
    thrown[0] = '?';
  }
  if (thrown[0] != '\0') fail("an exception left a thread: ", place::here(), thrown.data());
  heap::watch(false);
  t.is = state::ended;
  t.next = intents_[index] = {.what = operation::end};
  for (std::size_t i = 0; i < count_; ++i)
    if (threads_[i]->is == state::waiting && threads_[i]->waits_for == index)
      threads_[i]->is = state::ready;
  note_write();
  yield_turn();
  drop();  // not reached: an ended thread has no turn
}

void execution::join(thread_index other) {
  const heap::unwatched scope;
  announce(operation::join);
  if (threads_[other]->is == state::frozen) threads_[other]->is = state::ready;
  if (threads_[other]->is != state::ended) {
    me().is = state::waiting;
    me().waits_for = other;
    me().deadline.reset();
    yield_turn();
    me().waits_for = nobody;
  }
  me().memory.now.join(threads_[other]->memory.now);
}

// --- Plain memory.

bool execution::may_allocate() {
  return running_ == nobody || !goes_wrong(left_.allocations);
}

void execution::release(void* block) {
  const heap::unwatched scope;
  std::size_t bytes = 0;
  switch (heap_.release(block, bytes)) {
    case heap::released::not_ours:
      std::free(block);
      return;
    case heap::released::twice:
      fail("memory is given back twice", place::here());
    case heap::released::ours:
      break;
  }
  races_.forget(block, bytes);
  if (running_ == nobody || !memory_.any_in(block, bytes)) return;
  announce(operation::destroy);
  memory_.destroy_all_in(block, bytes);
}

void execution::touch(const void* address, bool writes, place at) {
  const heap::unwatched scope;
  if (running_ == nobody) return;
  const char* const race = races_.access(address, writes, running_, me().memory.now.time);
  if (race != nullptr) fail(race, at);
}

// --- For reports.

void execution::note(operation what, location_index l, std::uint64_t value, store_index s,
                     order how, place at) {
  trace_.push_back({running_, what, l, value, s, l == 0 ? 0 : memory_.newest(l), how, at});
}

std::string execution::threads_as_text() const {
  constexpr const char* states[] = {"ready", "waiting", "spinning", "frozen", "ended"};
  std::string text;
  for (std::size_t i = 0; i < count_; ++i)
    text += "  thread " + std::to_string(i) + " is " +
            states[static_cast<std::size_t>(threads_[i]->is)] +
            ", next: " + to_text(threads_[i]->next.what) + "\n";
  return text;
}

}  // namespace pinion::model
