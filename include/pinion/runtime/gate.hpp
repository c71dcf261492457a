// SPDX-License-Identifier: MIT
// Gate: how a callable gets into a scheduler. What the templates of scheduler stand on.
//
// Handing over is three steps: enter() admits the calling thread or says why not, a node is made
// with the callable in place, and accept() takes it. Everything that can fail happens before the
// callable is moved; accept() cannot fail.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "pinion/runtime/options.hpp"
#include "pinion/runtime/task_node.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/result.hpp"

namespace pinion {

class scheduler;
class scheduler_core;

namespace detail {

/// The right to hand in work, for the calling thread and one piece of work (or one batch).
/// Two words, so that it travels in registers.
struct admission {
  enum class kind : std::uint8_t { refused, outside, worker, run_here };
  lane* where = nullptr;
  kind how = kind::refused;
  errc why = errc::ok;       // when refused
  bool counted = false;      // it holds its places below the queue limit
  bool may_allocate = true;  // while handing in
  std::uint32_t places = 0;  // how many pieces are admitted
};
static_assert(sizeof(admission) == 16);

/// The functions of a scheduler that its templates call.
struct gate {
  /// Every admission that is not a refusal ends in one accept or one leave.
  /// @errors    throws std::bad_alloc when the thread is new here
  static admission enter(scheduler_core&, const context* ctx, std::size_t count);
  /// As enter(), but never waits and never allocates.
  static admission try_enter(scheduler_core&) noexcept;
  static void leave(scheduler_core&, admission) noexcept;
  /// After user code that ran since enter(): it may have blocked, and a worker has lost its seat
  /// by that.
  static void look_again(scheduler_core&, admission&) noexcept;

  static void accept(scheduler_core&, admission, task_node&, const post_options&) noexcept;
  /// For work that is to start later; `timer` is from take_timer().
  static void accept_later(scheduler_core&, admission, task_node&, const post_options&,
                           void* timer) noexcept;
  static void accept_many(scheduler_core&, admission, task_node* const*, std::size_t count,
                          const post_options&) noexcept;
  static void accept_for(scheduler_core&, admission, std::size_t worker, task_node&,
                         const post_options&) noexcept;

  static void count_refused(scheduler_core&, std::size_t count) noexcept;
  /// Counts a refusal, and tells the error hook.
  static void refuse(scheduler_core&, errc why, const char* name) noexcept;
  /// @errors    throws std::out_of_range unless the worker exists
  static void check_worker(const scheduler_core&, std::size_t worker);
  /// Where the nodes of results come from, and where they go back to when everything else of the
  /// scheduler is gone.
  static task_memory& memory(scheduler_core&) noexcept;
  static void give_back(task_memory&, void* node, std::uint8_t size_class) noexcept;
  /// The coroutine of that name begins, and ends: for reports.
  static void begin_named(task_memory&, const char* name) noexcept;
  static void end_named(task_memory&, const char* name) noexcept;
  /// Does the calling thread run it?
  static bool is_run_here(const task_node&) noexcept;
  /// Does it run a node that belongs to `owner`?
  static bool runs_one_of(const void* owner) noexcept;
  static scheduler_core& core(scheduler&) noexcept;  // for patterns that hand in nodes
  static error_hook hook(const scheduler_core&) noexcept;
  static error_hook hook(const scheduler&) noexcept;  // for patterns that give futures
  /// Why a post was refused: stopped, or overloaded.
  static errc why_refused(const scheduler&) noexcept;
  /// Why a run that was to end with the scheduler, too, ended before its work: what ended its
  /// context, or `otherwise` where that was the scheduler, or nothing.
  static error why_ended(const context& run, const context& root, const error& otherwise) noexcept {
    if (!run.is_done()) return otherwise;  // asked once: the scheduler may be stopping just now
    const bool by_stop = root.is_done() && run.cause() == errc::stopped;
    return by_stop ? otherwise : run.cause().as(run.status());
  }
  /// Counts a node of a result, made by that lane.
  static void count_result(lane& maker) noexcept { lane::count(maker.results); }
  /// The scheduler whose task the calling thread runs.
  static executor_ref current_executor() noexcept;
  /// @errors    throws std::bad_alloc; std::system_error when the clock has no thread
  static void* take_timer(scheduler_core&, lane&);
  static void give_timer(lane&, void* timer) noexcept;
};

/// No code of the user's runs in it.
template <class Node, class... Args>
inline constexpr bool is_made_at_once = std::is_nothrow_constructible_v<Node, Args...>&&
    std::is_trivially_copyable_v<typename Node::callable>;

/// A node with its callable in place. The callable's constructor may block; afterwards `way` says
/// where the thread belongs then.
/// @errors    throws what the allocation or the callable's constructor throws
template <class Node, class... Args>
Node& make_node(scheduler_core& core, admission& way, Args&&... args) {
  void* memory = way.where->take<Node>();
  if constexpr (is_made_at_once<Node, Args...>) {
    return *::new (memory) Node(std::forward<Args>(args)...);
  } else {
    try {
      Node& made = *::new (memory) Node(std::forward<Args>(args)...);
      gate::look_again(core, way);
      return made;
    } catch (...) {
      gate::look_again(core, way);
      way.where->give(memory, lane::class_of(sizeof(Node)));
      throw;
    }
  }
}

/// One admission that is left again unless something is accepted.
class entry {
 public:
  entry(scheduler_core& core, admission a, const post_options& options) noexcept
      : core_(core), admission_(a), options_(options) {}
  entry(const entry&) = delete;
  entry& operator=(const entry&) = delete;
  ~entry() {
    if (refused()) return;
    if (timer_ != nullptr) gate::give_timer(where(), timer_);
    gate::leave(core_, admission_);
  }

  bool refused() const noexcept { return admission_.how == admission::kind::refused; }
  lane& where() const noexcept { return *admission_.where; }
  errc why() const noexcept { return admission_.why; }

  /// A node with its callable in place.
  /// @errors    throws what the allocation or the callable's constructor throws
  template <class Node, class... Args>
  Node& make(Args&&... args) {
    if (options_.after > duration::zero()) [[unlikely]]
      timer_ = gate::take_timer(core_, where());
    return make_node<Node>(core_, admission_, std::forward<Args>(args)...);
  }

  /// As make(), but null instead of going to the heap.
  template <class Node, class... Args>
  Node* try_make(Args&&... args) noexcept {
    void* memory = admission_.where->try_take<Node>();
    if (memory == nullptr) return nullptr;
    auto* made = ::new (memory) Node(std::forward<Args>(args)...);
    if constexpr (!is_made_at_once<Node, Args...>) {
      gate::look_again(core_, admission_);
    }
    return made;
  }

  void accept(task_node& node) noexcept {
    const admission way = admission_;
    admission_.how = admission::kind::refused;  // nothing is left to leave
    if (timer_ != nullptr) [[unlikely]] {
      gate::accept_later(core_, way, node, options_, timer_);
    } else {
      gate::accept(core_, way, node, options_);
    }
  }

  void accept_for(std::size_t worker, task_node& node) noexcept {
    const admission way = admission_;
    admission_.how = admission::kind::refused;  // nothing is left to leave
    gate::accept_for(core_, way, worker, node, options_);
  }

 private:
  scheduler_core& core_;
  admission admission_;
  const post_options& options_;
  void* timer_ = nullptr;  // for work that is to start later
};

/// Several nodes under one admission; the destructor hands over what was added.
class batch {
 public:
  static constexpr std::size_t capacity = 64;

  batch(scheduler_core& core, admission a, const post_options& options) noexcept
      : core_(core), admission_(a), options_(options) {}
  batch(const batch&) = delete;
  batch& operator=(const batch&) = delete;
  ~batch() {
    if (!refused()) gate::accept_many(core_, admission_, nodes_, count_, options_);
  }

  bool refused() const noexcept { return admission_.how == admission::kind::refused; }
  errc why() const noexcept { return admission_.why; }
  bool has_room() const noexcept { return count_ < admission_.places; }

  template <class Node, class F>
  void add(F&& f) {
    gate::look_again(core_, admission_);  // the range may have blocked
    nodes_[count_] = &make_node<Node>(core_, admission_, std::forward<F>(f));
    ++count_;
  }

 private:
  scheduler_core& core_;
  admission admission_;
  const post_options& options_;
  std::size_t count_ = 0;
  task_node* nodes_[capacity];
};

}  // namespace detail
}  // namespace pinion
