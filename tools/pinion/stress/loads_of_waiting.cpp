// SPDX-License-Identifier: MIT
#include <array>
#include <chrono>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "tools/pinion/stress/loads.hpp"

#include "pinion/patterns/fan_out.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/future.hpp"
#include "pinion/sync/timer.hpp"

namespace pinion::stress {

namespace {

// A task that hands in others and waits for what they give, and the producer for it.
class waiting final : public load {
 public:
  using load::load;

  void round() override {
    parent one{item(own_, own_.take(1 + children)), this};
    future<std::uint64_t> answer = shared().submit(std::move(one));
    one.refuse_all();
    const auto sum = answer.wait();
    expect(sum || sum.error() == errc::overloaded, "a future has no value");
  }

 private:
  static constexpr std::uint64_t children = 4;

  struct child {
    item it;
    std::uint64_t operator()() {
      const std::uint64_t number = it.number();
      it();
      return number;
    }
  };

  struct parent {
    item it;
    waiting* of;

    std::uint64_t operator()() {
      std::array<std::optional<future<std::uint64_t>>, children> answers;
      for (std::uint64_t k = 0; k < children; ++k) {
        child one{item(it.of(), it.number() + 1 + k)};
        answers[k] = of->shared().submit(std::move(one));
        one.it.refuse();
      }
      std::uint64_t sum = 0;
      for (std::uint64_t k = 0; k < children; ++k) {
        // Every other one under a context: then the job is not run here, and the seat is lent.
        if (k % 2 == 0) answers[k]->with(of->shared().root());
        const auto number = answers[k]->wait();
        of->expect(number && *number == it.number() + 1 + k, "a future has another's value");
        sum += number.value_or(0);
      }
      it();
      return sum;
    }
    void refuse_all() {
      if (!it.is_here()) return;
      for (std::uint64_t k = 0; k < children; ++k) item(it.of(), it.number() + 1 + k).refuse();
      it.refuse();
    }
  };
};

// A fan-out, whose results come in order or as they are ready; some are canceled half way.
class fanning final : public load {
 public:
  using load::load;

  void round() override {
    const std::uint64_t count = 1 + below(1000);
    const std::uint64_t first = own_.take(count);
    numbers_.resize(count);
    std::iota(numbers_.begin(), numbers_.end(), first);
    const std::uint64_t cancel_at = below(4) == 0 ? below(count) : count;
    const bool ordered = below(2) == 0;
    read_all(ordered, cancel_at);
    for (const std::uint64_t n : numbers_) {
      if (!own_.has_ended(n)) item(own_, n).refuse();  // never started
    }
  }

 private:
  void read_all(bool ordered, std::uint64_t cancel_at) {
    auto ctx = with_cancel(shared().root());
    const auto call = [&own = own_](std::uint64_t n) {
      item one(own, n);
      one.forget_time();
      one();
      return n;
    };
    auto all = fan_out(shared(), ctx, numbers_, call,
                       {.order = ordered ? order::as_submitted : order::as_completed});
    std::uint64_t seen = 0, last = 0;
    for (const auto& r : all) {
      own_.show_life();
      if (seen++ == cancel_at) ctx.cancel();
      if (!r) continue;
      if (ordered && *r < last) tally::add(tally::mine().out_of_order);
      last = *r;
    }
    const group_report report = all.report();
    expect(report.succeeded + report.failed + report.canceled == seen, "a result is missing");
    expect(seen + report.not_started == numbers_.size(), "a report does not add up");
  }

  std::vector<std::uint64_t> numbers_;
};

// Under contexts that end while the work is under way; some of it sleeps until then.
class canceling final : public load {
 public:
  using load::load;

  void round() override {
    const auto limit = std::chrono::microseconds(below(500));
    auto ctx = below(2) == 0 ? with_cancel(shared().root()) : with_timeout(shared().root(), limit);
    const auto below_it = with_cancel(ctx);
    for (std::uint64_t i = 0, count = 1 + below(128); i < count; ++i) {
      i % 32 == 31 ? post<sleeping>(below_it) : post<plain>(i % 2 == 0 ? below_it : ctx);
    }
    if (below(2) == 0) ctx.cancel();
    if (below(4) == 0) expect(sleep(ctx, limit).wait().has_value() || ctx.is_done(), "bad sleep");
  }

 private:
  struct plain {
    item it;
    void operator()() { it(); }
  };
  struct sleeping {
    item it;
    void operator()(const context& ctx) {
      static_cast<void>(sleep(ctx, std::chrono::milliseconds(1)).wait());
      it();
    }
  };

  template <class Task>
  void post(const context& ctx) {
    Task one{next()};
    shared().post(ctx, std::move(one));
    one.it.refuse();
  }
};

}  // namespace

std::vector<load_kind> loads_of_waiting() {
  return {kind_of<waiting>("future", "tasks that wait for others"),
          kind_of<fanning>("fan", "fan-outs, some canceled"),
          kind_of<canceling>("cancel", "contexts that end under way")};
}

}  // namespace pinion::stress
