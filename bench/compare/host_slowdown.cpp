// SPDX-License-Identifier: MIT
// How much slower does a thread of the application become because a pool is there? The thread does
// a fixed piece of computing, and hands over an empty task about every 200 microseconds, so that
// the workers are neither busy nor long asleep. Decides the idle policy and its spin budget.
//
// The same computing without a pool is timed before and after, and `slowdown` is the ratio: 1 is
// a pool that nobody notices, 2 is one that takes half the core.
#include <array>

#include "bench/compare/works.hpp"
#include "bench/support/completion.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::bench {
namespace {

// About 200 microseconds of integer work on data that fits the first-level cache.
class application {
 public:
  void compute() noexcept {
    for (int round = 0; round < rounds; ++round) {
      for (std::uint64_t& word : data_) {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        word += state_;
      }
    }
  }

  std::uint64_t result() const noexcept { return data_.front(); }

 private:
  static constexpr int rounds = 100;
  std::array<std::uint64_t, 1024> data_{};
  std::uint64_t state_ = 0x9E3779B97F4A7C15;
};

template <class AfterEach>
duration run(application& app, std::size_t pieces, AfterEach after_each) {
  const time_point start = os::now();
  for (std::size_t i = 0; i < pieces; ++i) {
    app.compute();
    after_each();
  }
  return os::now() - start;
}

template <pool Pool>
measurement host_slowdown(const pool_shape& shape) {
  application app;
  const std::size_t pieces = scaled(2000, 100);
  const auto alone = [&] { return run(app, pieces / 2, [] {}); };
  completion_counter ran;

  duration without = alone();
  duration with{};
  {
    Pool pool(shape);
    auto way_in = pool.outside();
    with = run(app, pieces, [&] { way_in.post([&ran] { ran.add(); }); });
    way_in.finish();
    ran.wait_for(pieces);
  }
  without += alone();
  measurement m{with, static_cast<double>(pieces)};
  m.with("slowdown", static_cast<double>(with.count()) / static_cast<double>(without.count()));
  return m.with("checksum", static_cast<double>(app.result() % 1024));
}

template <pool Pool>
void add(idling workers_idle, const std::string& suffix) {
  const pool_shape shape{usual_workers(), {}, workers_idle};
  add_benchmark(name_of<Pool>("host_slowdown", shape, suffix),
                [shape] { return host_slowdown<Pool>(shape); });
}

}  // namespace

void add_host_slowdown() {
  for_each_library(libraries{}, []<pool Pool>() {
    if (!Pool::can_choose_idling) {
      add<Pool>(idling::usual, "");
      return;
    }
    add<Pool>(idling::spin, "/idle:spin");
    add<Pool>(idling::adaptive, "/idle:adaptive");
    add<Pool>(idling::park, "/idle:park");
  });
}

}  // namespace pinion::bench
