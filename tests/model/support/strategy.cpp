// SPDX-License-Identifier: MIT
#include "tests/model/support/strategy.hpp"

#include <algorithm>
#include <utility>

namespace pinion::model {

namespace {

class replay final : public strategy {
 public:
  explicit replay(schedule decisions) : decisions_(std::move(decisions)) {}

  void begin(std::uint64_t, std::size_t) override { at_ = 0; }
  std::size_t pick_thread(const turn& t) override { return pick(t.candidates.size()); }
  std::size_t pick(std::size_t count) override {
    if (count <= 1 || at_ == decisions_.size()) return 0;
    return std::min<std::size_t>(decisions_[at_++], count - 1);
  }
  bool has_next() override { return false; }

 private:
  schedule decisions_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<strategy> replay_of(schedule decisions) {
  return std::make_unique<replay>(std::move(decisions));
}

std::unique_ptr<strategy> strategy_for(const options& o) {
  if (!o.replay.empty()) return replay_of(o.replay);
  switch (o.how) {
    case mode::random:
      return random_walk(o.seed);
    case mode::priorities:
      return random_priorities(o.seed, o.changes);
    case mode::depth_first:
      break;
  }
  return depth_first(o.preemptions);
}

}  // namespace pinion::model
