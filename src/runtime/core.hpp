// SPDX-License-Identifier: MIT
// What a scheduler is made of. Its parts are implemented by role: handing in, waking, the workers'
// loop, spare threads, delayed work, and the way from the first thread to the last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pinion/platform/parker.hpp"
#include "pinion/platform/placement.hpp"
#include "pinion/platform/short_lock.hpp"
#include "pinion/platform/thread.hpp"
#include "pinion/platform/topology.hpp"
#include "pinion/runtime/gate.hpp"
#include "pinion/runtime/options.hpp"
#include "pinion/runtime/shutdown.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/executor.hpp"
#include "pinion/sync/time_source.hpp"
#include "pinion/sync/waiter.hpp"
#include "src/lockfree/idle_set.hpp"
#include "src/lockfree/injector.hpp"
#include "src/runtime/current.hpp"
#include "src/runtime/delayed.hpp"
#include "src/runtime/queue_limit.hpp"
#include "src/runtime/seat.hpp"
#include "src/runtime/task_memory.hpp"
#include "src/runtime/work_word.hpp"

namespace pinion {

namespace detail {

/// A thread of the scheduler: sitting on a seat, or spare.
struct worker_thread {
  std::string name;
  thread handle;
  parker wake;               // while it is spare
  seat* assigned = nullptr;  // under the lock of the threads
  bool refusal_noted = false;
  worker_thread* next_spare = nullptr;

  std::vector<std::uint64_t> progress;   // two of each seat, at the last look of a sentinel
  std::vector<std::uint64_t> kept_seen;  // one of each seat, likewise

  os::atomic<const char*> running{nullptr};     // name of its task; null: none
  os::atomic<const seat*> pinned_for{nullptr};  // the seat where it is pinned
};

/// Gives up the scheduler's share when everything that may refer to it is gone.
struct memory_share {
  task_memory& memory = *new task_memory;
  memory_share() = default;
  memory_share(const memory_share&) = delete;
  memory_share& operator=(const memory_share&) = delete;
  ~memory_share() { memory.end(); }
};

// A thread that is not inside any more, but needs the scheduler a moment longer.
class late_hand {
 public:
  explicit late_hand(os::atomic<std::uint32_t>& all) noexcept : all_(all) {
    all_.fetch_add(1, std::memory_order_relaxed);  // relaxed: its task keeps the scheduler alive
  }
  late_hand(const late_hand&) = delete;
  late_hand& operator=(const late_hand&) = delete;
  ~late_hand() {
    all_.fetch_sub(1, std::memory_order_release);  // release: what it did is over; see tear_down
  }

 private:
  os::atomic<std::uint32_t>& all_;
};

}  // namespace detail

class scheduler_core final : public executor {
 public:
  explicit scheduler_core(scheduler_options);
  scheduler_core(const scheduler_core&) = delete;
  scheduler_core& operator=(const scheduler_core&) = delete;
  ~scheduler_core();

  // --- As an executor.
  bool post(work_item&) noexcept override;
  bool begin_live() noexcept override;
  void end_live() noexcept override;
  void resume(work_item&, resume_order) noexcept override;
  void begin_blocking() noexcept override;
  void unobserved(const error&, const char* name) noexcept override;
  time_source& time() noexcept override { return clock; }

  // --- Handing in.
  detail::admission enter(const context*, std::size_t count);
  detail::admission enter_unlimited(std::size_t count);
  detail::admission try_enter() noexcept;
  void leave(detail::admission) noexcept;
  void look_again(detail::admission&) noexcept;
  void accept(detail::admission, detail::task_node&, const post_options&) noexcept;
  void accept_later(detail::admission, detail::task_node&, const post_options&,
                    void* timer) noexcept;
  void accept_many(detail::admission, detail::task_node* const*, std::size_t,
                   const post_options&) noexcept;
  void accept_for(detail::admission, std::size_t worker, detail::task_node&,
                  const post_options&) noexcept;
  void attach();
  void enqueue_delayed(detail::task_node&, void* timer, std::uint8_t timer_class) noexcept;
  void give_up(detail::task_node&, void* timer, std::uint8_t timer_class) noexcept;
  void count_refused(std::size_t) noexcept;

  // --- For workers.
  void push_own(detail::seat&, detail::work_word) noexcept;
  void spill(detail::work_word) noexcept;
  detail::lane& own_lane() noexcept;
  bool lend_seat() noexcept;
  void let_go_of_kept(detail::seat&) noexcept;
  bool become_spare(detail::worker_thread&) noexcept;
  bool take_assigned_seat(detail::worker_thread&) noexcept;

  // --- Waking.
  void wake_for(detail::seat* from, bool from_outside) noexcept;
  void wake_seat(detail::seat&) noexcept;
  void keep_watch(detail::seat& from) noexcept;
  void forget_unwoken() noexcept;
  bool all_idle() const noexcept;
  void wake_all() noexcept;
  void set_idle_policy(idle_policy) noexcept;

  // --- The end.
  bool close() noexcept;
  bool must_not_wait() noexcept;
  /// Null: for as long as it takes until nobody is inside.
  void begin_drain(const context* patience) noexcept;
  void begin_stop(const context* patience) noexcept;
  void check_quiet() noexcept;
  void check_quiet_after_change() noexcept;
  shutdown_report report();
  void end_all() noexcept;
  static void end_from_inside(std::unique_ptr<scheduler_core>) noexcept;

  std::uint32_t life(std::memory_order order) const noexcept { return memory.life.load(order); }

  // Constant after construction.
  const scheduler_options options;
  const topology machine;
  const placement places;
  time_source& clock;

 private:
  detail::memory_share share_;

 public:
  detail::task_memory& memory;

  lockfree::injector outside;
  std::vector<std::unique_ptr<lockfree::idle_set>> clusters;
  std::vector<std::size_t> cluster_sizes;
  std::vector<std::unique_ptr<detail::seat>> seats;

  os::atomic<std::int64_t> spin_for{0};      // ns; the idle policy
  os::atomic<bool> unwoken_posts{false};     // some work came without a wake-up
  os::atomic<detail::work_word> spilled{0};  // what the queues had no memory for

  detail::queue_limit room;
  detail::delayed_work delayed;

  // Who waits for the end.
  wait_list ending;
  os::atomic<bool> ended{false};

  // Threads are made and assigned under the lock, and joined at the end.
  mutable short_lock threads_lock;
  std::vector<std::unique_ptr<detail::worker_thread>> threads;
  detail::worker_thread* spares = nullptr;
  std::vector<std::string> refusals;  // what the system did not allow

  // Rare enough to be shared.
  os::atomic<std::uint64_t> refused{0}, unobserved_errors{0}, outside_wakes{0}, given_up{0};
  os::atomic<std::uint32_t> late_hands{0};  // threads that hand in without a record of their own

  scoped_context root_cancel;  // parent of what runs here

 private:
  detail::admission enter_outside(detail::client&, std::size_t count) noexcept;
  bool may_enter_closed(std::uint32_t life_now) const noexcept;
  static void go_out(detail::admission) noexcept;
  detail::admission take_places(detail::admission, const context*, std::size_t count);
  void push_outside(detail::client&, detail::work_word, bool wake, bool may_allocate) noexcept;
  bool push_to_queue(lockfree::injector::producer&, detail::work_word, bool may_allocate) noexcept;
  void run_here(detail::client&, detail::task_node&) noexcept;

  bool place_directly(detail::client&, detail::work_word) noexcept;
  std::uint32_t on_other_cpus(const lockfree::idle_set&) const noexcept;
  void count_wake(detail::seat* from) noexcept;
  void note_unwoken() noexcept;
  void queue_resumed(detail::seat&, detail::work_word, resume_order) noexcept;
  void resume_from_outside(detail::work_word) noexcept;

  void make_seats();
  void start_thread(detail::worker_thread&, std::size_t number);
  void work(detail::worker_thread&) noexcept;
  void sit_down(detail::worker_thread&, detail::seat&) noexcept;
  void call_hook(const std::function<void(std::size_t)>&, std::size_t worker) noexcept;
  detail::worker_thread* make_spare(detail::seat&) noexcept;
  void note_refusal(std::string what) noexcept;

  bool quiet() noexcept;
  bool shut() noexcept;
  bool wait_until_nobody_is_inside(const context* patience) noexcept;
  static bool wait_until_out(detail::client&, const context* patience) noexcept;
  void look_for_the_end(const context* patience) noexcept;
  std::size_t others_inside() noexcept;
  void drain_unaided() noexcept;
  void wait_until_ended() noexcept;
  void join_all() noexcept;
  void tear_down() noexcept;
};

}  // namespace pinion
