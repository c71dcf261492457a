// SPDX-License-Identifier: MIT
// Random strategies. Every execution has its own generator, so it is the same whatever was run
// before it.
#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "tests/model/support/strategy.hpp"

namespace pinion::model {

namespace {

class random_strategy : public strategy {
 public:
  explicit random_strategy(std::uint64_t seed) : seed_(seed) {}

  void begin(std::uint64_t number, std::size_t) override {
    generator_.seed(seed_ + number * 0x9e3779b97f4a7c15);
  }
  std::size_t pick(std::size_t count) override { return generator_() % 2 == 0 ? 0 : below(count); }
  std::size_t pick_rare() override { return below(40) == 0 ? 1 : 0; }
  bool has_next() override { return true; }

 protected:
  std::size_t below(std::size_t count) { return generator_() % count; }

 private:
  std::uint64_t seed_;
  std::minstd_rand generator_;
};

class walk final : public random_strategy {
 public:
  using random_strategy::random_strategy;

  std::size_t pick_thread(const turn& t) override {
    if (t.may_go_on && below(4) != 0) return 0;
    return below(t.candidates.size());
  }
};

class priorities final : public random_strategy {
 public:
  priorities(std::uint64_t seed, unsigned changes) : random_strategy(seed), changes_(changes) {}

  void begin(std::uint64_t number, std::size_t longest) override {
    random_strategy::begin(number, longest);
    for (int& p : priority_) p = 1 + static_cast<int>(below(1000));
    lowest_ = 0;
    change_at_.clear();
    for (unsigned i = 0; i < changes_; ++i)
      change_at_.push_back(1 + below(std::max<std::size_t>(longest, 20)));
  }

  std::size_t pick_thread(const turn& t) override {
    if (t.may_go_on && std::find(change_at_.begin(), change_at_.end(), t.step) != change_at_.end())
      priority_[t.candidates[0]] = --lowest_;
    const auto best = std::max_element(t.candidates.begin(), t.candidates.end(),
                                       [&](auto a, auto b) { return priority_[a] < priority_[b]; });
    return static_cast<std::size_t>(best - t.candidates.begin());
  }

 private:
  unsigned changes_;
  std::array<int, max_threads> priority_{};
  int lowest_ = 0;
  std::vector<std::size_t> change_at_;
};

}  // namespace

std::unique_ptr<strategy> random_walk(std::uint64_t seed) {
  return std::make_unique<walk>(seed);
}

std::unique_ptr<strategy> random_priorities(std::uint64_t seed, unsigned changes) {
  return std::make_unique<priorities>(seed, changes);
}

}  // namespace pinion::model
