// SPDX-License-Identifier: MIT
// Does a history fit its specification? A history is what several threads called on one object,
// with what came out, and when each call began and ended. It is linearizable if the calls can be
// put in one order that a sequential object would have answered in the same way, and in which no
// call comes before one that had ended when it began.
//
//      A   |--push 1--|        |--pop: 1--|          good: push 1, push 2, pop 1, pop 2
//      B       |----push 2----|     |--pop: 2--|
//
// The search tries every call that may be the next and takes back what leads nowhere. It remembers
// which sets of calls with which state have led nowhere, and so ends soon for histories of some
// dozen calls. Algorithm: Wing and Gong, 1993, with Lowe's memory of states, 2017.
//
// A specification is a sequential object: it can be copied, `bool apply(const call&)` does a call
// if it could have come out like this and says whether it could, and `std::string key() const`
// tells its states apart.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <unordered_set>
#include <vector>

namespace pinion::test {

struct call {
  static constexpr std::size_t values_max = 4;

  unsigned thread = 0;
  char what = '?';  // the specification knows: '+' is a push, '-' a pop, and so on
  std::array<std::uint32_t, values_max> values{};
  std::size_t count = 0;  // of values
  std::uint64_t began = 0, ended = 0;
};

using history = std::vector<call>;

inline constexpr std::size_t history_max = 64;  // calls

inline std::string to_text(const history& calls) {
  std::ostringstream out;
  for (const call& c : calls) {
    out << "thread " << c.thread << "  [" << c.began << ", " << c.ended << "]  " << c.what;
    for (std::size_t i = 0; i < c.count; ++i) out << ' ' << c.values[i];
    out << '\n';
  }
  return out.str();
}

template <class Specification>
class linearization {
 public:
  explicit linearization(const history& calls) : calls_(calls) {}

  bool exists(const Specification& from = {}) {
    const std::size_t n = calls_.size();
    return search(n == history_max ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1, from);
  }

 private:
  // `left`: a bit for each call that has no place yet.
  bool search(std::uint64_t left, const Specification& state) {
    if (left == 0) return true;
    if (!seen_.insert(std::to_string(left) + ' ' + state.key()).second) return false;
    std::uint64_t first_end = ~std::uint64_t{0};
    for_each(left, [&](std::size_t i) {
      first_end = std::min(first_end, calls_[i].ended);
      return false;
    });
    return for_each(left, [&](std::size_t i) {
      if (calls_[i].began > first_end) return false;  // another had ended by then
      Specification next = state;
      return next.apply(calls_[i]) && search(left & ~(std::uint64_t{1} << i), next);
    });
  }

  template <class F>
  static bool for_each(std::uint64_t bits, F f) {
    for (; bits != 0; bits &= bits - 1)
      if (f(static_cast<std::size_t>(__builtin_ctzll(bits)))) return true;
    return false;
  }

  const history& calls_;
  std::unordered_set<std::string> seen_;
};

/// At most history_max calls.
template <class Specification>
bool is_linearizable(const history& calls) {
  return linearization<Specification>(calls).exists();
}

/// Writes down what one thread calls. Its clock is common to all: a call ends before another begins
/// only if it really does.
class recorder {
 public:
  recorder(std::atomic<std::uint64_t>& clock, unsigned thread) : clock_(clock), thread_(thread) {}

  void begin() { began_ = clock_.fetch_add(1); }
  void end() { ended_ = clock_.fetch_add(1); }

  /// The call between the last begin() and end(), or a part of it.
  void write(char what, const std::uint32_t* values, std::size_t count) {
    call c{thread_, what, {}, count, began_, ended_};
    std::copy_n(values, count, c.values.begin());
    calls_.push_back(c);
  }
  void write(char what) { write(what, nullptr, 0); }
  void write(char what, std::uint32_t value) { write(what, &value, 1); }

  /// What was written since the last time.
  void move_to(history& all) {
    all.insert(all.end(), calls_.begin(), calls_.end());
    calls_.clear();
  }

 private:
  std::atomic<std::uint64_t>& clock_;
  unsigned thread_;
  std::uint64_t began_ = 0, ended_ = 0;
  history calls_;
};

}  // namespace pinion::test
