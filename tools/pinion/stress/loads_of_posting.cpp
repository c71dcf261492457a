// SPDX-License-Identifier: MIT
#include <atomic>
#include <chrono>
#include <exception>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "tools/pinion/stress/loads.hpp"

#include "pinion/platform/clock.hpp"
#include "pinion/platform/parker.hpp"
#include "pinion/sync/timer.hpp"

namespace pinion::stress {

namespace {

struct thrown_on_purpose : std::exception {
  const char* what() const noexcept override { return "thrown on purpose"; }
};

// One by one, from outside. Some throw, when asked for; some come without a wake-up.
class posting final : public load {
 public:
  using load::load;

  void round() override {
    for (int i = 0; i < 256; ++i) {
      if (around_.tasks_throw && i % 16 == 0) {
        post_one_that_throws();
        continue;
      }
      item one = next();
      shared().post(std::move(one), {.wake = i % 8 != 7});
      one.refuse();
    }
    plant();
  }

 private:
  struct throwing {
    item it;
    void operator()() {
      it();
      tally::add(tally::mine().thrown);
      throw thrown_on_purpose();
    }
  };

  void post_one_that_throws() {
    throwing one{next()};
    shared().post(std::move(one));
    one.it.refuse();
  }

  // An error of this program's own, once, to see that it is found.
  void plant() {
    if (around_.plant == "leak") leak(1024 * 1024, 25);  // 40 MiB a second
    if (around_.plant == "drip") leak(12 * 1024, 500);   // 24 KiB a second
    if (planted_) return;
    planted_ = true;
    if (around_.plant == "lost") own_.take(1);
    if (around_.plant == "duplicate") {
      const std::uint64_t n = own_.take(1);
      own_.end(n);
      item(own_, n)();
    }
    if (around_.plant == "order") tally::add(tally::mine().out_of_order);
    if (around_.plant == "stuck") {
      for (std::size_t w = 0; w < shared().workers(); ++w) {
        shared().post_to(w, [] { parker().park(); });
      }
    }
  }

  // So much at a time, however fast the rounds are.
  void leak(std::size_t bytes, int every_ms) {
    if (now() < next_leak_) return;
    leaked_.emplace_back(bytes, 'x');
    next_leak_ = now() + std::chrono::milliseconds(every_ms);
  }

  bool planted_ = false;
  time_point next_leak_;
  std::vector<std::string> leaked_;
};

// A range that gives its elements away.
struct given_away {
  std::vector<item>& items;
  auto begin() const { return std::make_move_iterator(items.begin()); }
  auto end() const { return std::make_move_iterator(items.end()); }
};

// Many at once, from outside.
class bulk final : public load {
 public:
  bulk(surroundings& s, stream& own, generator& g) : load(s, own, g) { items_.reserve(most); }

  void round() override {
    const std::uint64_t count = 1 + below(most);
    const std::uint64_t first = own_.take(count);
    for (std::uint64_t i = 0; i < count; ++i) items_.emplace_back(own_, first + i);
    shared().post_bulk(given_away{items_});
    for (item& left : items_) left.refuse();
    items_.clear();
  }

 private:
  static constexpr std::uint64_t most = 512;
  std::vector<item> items_;
};

// From inside: a task that hands in two, each of which hands in two.
class spawning final : public load {
 public:
  using load::load;

  void round() override {
    node root{item(own_, own_.take(nodes)), shared(), 0};
    shared().post(std::move(root));
    root.refuse_all();
  }

 private:
  static constexpr std::uint32_t nodes = 255;

  struct node {
    item it;
    scheduler& on;
    std::uint32_t place;

    void operator()() {
      if (it.is_here()) {
        for_each_child([this](node child) {
          on.post(std::move(child));
          child.refuse_all();
        });
      }
      it();
    }
    // What is below a node that is refused never comes to be.
    void refuse_all() {
      if (!it.is_here()) return;
      for_each_child([](node child) { child.refuse_all(); });
      it.refuse();
    }

    template <class F>
    void for_each_child(F f) {
      for (const std::uint32_t child : {2 * place + 1, 2 * place + 2}) {
        if (child < nodes) f(node{item(it.of(), it.number() - place + child), on, child});
      }
    }
  };
};

// To one worker and no other: they start there, in the order in which they were handed in.
class posting_to final : public load {
 public:
  posting_to(surroundings& s, stream& own, generator& g)
      : load(s, own, g), last_(s.shared.workers()) {}

  void round() override {
    for (int i = 0; i < 64; ++i) {
      const std::size_t worker = below(last_.size());
      aimed one{next(), this, static_cast<std::uint32_t>(worker)};
      shared().post_to(worker, std::move(one));
      one.it.refuse();
    }
  }

 private:
  struct aimed {
    item it;
    posting_to* of;
    std::uint32_t worker;

    void operator()() {
      of->check_order(worker, it.number());
      of->expect(of->shared().this_worker() == worker, "ran on another worker");
      it();
    }
  };

  void check_order(std::size_t worker, std::uint64_t number) {
    // acq_rel: the start before is over; one worker's starts follow one another.
    const std::uint64_t before = last_[worker].exchange(number + 1, std::memory_order_acq_rel);
    if (before > number) tally::add(tally::mine().out_of_order);
  }

  std::vector<std::atomic<std::uint64_t>> last_;  // by worker: the last number, and one more
};

// To start later, and a sleep of the producer in between.
class delayed final : public load {
 public:
  using load::load;

  void round() override {
    for (int i = 0; i < 64; ++i) {
      item one = next();
      one.forget_time();
      shared().post(std::move(one), {.after = std::chrono::microseconds(below(3000))});
      one.refuse();
    }
    expect(sleep(std::chrono::microseconds(300)).wait().has_value(), "a sleep failed");
  }
};

}  // namespace

std::vector<load_kind> loads_of_posting() {
  return {kind_of<posting>("post", "one by one, from outside"),
          kind_of<bulk>("bulk", "many at once"), kind_of<spawning>("spawn", "trees, from inside"),
          kind_of<posting_to>("to", "to one worker, in order"),
          kind_of<delayed>("after", "to start later")};
}

std::vector<load_kind> all_loads() {
  std::vector<load_kind> all;
  for (auto some : {loads_of_posting(), loads_of_waiting(), loads_of_own()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace pinion::stress
