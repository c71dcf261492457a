// SPDX-License-Identifier: MIT
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "tools/pinion/stress/loads.hpp"

#include "pinion/platform/cpu.hpp"
#include "pinion/platform/parker.hpp"
#include "pinion/platform/thread.hpp"

namespace pinion::stress {

namespace {

scheduler_options two_workers(const char* name) {
  scheduler_options o;
  o.name = name;
  o.workers = 2;
  o.pin = pinning::none();
  o.on_unobserved_error = [](const error&, std::string_view) noexcept {};
  return o;
}

// A scheduler that is stopped while it is full of work.
class stopping final : public load {
 public:
  using load::load;

  void round() override {
    scheduler sched(two_workers("stop"));
    const std::uint64_t patience = below(2000);
    thread ender({.name = "ender"}, [&] {
      for (std::uint64_t i = 0; i < patience; ++i) cpu_pause();
      static_cast<void>(sched.stop().wait());
    });
    for (bool accepted = true; accepted;) accepted = post_one(sched);
    ender.join();
    const scheduler_stats s = sched.stats();
    expect(s.accepted == s.ran + s.not_started, "accepted is not ran + not started");
  }

 private:
  // Hands in a second one; given up, both are.
  struct pair {
    item first, second;
    scheduler& on;
    void operator()() {
      on.post(std::move(second));
      second.refuse();
      first();
    }
  };

  bool post_one(scheduler& sched) {
    const std::uint64_t kind = below(16);
    if (kind == 0) {
      const std::uint64_t n = own_.take(2);
      pair two{item(own_, n), item(own_, n + 1), sched};
      const bool accepted = sched.post(std::move(two));
      two.first.refuse();
      two.second.refuse();
      return accepted;
    }
    item one = next();
    const duration later = kind == 1 ? std::chrono::microseconds(50) : duration::zero();
    if (kind == 1) one.forget_time();
    const bool accepted = sched.post(std::move(one), {.after = later});
    one.refuse();
    return accepted;
  }
};

// One piece at a time, to workers that sleep: the next when the one before has run. Here a
// wake-up that is lost is not made good by the next.
class waking final : public load {
 public:
  waking(surroundings& s, stream& own, generator& g)
      : load(s, own, g),
        watch_(s.watched, [this] { return asked_.load(std::memory_order_acquire); }),
        sched_(options()) {}

  void round() override {
    for (int i = 0; i < 64; ++i) {
      const std::uint64_t n = own_.take(1);
      errand one{item(own_, n), this, below(4) == 0};
      asked_.store(n + 1, std::memory_order_release);
      if (around_.plant == "asleep" && n == 100) wait_before_it_is_handed_in();
      if (sched_.post(std::move(one))) done_.park();
      one.it.refuse();
    }
  }

 private:
  struct errand {
    item it;
    waking* of;
    bool once_more;  // by way of a task that hands it in

    void operator()() {
      if (once_more) {
        of->sched_.post(errand{std::move(it), of, false});
        return;
      }
      it();
      of->asked_.store(0, std::memory_order_release);
      of->done_.unpark();
    }
  };

  // To those who look, it is work that nobody woke a worker for.
  static void wait_before_it_is_handed_in() {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }

  scheduler_options options() {
    scheduler_options o = two_workers("wake");
    o.idle = idle_policy::park();
    watch_.attach(o);
    return o;
  }

  std::atomic<std::uint64_t> asked_{0};  // for what is being waited
  parker done_;
  watch watch_;
  scheduler sched_;
};

}  // namespace

std::vector<load_kind> loads_of_own() {
  return {kind_of<stopping>("stop", "schedulers stopped under load"),
          kind_of<waking>("wake", "one at a time, to sleeping workers")};
}

}  // namespace pinion::stress
