// SPDX-License-Identifier: MIT
#include "tools/pinion/stress/ledger.hpp"

#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace pinion::stress {

namespace {

// Leaked on purpose: threads may end after static objects do.
struct registry {
  std::mutex lock;
  std::vector<std::unique_ptr<tally>> all;
  std::vector<tally*> free;
};

registry& tallies() {
  static registry& one = *new registry;
  return one;
}

class lease {
 public:
  lease() {
    registry& r = tallies();
    const std::lock_guard lock(r.lock);
    if (r.free.empty()) {
      r.all.push_back(std::make_unique<tally>());
      r.free.reserve(r.all.size());
      mine_ = r.all.back().get();
    } else {
      mine_ = r.free.back();
      r.free.pop_back();
    }
  }
  lease(const lease&) = delete;
  lease& operator=(const lease&) = delete;
  ~lease() {
    registry& r = tallies();
    const std::lock_guard lock(r.lock);
    r.free.push_back(mine_);
  }

  tally& get() const noexcept { return *mine_; }

 private:
  tally* mine_ = nullptr;
};

}  // namespace

tally& tally::mine() noexcept {
  static thread_local lease one;
  return one.get();
}

totals tally::sum() {
  registry& r = tallies();
  const std::lock_guard lock(r.lock);
  totals t;
  // relaxed: recent values; exact ones are asked for when nothing moves.
  const auto value = [](const counter& c) { return c.load(std::memory_order_relaxed); };
  for (const auto& one : r.all) {
    t.ran += value(one->ran);
    t.given_up += value(one->given_up);
    t.refused += value(one->refused);
    t.duplicated += value(one->duplicated);
    t.out_of_order += value(one->out_of_order);
    t.thrown += value(one->thrown);
    t.latency += one->latency;
  }
  return t;
}

std::uint64_t stream::take(std::uint64_t count) {
  // relaxed: only the producer writes it.
  const std::uint64_t first = taken_.load(std::memory_order_relaxed);
  while (first + count > ended_up_to_ + window) {
    if (has_chunk_ended(ended_up_to_)) {
      ended_up_to_ += chunk;
    } else {
      if (!waits_.load(std::memory_order_relaxed)) throw no_more();  // relaxed: a hint
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  taken_.store(first + count, std::memory_order_release);  // release: for missing() at the end
  beat_.store(first + count, std::memory_order_relaxed);   // relaxed: a sign of life
  return first;
}

void stream::end(std::uint64_t number) noexcept {
  auto& word = bits_[number % window / per_word];
  const std::uint64_t bit = std::uint64_t{1} << (number % per_word);
  const bool odd = is_odd_round(number);
  // acq_rel: what the end of a number stands for is visible to the producer that goes on.
  const std::uint64_t before = odd ? word.fetch_and(~bit, std::memory_order_acq_rel)
                                   : word.fetch_or(bit, std::memory_order_acq_rel);
  if (((before & bit) != 0) != odd) tally::add(tally::mine().duplicated);
}

bool stream::has_ended(std::uint64_t number) const noexcept {
  // acquire: as in end().
  const std::uint64_t word = bits_[number % window / per_word].load(std::memory_order_acquire);
  return ((word >> (number % per_word)) & 1) == (is_odd_round(number) ? 0U : 1U);
}

bool stream::has_chunk_ended(std::uint64_t first) const noexcept {
  const std::uint64_t all = is_odd_round(first) ? 0 : ~std::uint64_t{0};
  for (std::uint64_t n = first; n < first + chunk; n += per_word) {
    // acquire: as in end().
    if (bits_[n % window / per_word].load(std::memory_order_acquire) != all) return false;
  }
  return true;
}

std::uint64_t stream::missing() const noexcept {
  std::uint64_t count = 0;
  for (std::uint64_t n = ended_up_to_; n < taken(); ++n) count += has_ended(n) ? 0 : 1;
  return count;
}

void item::operator()() noexcept {
  tally& mine = tally::mine();
  if (of_ == nullptr) return tally::add(mine.duplicated);  // run twice, or after it was moved
  if (since_ != 0) mine.latency.record(to_duration(cpu_ticks() - since_));
  tally::add(mine.ran);
  std::exchange(of_, nullptr)->end(number_);
}

void item::drop() noexcept {
  tally::add(tally::mine().given_up);
  std::exchange(of_, nullptr)->end(number_);
}

void item::refuse() noexcept {
  if (of_ == nullptr) return;
  tally::add(tally::mine().refused);
  std::exchange(of_, nullptr)->end(number_);
}

}  // namespace pinion::stress
