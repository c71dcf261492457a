// SPDX-License-Identifier: MIT
// The heap, while a test runs: every block that its threads allocate is known, stays mapped until
// the execution ends, and must have been given back by then.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <new>
#include <string>
#include <unordered_map>
#include <utility>

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

  // Past operator new: what is in the middle of growing must not be asked for what it replaces.
  template <class T>
  struct past_ourselves {
    using value_type = T;
    past_ourselves() = default;
    template <class U>
    past_ourselves(const past_ourselves<U>&) noexcept {}
    T* allocate(std::size_t n) {
      void* const block = std::malloc(n * sizeof(T));
      if (block == nullptr) throw std::bad_alloc();
      return static_cast<T*>(block);
    }
    void deallocate(T* block, std::size_t) noexcept { std::free(block); }
    bool operator==(const past_ourselves&) const = default;
  };
  using sizes = std::unordered_map<void*, std::size_t, std::hash<void*>, std::equal_to<>,
                                   past_ourselves<std::pair<void* const, std::size_t>>>;

  sizes live_;
  sizes released_;
};

}  // namespace pinion::model
