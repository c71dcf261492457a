// SPDX-License-Identifier: MIT
// The heap, while a test runs: every block that its threads allocate is known, stays mapped until
// the execution ends, and must have been given back by then.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

namespace pinion::model {

class heap {
 public:
  void add(void* block, std::size_t bytes) { live_.emplace(block, bytes); }

  enum class released : unsigned char { ours, not_ours, twice };
  /// Ours: the block is kept until clear().
  released release(void* block, std::size_t& bytes);

  /// What is left, as a sentence; empty when nothing is.
  std::string leaks() const;
  void clear();

  // --- Which allocations are the test's: those between two operations of its threads.

  static bool is_watching() noexcept { return watching_; }

  /// While it lives, what is allocated is the checker's own.
  class unwatched {
   public:
    unwatched() noexcept : before_(watching_) { watching_ = false; }
    ~unwatched() { watching_ = before_; }
    unwatched(const unwatched&) = delete;
    unwatched& operator=(const unwatched&) = delete;

   private:
    bool before_;
  };
  static void watch(bool on) noexcept { watching_ = on; }

 private:
  static bool watching_;

  std::unordered_map<void*, std::size_t> live_;
  std::unordered_map<void*, std::size_t> released_;
};

}  // namespace pinion::model
