// SPDX-License-Identifier: MIT
#include "src/sync/timer_wheel.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace pinion::detail {

namespace {

timer_node& node_of(timer_links& l) noexcept {
  return static_cast<timer_node&>(l);
}
const timer_node& node_of(const timer_links& l) noexcept {
  return static_cast<const timer_node&>(l);
}

bool is_before(const timer_links& a, const timer_links& b) noexcept {
  return node_of(a).when < node_of(b).when;
}

void link_after(timer_links& place, timer_links& fresh) noexcept {
  fresh.previous = &place;
  fresh.next = place.next;
  place.next->previous = &fresh;
  place.next = &fresh;
}

// The lists here end in null and use `next` alone. Of equals, those of `a` come first.
timer_links* merge(timer_links* a, timer_links* b) noexcept {
  timer_links head;
  timer_links* last = &head;
  while (a != nullptr && b != nullptr) {
    timer_links*& smaller = is_before(*b, *a) ? b : a;
    last->next = smaller;
    last = smaller;
    smaller = smaller->next;
  }
  last->next = a != nullptr ? a : b;
  return head.next;
}

// Merge sort from below: run k holds 2^k timers or none, higher runs were armed earlier.
timer_links* stable_sort(timer_links* list) noexcept {
  timer_links* runs[40] = {};
  while (list != nullptr) {
    timer_links* carry = list;
    list = std::exchange(list->next, nullptr);
    timer_links** run = runs;
    while (*run != nullptr) carry = merge(std::exchange(*run++, nullptr), carry);
    *run = carry;
  }
  timer_links* all = nullptr;
  for (timer_links* run : runs) all = merge(run, all);
  return all;
}

void sort_circle(timer_links& head) noexcept {
  bool sorted = true;
  for (timer_links* l = head.next; l->next != &head; l = l->next) {
    sorted = sorted && !is_before(*l->next, *l);
  }
  if (sorted) return;
  head.previous->next = nullptr;
  timer_links* l = stable_sort(head.next);
  head.next = head.previous = &head;
  while (l != nullptr) {
    timer_links* next = l->next;
    link_after(*head.previous, *l);
    l = next;
  }
}

}  // namespace

timer_wheel::timer_wheel(time_point now) noexcept : tick_(tick_of(now)) {
  for (slot& s : slots_) s.next = s.previous = &s;
}

std::uint64_t timer_wheel::tick_of(time_point t) noexcept {
  const std::int64_t ns = t.time_since_epoch().count();
  return ns <= 0 ? 0 : static_cast<std::uint64_t>(ns) >> tick_bits;
}

std::size_t timer_wheel::index_of(std::uint64_t tick) const noexcept {
  if (tick <= tick_) return due_index;
  const auto highest = static_cast<unsigned>(std::bit_width(tick ^ tick_)) - 1;
  const unsigned level = highest / level_bits;
  if (level >= level_count) return far_index;
  return level * level_size + ((tick >> (level * level_bits)) & (level_size - 1));
}

// All digits above the slot's level are the wheel's own, all below are zero. Of the far
// ones: the first tick of the window in which the earliest of them lies.
std::uint64_t timer_wheel::first_tick(std::size_t index) const noexcept {
  if (index == far_index) {
    constexpr unsigned window_bits = level_bits * level_count;
    return tick_of(slots_[far_index].earliest) >> window_bits << window_bits;
  }
  const auto low_bits = static_cast<unsigned>(index / level_size * level_bits);
  const std::uint64_t above = tick_ >> low_bits & ~std::uint64_t{level_size - 1};
  return (above | (index % level_size)) << low_bits;
}

const timer_wheel::slot* timer_wheel::first_occupied() const noexcept {
  if ((occupied_[level_count] & 1) != 0) return &slots_[due_index];
  for (std::size_t level = 0; level < level_count; ++level) {
    if (occupied_[level] == 0) continue;
    return &slots_[level * level_size + static_cast<unsigned>(std::countr_zero(occupied_[level]))];
  }
  return occupied_[level_count] != 0 ? &slots_[far_index] : nullptr;
}

void timer_wheel::append(timer_node& node, std::size_t index) noexcept {
  slot& s = slots_[index];
  s.earliest = s.next == &s ? node.when : std::min(s.earliest, node.when);
  link_after(*s.previous, node);
  occupied_[index / level_size] |= std::uint64_t{1} << (index % level_size);
}

void timer_wheel::insert_sorted(timer_node& node) noexcept {
  slot& due = slots_[due_index];
  timer_links* place = due.previous;
  while (place != &due && is_before(node, *place)) place = place->previous;
  link_after(*place, node);
  occupied_[level_count] |= 1;
}

void timer_wheel::arm(timer_node& node) noexcept {
  const std::size_t index = index_of(tick_of(node.when));
  if (index == due_index) {
    insert_sorted(node);
  } else {
    append(node, index);
  }
}

void timer_wheel::unlink(timer_node& node) noexcept {
  timer_links* before = std::exchange(node.previous, nullptr);
  timer_links* after = std::exchange(node.next, nullptr);
  before->next = after;
  after->previous = before;
  if (before != after) return;
  // Only the head of the list is left.
  const auto index = static_cast<std::size_t>(static_cast<slot*>(before) - slots_);
  occupied_[index / level_size] &= ~(std::uint64_t{1} << (index % level_size));
}

bool timer_wheel::disarm(timer_node& node) noexcept {
  if (node.next == nullptr) return false;
  unlink(node);
  return true;
}

// Nothing is due, so the wheel's time may move.
void timer_wheel::turn(std::size_t index) noexcept {
  tick_ = first_tick(index);
  slot& s = slots_[index];
  timer_links* l = s.next;
  s.previous->next = nullptr;
  s.next = s.previous = &s;
  occupied_[index / level_size] &= ~(std::uint64_t{1} << (index % level_size));
  while (l != nullptr) {
    timer_node& node = node_of(*std::exchange(l, l->next));
    append(node, index_of(tick_of(node.when)));
  }
  slot& due = slots_[due_index];
  if (due.next != &due) sort_circle(due);
}

timer_node* timer_wheel::pop_due(time_point now) noexcept {
  const std::uint64_t now_tick = tick_of(now);
  for (;;) {
    const slot* first = first_occupied();
    if (first == &slots_[due_index]) {
      timer_node& node = node_of(*first->next);
      if (node.when > now) return nullptr;
      unlink(node);
      return &node;
    }
    const auto index = static_cast<std::size_t>(first != nullptr ? first - slots_ : 0);
    if (first == nullptr || first_tick(index) > now_tick) {
      tick_ = std::max(tick_, now_tick);
      return nullptr;
    }
    turn(index);
  }
}

time_point timer_wheel::next_expiry() const noexcept {
  const slot* first = first_occupied();
  if (first == nullptr) return forever;
  return first == &slots_[due_index] ? node_of(*first->next).when : first->earliest;
}

time_point timer_wheel::earliest() const noexcept {
  const slot* first = first_occupied();
  if (first == nullptr) return forever;
  const timer_links* best = first->next;
  if (first == &slots_[due_index]) return node_of(*best).when;  // sorted
  for (const timer_links* l = best->next; l != first; l = l->next) {
    if (is_before(*l, *best)) best = l;
  }
  return node_of(*best).when;
}

}  // namespace pinion::detail
