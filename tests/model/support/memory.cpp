// SPDX-License-Identifier: MIT
#include "tests/model/support/memory.hpp"

#include <algorithm>
#include <functional>

namespace pinion::model {

const char* to_text(order o) noexcept {
  constexpr const char* texts[] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};
  return texts[static_cast<std::size_t>(o)];
}

// --- Views.

void view::raise(location_index l, store_index to) {
  if (l >= oldest_.size()) oldest_.resize(l + 1);
  oldest_[l] = std::max(oldest_[l], to);
}

void view::join(const view& other) {
  if (other.oldest_.size() > oldest_.size()) oldest_.resize(other.oldest_.size());
  for (std::size_t i = 0; i < other.oldest_.size(); ++i)
    oldest_[i] = std::max(oldest_[i], other.oldest_[i]);
}

void thread_memory::clear() {
  now.clear();
  unacquired.clear();
  at_release.clear();
  repeats.clear();
  read.clear();
}

// --- Atomics come and go.

void memory::clear() {
  count_ = 0;
  by_address_.clear();
  common_.clear();
}

auto memory::add(const void* address, std::uint64_t value) -> location& {
  if (++count_ == locations_.size()) locations_.emplace_back();
  location& it = locations_[count_];
  it.count = 0;
  it.address = address;
  it.destroyed = false;
  it.made_by = nobody;
  by_address_[address] = count_;
  stored& first = append(it);
  first.value = value;
  first.carried.clear();
  return it;
}

auto memory::append(location& l) -> stored& {
  if (l.count == l.history.size()) l.history.emplace_back();
  return l.history[l.count++];
}

location_index memory::create(const void* address, std::uint64_t value, const thread_memory* by,
                              thread_index who) {
  location& it = add(address, value);
  if (by != nullptr) {
    it.made_by = who;
    it.made_at = by->now.time.at[who];
  }
  return count_;
}

location_index memory::find(const void* address, std::uint64_t initial) {
  const auto found = by_address_.find(address);
  if (found != by_address_.end()) return found->second;
  add(address, initial);
  return count_;
}

void memory::destroy(const void* address) {
  const auto found = by_address_.find(address);
  if (found != by_address_.end()) locations_[found->second].destroyed = true;
}

void memory::destroy_all_in(const void* start, std::size_t bytes) {
  const auto* const end = static_cast<const char*>(start) + bytes;
  for (location_index l = 1; l <= count_; ++l) {
    const void* a = locations_[l].address;
    if (!std::less<>{}(a, start) && std::less<>{}(a, static_cast<const void*>(end)))
      locations_[l].destroyed = true;
  }
}

bool memory::any_in(const void* start, std::size_t bytes) const {
  const auto* const end = static_cast<const char*>(start) + bytes;
  for (location_index l = 1; l <= count_; ++l) {
    const void* a = locations_[l].address;
    if (!std::less<>{}(a, start) && std::less<>{}(a, static_cast<const void*>(end))) return true;
  }
  return false;
}

bool memory::is_visible(location_index l, const thread_memory& t) const noexcept {
  const location& it = locations_[l];
  return it.made_by == nobody || t.now.time.has_seen(it.made_by, it.made_at);
}

// --- Accesses.

store_index memory::oldest(location_index l, const thread_memory& t, order o) const noexcept {
  store_index s = t.now.stores.of(l);
  if (o == order::seq_cst) s = std::max(s, common_.of(l));
  const bool worn_out =
      l < t.repeats.size() && t.repeats[l].store == s && t.repeats[l].times >= stale_reads_max_;
  return worn_out && s < newest(l) ? s + 1 : s;
}

void memory::read(location_index l, store_index s, thread_memory& t, order o) {
  t.now.stores.raise(l, s);
  if (l >= t.repeats.size()) t.repeats.resize(l + 1);
  auto& repeat = t.repeats[l];
  if (s == newest(l)) {
    repeat = {};
  } else if (repeat.store == s) {
    ++repeat.times;
  } else {
    repeat = {s, 1};
  }
  const knowledge& carried = locations_[l].history[s].carried;
  (acquires(o) ? t.now : t.unacquired).join(carried);
  t.read.push_back(l);
}

void memory::write(location_index l, std::uint64_t value, thread_memory& t, thread_index who,
                   order o) {
  location& it = locations_[l];
  const store_index s = it.count;
  t.now.stores.raise(l, s);
  stored& fresh = append(it);
  fresh.value = value;
  fresh.carried = releases(o) ? t.now : t.at_release;
  fresh.carried.stores.raise(l, s);
  ++t.now.time.at[who];  // what the thread does from here on is not carried
  if (o == order::seq_cst) common_.raise(l, s);
}

void memory::replace(location_index l, std::uint64_t value, thread_memory& t, thread_index who,
                     order o) {
  const store_index before = newest(l);
  read(l, before, t, o);
  write(l, value, t, who, o);
  auto& history = locations_[l].history;
  history[before + 1].carried.join(history[before].carried);
}

void memory::fence(thread_memory& t, thread_index who, order o) {
  if (acquires(o)) t.now.join(t.unacquired);
  if (o == order::seq_cst) {
    t.now.stores.join(common_);
    common_.join(t.now.stores);
  }
  if (!releases(o)) return;
  t.at_release = t.now;
  ++t.now.time.at[who];  // as in write()
}

void memory::full_barrier(thread_memory& t, thread_index who) {
  fence(t, who, order::seq_cst);
}

// --- Spinning.

bool memory::saw_old_stores(const thread_memory& t) const noexcept {
  return std::any_of(t.read.begin(), t.read.end(),
                     [&](location_index l) { return t.now.stores.of(l) < newest(l); });
}

void memory::look_again(thread_memory& t) {
  for (const location_index l : t.read) t.now.stores.raise(l, newest(l));
  t.read.clear();
}

}  // namespace pinion::model
