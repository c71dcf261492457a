// SPDX-License-Identifier: MIT
// What the body of a model test is written with, when Relacy runs it. This folder is searched
// before the root, so that the same test gets this header in place of the checker's own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "tests/model/support/check.hpp"
#include "tests/model/support/mutation.hpp"
#include "tests/model/support/place.hpp"
#include "tests/opinions/relacy/engine.hpp"

#include "pinion/platform/os.hpp"

namespace pinion::model {

/// A thread of the test. What it does must end by itself.
class thread {
 public:
  explicit thread(std::function<void()> runs)
      : runs_(std::make_unique<std::function<void()>>(std::move(runs))),
        fiber_(std::make_unique<rl::dyn_thread>()) {
    fiber_->start(&run, runs_.get());
  }
  thread(thread&&) = default;
  void join() { fiber_->join(); }

 private:
  static void* run(void* runs) {
    (*static_cast<std::function<void()>*>(runs))();
    return nullptr;
  }

  std::unique_ptr<std::function<void()>> runs_;
  std::unique_ptr<rl::dyn_thread> fiber_;
};

/// What must hold. Ends the execution otherwise.
inline void require(bool holds, const char* what, place at = place::here()) {
  if (!holds) opinion::fail(what, at);
}

/// Plain memory, watched for data races: what is handed from thread to thread.
template <class T>
class cell {
 public:
  cell(T v = T{}) : value_(std::move(v)) { touch(true); }
  cell(const cell& other) : value_((other.touch(false), other.value_)) { touch(true); }
  cell& operator=(const cell& other) {
    other.touch(false), touch(true);
    value_ = other.value_;
    return *this;
  }
  cell(cell&& other) noexcept : value_((other.touch(true), std::move(other.value_))) {
    touch(true);
  }
  cell& operator=(cell&& other) noexcept {
    other.touch(true), touch(true);
    value_ = std::move(other.value_);
    return *this;
  }
  ~cell() { touch(true); }

  T read(place = place::here()) const {
    touch(false);
    return value_;
  }
  void write(T v, place = place::here()) {
    touch(true);
    value_ = std::move(v);
  }

 private:
  void touch(bool writes) const { opinion::touch(this, writes); }

  T value_;
};

}  // namespace pinion::model
