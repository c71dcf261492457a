// SPDX-License-Identifier: MIT
// What the tests of patterns share: schedulers that print no errors, values that are counted, and
// a gauge of how many are inside.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/schedulers.hpp"
#include "tests/support/waiting.hpp"

#include "pinion/sync/channel.hpp"

namespace pinion::test {

inline scheduler_options quiet_workers(std::size_t n) {
  scheduler_options o = with_workers(n);
  o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
  return o;
}

/// One that has no room for what comes: its worker is busy and its queue is full.
struct full_scheduler {
  explicit full_scheduler(reject when_full = reject::fail) : sched(options(when_full)) {
    (void)sched.post([this] { (void)leave.recv().wait(); });
    until([&] { return leave.waiting_to_receive() == 1; });
    (void)sched.post([] {});
  }
  ~full_scheduler() { leave.close(); }

  static scheduler_options options(reject when_full) {
    scheduler_options o = quiet_workers(1);
    o.spares = 0;
    o.queue_limit = 1;
    o.when_full = when_full;
    return o;
  }

  channel<int> leave;
  scheduler sched;
};

inline std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// Counts how many calls are under way at once, and the most there ever were.
class gauge {
 public:
  void enter() {
    const int now = inside_.fetch_add(1) + 1;
    int most = most_.load();
    while (most < now && !most_.compare_exchange_weak(most, now)) {
    }
  }
  void leave() { inside_.fetch_sub(1); }
  int most() const { return most_.load(); }

 private:
  std::atomic<int> inside_{0};
  std::atomic<int> most_{0};
};

/// A value that knows how many of its kind are alive.
class counted {
 public:
  explicit counted(int n) : n_(n) { alive.fetch_add(1); }
  counted(counted&& other) noexcept : n_(other.n_) { alive.fetch_add(1); }
  counted& operator=(counted&&) = delete;
  ~counted() { alive.fetch_sub(1); }
  int value() const { return n_; }

  static inline std::atomic<int> alive{0};

 private:
  int n_;
};

/// The same, copied too, in plain memory of its own: a sanitizer sees one that is taken before it
/// was published.
class counted_apart {
 public:
  explicit counted_apart(std::size_t n) : n_(std::make_unique<std::size_t>(n)) {
    alive.fetch_add(1);
  }
  counted_apart(counted_apart&& other) noexcept : n_(std::move(other.n_)) { alive.fetch_add(1); }
  counted_apart(const counted_apart& other) : counted_apart(other.value()) {}
  counted_apart& operator=(counted_apart&&) = delete;
  ~counted_apart() { alive.fetch_sub(1); }
  std::size_t value() const { return *n_; }

  static inline std::atomic<int> alive{0};

 private:
  std::unique_ptr<std::size_t> n_;
};

}  // namespace pinion::test
