// SPDX-License-Identifier: MIT
// One execution of a test: its threads, whose turn it is, and every operation that others may
// notice.
//
// Before each such operation a thread says what it is about to do, and the strategy decides who
// goes on; so between two operations a thread runs alone. What can come out in more than one way
// (which store a load reads, whether a weak compare-exchange fails) the strategy decides as well.
// All decisions together are the execution's schedule: with the same ones it runs the same again.
//
// An execution that has failed, or leads nowhere new, is dropped: its threads are never resumed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/model/support/fiber.hpp"
#include "tests/model/support/heap.hpp"
#include "tests/model/support/memory.hpp"
#include "tests/model/support/operation.hpp"
#include "tests/model/support/options.hpp"
#include "tests/model/support/races.hpp"
#include "tests/model/support/strategy.hpp"

namespace pinion::model {

class execution {
 public:
  enum class outcome : std::uint8_t { passed, failed, dropped };

  execution(const options&, strategy&);
  execution(const execution&) = delete;
  execution& operator=(const execution&) = delete;

  /// The one that is running, or null.
  static execution* current() noexcept;

  outcome run(const std::function<void()>& body, std::uint64_t number, std::size_t longest);

  // --- What came out.

  const std::string& failure() const noexcept { return failure_; }
  const std::vector<event>& trace() const noexcept { return trace_; }
  const schedule& decisions() const noexcept { return decisions_; }
  std::size_t steps() const noexcept { return steps_; }
  const std::vector<site>& sites() const noexcept { return sites_; }
  std::string threads_as_text() const;

  // --- Atomics, as the seam has them.

  void make(const void* address, std::uint64_t value);
  void destroy(const void* address, place);
  std::uint64_t load(const void* address, std::uint64_t initial, order, place);
  void store(const void* address, std::uint64_t initial, std::uint64_t value, order, place);

  using change = std::uint64_t (*)(std::uint64_t old, std::uint64_t argument);
  std::uint64_t modify(const void* address, std::uint64_t initial, change, std::uint64_t argument,
                       order, place);

  struct exchange {
    std::uint64_t expected, desired;
    order succeeds, fails;
    bool weak;
  };
  /// What was read; done if that is the expected value and `failed` is false.
  struct exchanged {
    std::uint64_t read;
    bool done;
  };
  exchanged compare_exchange(const void* address, std::uint64_t initial, const exchange&, place);
  void fence(order, place);

  // --- Waiting and time.

  enum class wait_end : std::uint8_t { woken, changed, timed_out };
  /// Sleeps while the low half of the word is `expected`. `deadline`: of now_ns(); none: for ever.
  wait_end wait(const void* address, std::uint64_t initial, std::uint32_t expected,
                std::optional<std::int64_t> deadline, place);
  int wake(const void* address, int count, place);
  void pause();
  std::int64_t now_ns();
  std::uint64_t random_number();

  // --- Threads.

  thread_index start_thread(std::function<void()> runs, bool may_freeze = false);
  bool may_start_thread();  // false: this time the system has no more
  void join(thread_index);
  thread_index running() const noexcept { return running_; }

  // --- Plain memory.

  heap& blocks() noexcept { return heap_; }
  bool may_allocate();
  void release(void* block);
  void touch(const void* address, bool writes, place);

  /// Never comes back, so what is passed must need no destructor.
  [[noreturn]] void fail(std::string_view why, place, std::string_view detail = {});

  const options& wanted() const noexcept { return options_; }

 private:
  enum class state : std::uint8_t { ready, waiting, pausing, frozen, ended };

  struct one_thread {
    fiber runs;
    std::function<void()> body;
    state is = state::ready;
    intent next;
    thread_memory memory;
    const void* waits_on = nullptr;
    thread_index waits_for = nobody;
    std::optional<std::int64_t> deadline;
    bool may_freeze = false;
    bool was_woken = false;
    bool wrote_since_pause = false;
    bool saw_clock_since_pause = false;
  };

  one_thread& me() noexcept { return *threads_[running_]; }
  void run_thread(thread_index);
  void start_over();

  // Whose turn it is.
  location_index announce(operation, const void* address, std::uint64_t initial, bool writes,
                          bool in_total_order, place);
  void announce(operation, bool in_total_order = false);
  void yield_turn();
  bool freezes();
  void collect_candidates();
  void end_wait_in_time(thread_index);
  [[noreturn]] void fail_stuck();
  [[noreturn]] void drop();
  void note_write();

  std::size_t decide(std::size_t count);
  bool goes_wrong(unsigned& left);

  // Mutants.
  order as_changed(operation, order, place);
  bool is_dropped(operation, place) const noexcept;

  std::uint64_t outside_value(const void* address, std::uint64_t initial);
  void note(operation, location_index, std::uint64_t value, store_index, order, place);

  const options& options_;
  strategy& strategy_;
  memory memory_;
  races races_;
  heap heap_;

  fiber outside_;
  std::vector<std::unique_ptr<one_thread>> threads_;  // the first `count_` take part
  std::size_t count_ = 0;
  thread_index running_ = nobody;
  std::vector<thread_index> candidates_;
  std::array<intent, max_threads> intents_;

  faults left_;
  std::int64_t clock_ns_ = 0;
  std::size_t steps_ = 0;
  std::size_t idle_rounds_ = 0;
  bool dropped_ = false;
  std::string failure_;
  schedule decisions_;
  std::vector<event> trace_;
  std::vector<site> sites_;
};

}  // namespace pinion::model
