// SPDX-License-Identifier: MIT
// What the queues promise, as sequential objects: neither more nor less than their headers say.
//
//      +  push            -  pop or steal that took something        0  pop that found nothing
//      c  claim a place   p  publish what is in it: the two halves of a push that others can tell
//                            apart, because what comes behind an unpublished place is hidden
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "tests/support/linearizability.hpp"

namespace pinion::test {

class items_in_order {
 public:
  std::string key() const {
    std::string text;
    for (const std::uint32_t i : items) (text += std::to_string(i)) += ',';
    return text;
  }
  bool take_oldest(const call& c) {
    if (c.count > items.size() ||
        !std::equal(c.values.begin(), c.values.begin() + c.count, items.begin()))
      return false;
    items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(c.count));
    return true;
  }
  void add(const call& c) {
    items.insert(items.end(), c.values.begin(), c.values.begin() + c.count);
  }

  std::deque<std::uint32_t> items;
};

/// The run queue: the oldest first, for all. Its pop finds nothing only when nothing is there; so
/// does its steal ('s'), which takes up to half, rounded up, in one step.
class run_queue_spec : public items_in_order {
 public:
  bool apply(const call& c) {
    switch (c.what) {
      case '+':
        add(c);
        return true;
      case '-':
        return take_oldest(c);
      case 's':
        return c.count <= (items.size() + 1) / 2 && take_oldest(c);
      default:
        return items.empty();
    }
  }
};

/// The deque: newest first for its owner, oldest first for thieves ('s'), item by item. The owner
/// finds nothing only when nothing is there. A steal that takes nothing means nothing.
class deque_spec : public items_in_order {
 public:
  bool apply(const call& c) {
    switch (c.what) {
      case '+':
        add(c);
        return true;
      case '-':
        if (items.empty() || items.back() != c.values[0]) return false;
        items.pop_back();
        return true;
      case 's':
        return take_oldest(c);
      default:
        return items.empty();
    }
  }
};

/// What has places: the results ring and the inbox. A pop gives the oldest if it is published, and
/// finds nothing if that is not so.
class places_spec : public items_in_order {
 public:
  std::string key() const {
    std::string text = items_in_order::key();
    for (const std::uint32_t i : published) (text += ' ') += std::to_string(i);
    return text;
  }
  bool apply(const call& c) {
    const std::uint32_t value = c.values[0];
    switch (c.what) {
      case 'c':
        add(c);
        return true;
      case 'p':
        return std::count(items.begin(), items.end(), value) != 0 && published.insert(value).second;
      case '-':
        return published.erase(value) != 0 && take_oldest(c);
      default:
        return finds_nothing();
    }
  }

 protected:
  virtual bool finds_nothing() const { return items.empty() || !published.contains(items.front()); }
  ~places_spec() = default;
  places_spec() = default;
  places_spec(const places_spec&) = default;
  places_spec& operator=(const places_spec&) = default;

  std::set<std::uint32_t> published;
};

class results_ring_spec final : public places_spec {};

/// The inbox is linked backwards: a gap anywhere may hide what is behind it, and the one before it.
class inbox_spec final : public places_spec {
  bool finds_nothing() const override { return published.size() < items.size() || items.empty(); }
};

/// The injector: the words of one producer in their order, and no order between producers. A pop
/// that finds nothing means nothing. A word tells its producer: it is `producer * 1000 + n`.
class injector_spec {
 public:
  static constexpr std::uint32_t per_producer = 1000;

  bool apply(const call& c) {
    for (std::size_t i = 0; i < c.count; ++i) {
      std::deque<std::uint32_t>& words = words_[c.values[i] / per_producer];
      if (c.what == '+') {
        words.push_back(c.values[i]);
      } else {
        if (words.empty() || words.front() != c.values[i]) return false;
        words.pop_front();
      }
    }
    return true;
  }
  std::string key() const {
    std::string text;
    for (const auto& [producer, words] : words_) {
      for (const std::uint32_t w : words) (text += std::to_string(w)) += ',';
      text += ';';
    }
    return text;
  }

 private:
  std::map<std::uint32_t, std::deque<std::uint32_t>> words_;
};

}  // namespace pinion::test
