// SPDX-License-Identifier: MIT
// What the queues did, against what they promise: in each round some threads make a few calls at
// once, one takes what is left, and the history of all that has to be linearizable.
//
// The rounds are short, for the search, and many. Queues that are broken on purpose show that it
// would be noticed.
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/linearizability.hpp"
#include "tests/support/queue_specs.hpp"
#include "tests/support/stress.hpp"
#include <gtest/gtest.h>

#include "pinion/lockfree/deque.hpp"
#include "pinion/lockfree/results_ring.hpp"
#include "src/lockfree/inbox.hpp"
#include "src/lockfree/injector.hpp"
#include "src/lockfree/run_queue.hpp"

namespace {

using namespace pinion::test;

constexpr unsigned threads = 3;
constexpr unsigned calls_each = 5;

using random_numbers = std::minstd_rand;

// Values of one round: no two are the same.
class values {
 public:
  void begin_round() { next_ = {}; }
  std::uint32_t next(unsigned thread) {
    return thread * injector_spec::per_producer + ++next_[thread].value;
  }

 private:
  std::array<pinion::padded<std::uint32_t>, threads> next_{};
};

// Spins, so that all leave it at the same moment; yields, where there are fewer CPUs than threads.
class meeting {
 public:
  void arrive_and_wait() {
    const std::size_t goal = (arrived_.fetch_add(1) / threads + 1) * threads;
    for (unsigned spins = 0; arrived_.load() < goal; ++spins)
      if (spins > 200) std::this_thread::yield();
  }

 private:
  std::atomic<std::size_t> arrived_{0};
};

struct outcome {
  std::size_t calls = 0;
  std::size_t at_once = 0;  // calls during which another began or ended
  std::size_t bad = 0;      // rounds
  std::string first_bad;    // history
};

// A subject has `specification`, `act(thread, recorder, values, random)`, which makes one call, and
// `take_rest(recorder)`.
template <class Subject>
outcome run_rounds(Subject& subject, std::size_t rounds) {
  std::atomic<std::uint64_t> clock{0};
  std::vector<recorder> recorders;
  for (unsigned i = 0; i < threads; ++i) recorders.emplace_back(clock, i);
  values fresh;
  outcome came_out;
  meeting step;
  run_threads(threads, [&](unsigned me) {
    auto random = generator(me);
    for (std::size_t round = 0; round < rounds; ++round) {
      step.arrive_and_wait();
      for (unsigned i = 0; i < calls_each; ++i) {
        for (auto pause = random() % 16; pause > 0; --pause) pinion::os::spin_hint();
        subject.act(me, recorders[me], fresh, random);
      }
      step.arrive_and_wait();
      if (me != 0) continue;
      subject.take_rest(recorders[0]);
      history all;
      for (recorder& r : recorders) r.move_to(all);
      came_out.calls += all.size();
      for (const call& c : all) came_out.at_once += c.ended - c.began > 1;
      if (!is_linearizable<typename Subject::specification>(all) && came_out.bad++ == 0)
        came_out.first_bad = to_text(all);
      fresh.begin_round();
    }
  });
  return came_out;
}

template <class Subject>
void expect_as_promised(Subject&& subject) {
  const outcome o = run_rounds(subject, scaled(200'000 / (threads * calls_each)));
  std::cout << "metric linearizability_calls=" << o.calls << std::endl;
  std::cout << "metric linearizability_calls_at_once=" << o.at_once << std::endl;
  std::cout << "metric linearizability_violations=" << o.bad << std::endl;
  EXPECT_EQ(o.bad, 0u) << o.first_bad;
}

// --- The queues.

class run_queue_subject {
 public:
  using specification = run_queue_spec;

  void act(unsigned thread, recorder& r, values& fresh, random_numbers& random) {
    if (thread != 0) return steal(r, 1 + random() % call::values_max);
    if (random() % 2 == 0) return push(r, fresh, 1 + random() % 3);
    pop(r);
  }
  void take_rest(recorder& r) {
    while (pop(r)) {
    }
  }

 private:
  using word = pinion::lockfree::run_queue::word;

  void push(recorder& r, values& fresh, std::size_t count) {
    std::array<std::uint32_t, 3> items{};
    std::array<word, 3> words{};
    for (std::size_t i = 0; i < count; ++i) words[i] = items[i] = fresh.next(0);
    r.begin();
    if (count == 1)
      queue_.push(words[0]);
    else
      queue_.push_many(std::span(words).first(count));
    r.end();
    r.write('+', items.data(), count);
  }
  bool pop(recorder& r) {
    word next = 0;
    r.begin();
    const word w = queue_.pop(next);
    r.end();
    if (w != 0)
      r.write('-', static_cast<std::uint32_t>(w));
    else
      r.write('0');
    return w != 0;
  }
  void steal(recorder& r, std::size_t most) {
    std::array<word, call::values_max> words{};
    r.begin();
    const std::size_t count = queue_.steal(std::span(words).first(most));
    r.end();
    std::array<std::uint32_t, call::values_max> items{};
    std::copy_n(words.begin(), count, items.begin());
    r.write(count != 0 ? 's' : '0', items.data(), count);
  }

  pinion::lockfree::run_queue queue_{2};
};

class deque_subject {
 public:
  using specification = deque_spec;

  void act(unsigned thread, recorder& r, values& fresh, random_numbers& random) {
    if (thread != 0) return steal(r, 1 + random() % call::values_max);
    if (random() % 2 == 0) return push(r, fresh.next(0));
    pop(r);
  }
  void take_rest(recorder& r) {
    while (pop(r)) {
    }
  }

 private:
  void push(recorder& r, std::uint32_t item) {
    r.begin();
    deque_.push(item);
    r.end();
    r.write('+', item);
  }
  bool pop(recorder& r) {
    std::uint64_t item = 0;
    r.begin();
    const bool some = deque_.pop(item);
    r.end();
    if (some)
      r.write('-', static_cast<std::uint32_t>(item));
    else
      r.write('0');
    return some;
  }
  // Item by item. A steal of none means nothing.
  void steal(recorder& r, std::size_t most) {
    std::array<std::uint64_t, call::values_max> items{};
    r.begin();
    const std::size_t count = deque_.steal_batch(std::span(items).first(most));
    r.end();
    for (std::size_t i = 0; i < count; ++i) r.write('s', static_cast<std::uint32_t>(items[i]));
  }

  pinion::lockfree::deque<std::uint64_t> deque_{2};
};

class results_ring_subject {
 public:
  using specification = results_ring_spec;

  void act(unsigned thread, recorder& r, values& fresh, random_numbers&) {
    if (thread == 0) return static_cast<void>(pop(r));
    auto credit = ring_.try_credit();
    if (!credit) return;
    const std::uint32_t item = fresh.next(thread);
    r.begin();
    ring_.push(std::move(*credit), item);
    r.end();
    r.write('c', item);
    r.write('p', item);
  }
  void take_rest(recorder& r) {
    while (pop(r)) {
    }
  }

 private:
  bool pop(recorder& r) {
    r.begin();
    const auto item = ring_.try_pop();
    r.end();
    if (item)
      r.write('-', *item);
    else
      r.write('0');
    return item.has_value();
  }

  pinion::results_ring<std::uint32_t> ring_{4};
};

class inbox_subject {
 public:
  using specification = inbox_spec;

  void act(unsigned thread, recorder& r, values& fresh, random_numbers&) {
    if (thread == 0) return static_cast<void>(pop(r));
    const std::uint32_t item = fresh.next(thread);
    node& n = nodes_[thread][item % injector_spec::per_producer];
    n.item = item;
    r.begin();
    inbox_.push(n);
    r.end();
    r.write('c', item);
    r.write('p', item);
  }
  void take_rest(recorder& r) {
    while (pop(r)) {
    }
  }

 private:
  struct node {
    pinion::os::atomic<node*> next{nullptr};
    std::uint32_t item = 0;
  };

  bool pop(recorder& r) {
    r.begin();
    const node* n = inbox_.pop();
    r.end();
    if (n != nullptr)
      r.write('-', n->item);
    else
      r.write('0');
    return n != nullptr;
  }

  pinion::lockfree::inbox<node> inbox_;
  std::array<std::array<node, calls_each + 1>, threads> nodes_;
};

class injector_subject {
 public:
  using specification = injector_spec;

  injector_subject() {
    for (unsigned i = 0; i < threads; ++i) {
      producers_.push_back(std::make_unique<pinion::lockfree::injector::producer>(queue_));
      consumers_.push_back(std::make_unique<pinion::lockfree::injector::consumer>(queue_));
    }
  }

  void act(unsigned thread, recorder& r, values& fresh, random_numbers& random) {
    if (random() % 2 == 0) return static_cast<void>(pop(thread, r, 1 + random() % 3));
    const std::uint32_t item = fresh.next(thread);
    r.begin();
    queue_.push(*producers_[thread], item);
    r.end();
    r.write('+', item);
  }
  // While the flag is up, there is something.
  void take_rest(recorder& r) {
    while (queue_.has_work()) pop(0, r, 3);
    EXPECT_EQ(queue_.size_approx(), 0u) << "words behind a flag that is down";
  }

 private:
  // Word by word, for they may be of several producers.
  void pop(unsigned thread, recorder& r, std::size_t most) {
    std::array<std::uintptr_t, 3> words{};
    r.begin();
    const std::size_t count = queue_.pop_many(*consumers_[thread], words.data(), most).count;
    r.end();
    for (std::size_t i = 0; i < count; ++i) r.write('-', static_cast<std::uint32_t>(words[i]));
  }

  pinion::lockfree::injector queue_;
  std::vector<std::unique_ptr<pinion::lockfree::injector::producer>> producers_;
  std::vector<std::unique_ptr<pinion::lockfree::injector::consumer>> consumers_;
};

TEST(history_stress, run_queue_as_promised) {
  expect_as_promised(run_queue_subject());
}
TEST(history_stress, deque_as_promised) {
  expect_as_promised(deque_subject());
}
TEST(history_stress, results_ring_as_promised) {
  expect_as_promised(results_ring_subject());
}
TEST(history_stress, inbox_as_promised) {
  expect_as_promised(inbox_subject());
}
TEST(history_stress, injector_as_promised) {
  expect_as_promised(injector_subject());
}

// --- Queues that are broken.

enum class flaw : std::uint8_t {
  none,
  loses,
  gives_twice,
  overtakes,
  overlooks,  // says that nothing is there
  delays,     // what is pushed can be had after the next push only
};

// A queue with a lock, right but for one call in some.
class flawed_subject {
 public:
  using specification = run_queue_spec;

  explicit flawed_subject(flaw f) : flaw_(f) {}

  void act(unsigned thread, recorder& r, values& fresh, random_numbers& random) {
    const bool is_flawed = random() % 8 == 0;
    if (random() % 2 == 0)
      push(r, fresh.next(thread), is_flawed);
    else
      pop(r, is_flawed);
  }
  void take_rest(recorder& r) {
    while (pop(r, false)) {
    }
  }

 private:
  void push(recorder& r, std::uint32_t item, bool is_flawed) {
    r.begin();
    {
      const std::lock_guard lock(mutex_);
      items_.insert(items_.end(), late_.begin(), late_.end());
      late_.clear();
      if (is_flawed && flaw_ == flaw::delays)
        late_.push_back(item);
      else if (!is_flawed || flaw_ != flaw::loses)
        items_.push_back(item);
    }
    r.end();
    r.write('+', item);
  }
  bool pop(recorder& r, bool is_flawed) {
    std::uint32_t item = 0;
    r.begin();
    {
      const std::lock_guard lock(mutex_);
      if (!items_.empty() && !(is_flawed && flaw_ == flaw::overlooks)) {
        if (is_flawed && flaw_ == flaw::overtakes) std::swap(items_.front(), items_.back());
        item = items_.front();
        if (!is_flawed || flaw_ != flaw::gives_twice) items_.pop_front();
      }
    }
    r.end();
    if (item != 0)
      r.write('-', item);
    else
      r.write('0');
    return item != 0;
  }

  const flaw flaw_;
  std::mutex mutex_;
  std::deque<std::uint32_t> items_, late_;
};

TEST(history_stress, a_queue_with_a_lock_is_accepted) {
  flawed_subject subject(flaw::none);
  const outcome o = run_rounds(subject, scaled(2'000));
  EXPECT_EQ(o.bad, 0u) << o.first_bad;
}

TEST(history_stress, every_flaw_is_noticed) {
  std::size_t noticed = 0;
  for (const flaw f :
       {flaw::loses, flaw::gives_twice, flaw::overtakes, flaw::overlooks, flaw::delays}) {
    flawed_subject subject(f);
    const outcome o = run_rounds(subject, 500);
    EXPECT_NE(o.bad, 0u) << "flaw " << static_cast<int>(f);
    noticed += o.bad != 0;
  }
  std::cout << "metric linearizability_flaws_found=" << noticed << std::endl;
}

}  // namespace
