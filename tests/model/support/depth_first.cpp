// SPDX-License-Identifier: MIT
// Depth first: the decisions of an execution are a path in a tree; the next one differs in the last
// decision that has another way left.
#include <algorithm>
#include <vector>

#include "tests/model/support/strategy.hpp"

namespace pinion::model {

namespace {

class path {
 public:
  void begin() noexcept { at_ = 0; }

  std::size_t decide(std::size_t count) {
    if (count <= 1) return 0;
    if (at_ == taken_.size()) taken_.push_back({count, 0});
    const decision d = taken_[at_++];
    if (d.count != count) confused_ = true;
    return std::min(d.way, count - 1);
  }

  bool has_next() {
    while (!taken_.empty() && taken_.back().way + 1 >= taken_.back().count) taken_.pop_back();
    if (taken_.empty()) return false;
    ++taken_.back().way;
    return true;
  }

  // After an execution: it met other decisions than before, or ended before the last of them.
  bool is_confused() const noexcept { return confused_ || at_ < taken_.size(); }

 private:
  struct decision {
    std::size_t count;
    std::size_t way;
  };
  std::vector<decision> taken_;
  std::size_t at_ = 0;
  bool confused_ = false;
};

class bounded final : public strategy {
 public:
  explicit bounded(unsigned preemptions) : most_(preemptions) {}

  void begin(std::uint64_t, std::size_t) override {
    path_.begin();
    left_ = most_;
  }
  std::size_t pick_thread(const turn& t) override {
    if (t.may_go_on && left_ == 0) return 0;
    const std::size_t k = path_.decide(t.candidates.size());
    if (t.may_go_on && k != 0) --left_;
    return k;
  }
  std::size_t pick(std::size_t count) override { return path_.decide(count); }
  bool has_next() override { return path_.has_next(); }
  bool is_confused() const noexcept override { return path_.is_confused(); }

 private:
  unsigned most_;
  unsigned left_ = 0;
  path path_;
};

// A thread sleeps when all that follows its next operation has been gone through from here, until
// an operation that this one depends on is executed.
class with_sleep_sets final : public strategy {
 public:
  void begin(std::uint64_t, std::size_t) override {
    path_.begin();
    asleep_ = 0;
  }
  std::size_t pick_thread(const turn& t) override {
    std::size_t awake[max_threads];
    std::size_t count = 0;
    for (std::size_t i = 0; i < t.candidates.size(); ++i)
      if ((asleep_ >> t.candidates[i] & 1) == 0) awake[count++] = i;
    if (count == 0) return nothing_new;
    const std::size_t k = path_.decide(count);
    for (std::size_t i = 0; i < k; ++i) asleep_ |= bit(t.candidates[awake[i]]);
    wake_dependent(t, t.candidates[awake[k]]);
    return awake[k];
  }
  std::size_t pick(std::size_t count) override { return path_.decide(count); }
  bool has_next() override { return path_.has_next(); }
  bool is_confused() const noexcept override { return path_.is_confused(); }

 private:
  static unsigned bit(thread_index t) noexcept { return 1U << t; }

  void wake_dependent(const turn& t, thread_index running) {
    for (thread_index i = 0; i < t.intents.size(); ++i)
      if (i == running || are_dependent(t.intents[i], t.intents[running])) asleep_ &= ~bit(i);
  }

  unsigned asleep_ = 0;
  path path_;
};

}  // namespace

std::unique_ptr<strategy> depth_first(int preemptions) {
  if (preemptions == unbounded) return std::make_unique<with_sleep_sets>();
  return std::make_unique<bounded>(static_cast<unsigned>(preemptions));
}

}  // namespace pinion::model
