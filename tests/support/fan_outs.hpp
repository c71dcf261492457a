// SPDX-License-Identifier: MIT
// What the tests of the fan-out share: the shapes they run in, and ranges of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include "tests/support/patterns.hpp"
#include <gtest/gtest.h>

#include "pinion/patterns/fan_out.hpp"

namespace pinion::test {

inline std::uint64_t total(const group_report& r) {
  return r.succeeded + r.failed + r.canceled + r.not_started;
}

/// A range that gives its elements once, and may wait or throw on the way.
template <class F>
class numbers_from {
 public:
  numbers_from(int count, F next) : left_(count), next_(std::move(next)) {}

  class iterator {
   public:
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    explicit iterator(numbers_from& of) : of_(&of) { of_->now_ = of_->next_(); }
    int operator*() const { return of_->now_; }
    iterator& operator++() {
      if (--of_->left_ > 0) of_->now_ = of_->next_();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return of_->left_ == 0; }

   private:
    numbers_from* of_;
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  int left_;
  int now_ = 0;
  F next_;
};

struct shape {
  std::size_t workers;
  order how;
};

class fan_out_shapes : public testing::TestWithParam<shape> {
 protected:
  fan_options options(std::size_t concurrency = 0, std::size_t buffer = 0) const {
    return {.concurrency = concurrency, .buffer = buffer, .order = GetParam().how};
  }
  scheduler sched{quiet_workers(GetParam().workers)};
};

inline auto fan_out_values() {
  return testing::Values(shape{1, order::as_completed}, shape{1, order::as_submitted},
                         shape{2, order::as_completed}, shape{2, order::as_submitted},
                         shape{8, order::as_completed}, shape{8, order::as_submitted});
}

inline std::string name_of(const testing::TestParamInfo<shape>& which) {
  return std::string(which.param.how == order::as_completed ? "completed" : "submitted") + "_" +
         std::to_string(which.param.workers);
}

}  // namespace pinion::test
