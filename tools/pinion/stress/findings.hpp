// SPDX-License-Identifier: MIT
// What is wrong, as found by any thread while the run goes on. The first ones are kept.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace pinion::stress {

class findings {
 public:
  void add(std::string what) {
    const std::lock_guard lock(lock_);
    if (all_.size() < 20) all_.push_back(std::move(what));
  }
  std::vector<std::string> all() const {
    const std::lock_guard lock(lock_);
    return all_;
  }

 private:
  mutable std::mutex lock_;
  std::vector<std::string> all_;
};

}  // namespace pinion::stress
