// SPDX-License-Identifier: MIT
// Sources, stages, fan-ins and broadcasts that end in every way at once: each value ends somewhere,
// once, and no task is left behind.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/support/patterns.hpp"
#include "tests/support/stress.hpp"
#include "tests/support/waiting.hpp"
#include <gtest/gtest.h>

#include "pinion/patterns/broadcast.hpp"
#include "pinion/patterns/channel_stage.hpp"
#include "pinion/patterns/fan_in.hpp"

namespace {

using namespace pinion;
using namespace pinion::test;

/// Kept by the functions that tasks and channels have: when no copy is left, they have ended.
class presence {
 public:
  explicit presence(std::atomic<int>& of) : of_(&of) { of_->fetch_add(1); }
  presence(const presence& other) : presence(*other.of_) {}
  presence& operator=(const presence&) = delete;
  ~presence() { of_->fetch_sub(1); }

 private:
  std::atomic<int>* of_;
};

class outlet_stress : public stress {};

INSTANTIATE_TEST_SUITE_P(outlet, outlet_stress, shapes(), name);

constexpr std::size_t values_max = 1000;

/// Some sources, each with some stages behind it, and all of them in one.
class network {
 public:
  template <class Random>
  network(scheduler& on, const context& ctx, Random& random) : sched_(on), ctx_(ctx) {
    std::vector<receiver<counted_apart>> inputs;
    const std::size_t sources = 1 + random() % 4;
    for (std::size_t i = 0; i < sources; ++i) {
      auto from = source(random() % 200, random() % 8 == 0, random() % 10);
      for (std::size_t s = random() % 3; s > 0; --s)
        from = stage(std::move(from), random() % 1500, 1 + random() % 3, random() % 10);
      inputs.push_back(std::move(from));
    }
    end = fan_in(sched_, ctx_, std::move(inputs), options(random() % 10));
  }

  void took(std::size_t n) { seen_.take(n); }

  /// When all of it has ended.
  void expect_each_once() {
    { const auto gone = std::move(end); }
    until([&] { return present_.load() == 0; });
    for (std::size_t n = made_.load(); n < values_max; ++n) seen_.take(n);
    seen_.expect_each_once();
  }

  receiver<counted_apart> end = channel<counted_apart>();

 private:
  receiver<counted_apart> source(std::size_t count, bool fails, std::size_t capacity) {
    return channel_source(
        sched_, ctx_,
        [this, count, fails, here = presence(present_),
         n = std::size_t{0}]() mutable -> result<std::optional<counted_apart>> {
          if (n++ < count) return std::optional<counted_apart>(counted_apart(made_.fetch_add(1)));
          if (fails) return errc::overloaded;
          return std::optional<counted_apart>();
        },
        options(capacity));
  }

  receiver<counted_apart> stage(receiver<counted_apart> from, std::size_t torn_at,
                                std::size_t concurrency, std::size_t capacity) {
    const auto pass = [this, torn_at, here = presence(present_)](counted_apart c) {
      const std::size_t n = c.value();
      const bool is_dropped = n % 17 == 3;
      if (is_dropped || n == torn_at) took(n);
      if (n == torn_at) throw std::runtime_error("torn");
      return is_dropped ? std::nullopt : std::optional<counted_apart>(std::move(c));
    };
    return channel_stage(sched_, ctx_, std::move(from), pass,
                         {.concurrency = concurrency, .out = options(capacity)});
  }

  channel_options<counted_apart> options(std::size_t capacity) {
    return {.capacity = capacity,
            .on_undelivered = [this, here = presence(present_)](counted_apart&& c) {
              took(c.value());
            }};
  }

  scheduler& sched_;
  const context& ctx_;
  std::atomic<int> present_{0};
  std::atomic<std::size_t> made_{0};
  tally seen_{values_max};
};

// Goal: each value that was made is received, dropped, thrown away with an error, or undelivered.
// Method: sources that end and fail, stages that drop and throw, a reader that reads to the end,
// cancels or leaves; then all of it must go by itself.
// Finds: a value in hand that is not given up; a stage whose other tasks are not told of an error.
TEST_P(outlet_stress, every_value_ends_somewhere) {
  scheduler sched(quiet_workers(threads()));
  auto random = generator(0);
  for (std::size_t round = scaled(300); round > 0; --round) {
    {
      auto ctx = with_cancel(sched.root());
      network all(sched, ctx, random);
      const std::size_t cancel_at = random() % 600;
      const std::size_t leave_at = random() % 600;
      for (std::size_t n = 0; n < leave_at; ++n) {
        if (n == cancel_at) ctx.cancel();
        const auto r = all.end.recv().wait();
        if (!r) break;
        all.took(r->value());
      }
      all.expect_each_once();
    }
    ASSERT_EQ(counted_apart::alive.load(), 0);
    if (HasFailure()) return;
  }
}

constexpr std::size_t numbers_max = 100;

receiver<counted_apart> numbers(scheduler& on, const context& ctx, presence here) {
  return channel_source(on, ctx, [here, n = std::size_t{0}]() mutable {
    return n < numbers_max ? std::optional<counted_apart>(counted_apart(n++)) : std::nullopt;
  });
}

/// Reads the numbers from 0 on, without a gap, until the end or so many.
task<std::size_t> read_some(receiver<counted_apart> from, std::size_t most) {
  std::size_t n = 0;
  while (n < most) {
    auto receiving = from.recv();
    const auto r = co_await receiving;
    if (!r) break;
    EXPECT_EQ(r->value(), n);
    ++n;
  }
  co_return n;
}

// Goal: each reader sees every value, in order, until it leaves; the others do not notice.
// Method: readers that leave at any moment, some of them at once; sometimes a cancel.
// Finds: an output that is taken out in place of another one; a send that stays when its output
// goes.
TEST_P(outlet_stress, each_reader_of_a_broadcast_sees_all_of_it) {
  scheduler sched(quiet_workers(threads()));
  auto random = generator(1);
  for (std::size_t round = scaled(400); round > 0; --round) {
    std::atomic<int> present{0};
    auto ctx = with_cancel(sched.root());
    const bool cancels = random() % 4 == 0;
    auto outputs = broadcast(sched, ctx, numbers(sched, ctx, presence(present)), random() % 5,
                             {.capacity = random() % 4});
    std::vector<std::size_t> most;
    std::vector<future<std::size_t>> readers;
    for (auto& from : outputs) {
      most.push_back(random() % 3 == 0 ? random() % numbers_max : numbers_max + 1);
      readers.push_back(sched.submit(read_some(std::move(from), most.back())));
    }
    outputs.clear();
    if (cancels) ctx.cancel();
    for (std::size_t i = 0; i < readers.size(); ++i) {
      const std::size_t got = readers[i].wait().value();
      if (!cancels) {
        EXPECT_EQ(got, std::min(most[i], numbers_max));
      }
    }
    until([&] { return present.load() == 0 && counted_apart::alive.load() == 0; });
    if (HasFailure()) return;
  }
}

}  // namespace
