// SPDX-License-Identifier: MIT
// What the body of a model test is written with, beside the library itself.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "tests/model/support/check.hpp"
#include "tests/model/support/execution.hpp"
#include "tests/model/support/mutation.hpp"
#include "tests/model/support/place.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::model {

/// A thread of the test. What it does must end by itself. Of all threads those may freeze.
class thread {
 public:
  explicit thread(std::function<void()> runs)
      : index_(execution::current()->start_thread(std::move(runs), true)) {}
  thread(thread&&) = default;
  void join() { execution::current()->join(index_); }

 private:
  thread_index index_;
};

/// What must hold. Ends the execution otherwise.
inline void require(bool holds, const char* what, place at = place::here()) {
  if (!holds) execution::current()->fail(what, at);
}

/// While it lives, what the thread allocates belongs to nobody's execution: for what a body keeps
/// from one execution to the next.
using unwatched = heap::unwatched;

/// Plain memory, watched for data races: what is handed from thread to thread.
template <class T>
class cell {
 public:
  cell(T v = T{}, place at = place::here()) : value_(std::move(v)) { touch(true, at); }
  cell(const cell& other) : value_((other.touch(false, place::here()), other.value_)) {
    touch(true, place::here());
  }
  cell& operator=(const cell& other) {
    other.touch(false, place::here());
    touch(true, place::here());
    value_ = other.value_;
    return *this;
  }
  cell(cell&& other) noexcept
      : value_((other.touch(true, place::here()), std::move(other.value_))) {
    touch(true, place::here());
  }
  cell& operator=(cell&& other) noexcept {
    other.touch(true, place::here());
    touch(true, place::here());
    value_ = std::move(other.value_);
    return *this;
  }
  ~cell() { touch(true, place::here()); }

  T read(place at = place::here()) const {
    touch(false, at);
    return value_;
  }
  void write(T v, place at = place::here()) {
    touch(true, at);
    value_ = std::move(v);
  }

 private:
  void touch(bool writes, place at) const {
    if (auto* e = execution::current()) e->touch(this, writes, at);
  }

  T value_;
};

}  // namespace pinion::model
