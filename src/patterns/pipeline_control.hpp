// SPDX-License-Identifier: MIT
// Who carries which items through a pipeline, whoever runs the runners.
//
//     free tokens --> [source] --> line [stage] --> line [stage] --> line [sink] --> free tokens
//                        ^              ^               ^
//                        +--------------+---------------+---- runners: take some, call, pass on
//
// A runner takes a batch from the line of a stage that may be entered, calls the function for each
// item of it, and puts them into the line of the next stage. Lines and turns are behind one short
// lock, which is taken once a batch, and never held while a function is called.
//
// A batch is one item, and more only while calls turn out to be short and somebody looks. So that
// nothing waits behind a call that takes long after all, or never returns, others may rob a batch:
// what is done, and what is not begun where a stage is parallel, is theirs for the taking.
//
// Invariants
//   1  A token is free, in one batch, or in one line.
//   2  A serial stage is busy while a batch of it is called; then nobody else enters.
//   3  The tokens that have not passed an ordered stage have numbers without a gap from its `turn`
//      on: what is dropped keeps its place as an empty token. So a line needs as many places as
//      there are tokens, and whoever is next does come.
//   4  Before a runner calls a function: is there something that another could take, or could rob?
//      Then another is posted, or looks already. So nothing waits for a function that is slow.
//   5  The last runner to leave ends the run, once, unless work is left for one that is posted.
//
// The protocol page on the pipeline has the argument.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "pinion/patterns/pipeline_stage.hpp"
#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/clock.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/platform/short_lock.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/waiter.hpp"
#include "src/patterns/pipeline_tokens.hpp"

namespace pinion::detail {

/// What a runner has taken from the line of one stage.
struct pipeline_batch {
  static constexpr std::uint32_t most = os::shrinkable(32U, 2U);

  pipeline_token* tokens[most];
  std::uint32_t stage = 0;
  std::uint32_t size = 0;
  std::uint32_t robbed = 0;  // those done before were taken by others; under the lock
  bool all_kept = true;      // of those done, each for the next stage; for the runner alone
  error why = errc::failed;  // for the runner alone

  // Written by the runner without the lock, and looked at by who has the lock.
  os::atomic<std::uint32_t> done{0};
  os::atomic<std::uint32_t> begun{0};  // of a parallel stage; robbed of the others: `most`
};

class pipeline_runner;

class pipeline_control {
 public:
  struct counts {
    std::uint64_t produced = 0, delivered = 0, dropped = 0, failed = 0, abandoned = 0;
  };

  /// Stage 0 is the source. It ends with `parent`, or with `also`.
  /// @errors    throws std::bad_alloc
  pipeline_control(std::vector<std::unique_ptr<pipeline_stage>> functions, std::size_t tokens,
                   const context& parent, const context& also);
  pipeline_control(const pipeline_control&) = delete;
  pipeline_control& operator=(const pipeline_control&) = delete;

  void start() noexcept;  // once: posts the first runner

  /// A runner that was posted; and one that waits for the end meanwhile, and stays to the end of
  /// the work it can find. Who calls these, or the next, keeps *this alive.
  void run_posted() noexcept;
  /// One that was posted, and came back to who posted it: a scheduler may let the caller run what
  /// it has no room for. A runner that has posted it goes on itself: what the other would wait for
  /// is further down on the same stack.
  void run_in_caller() noexcept;
  void run_waiting() noexcept;
  /// One was posted and never ran.
  void give_up_posted() noexcept;

 protected:
  ~pipeline_control() = default;

  bool canceled() const noexcept {
    // relaxed, both: no function is called any more, and who wants the cause asks the context.
    return status_->load(std::memory_order_relaxed) != errc::ok ||
           also_status_->load(std::memory_order_relaxed) != errc::ok;
  }

  // Without the lock, as a function of the user's is called.
  /// What is to be said of an item whose function failed.
  virtual item_fate failed(const error& why) noexcept = 0;
  /// False: no runner will ever be taken again. What is dropped calls give_up_posted().
  virtual bool post_runner() noexcept = 0;
  /// No function is called any more.
  virtual void ended() noexcept = 0;

  // For ended().
  counts give_up_the_rest() noexcept;  // destroys what is left, and the functions
  bool source_is_empty() const noexcept { return source_ended_; }

  scoped_context ctx_;  // given to each function

 private:
  using guard = std::unique_lock<short_lock>;

  struct stage {
    mode how;
    pipeline_stage* function;
    bool busy = false;
    std::uint64_t turn = 0;                          // in order: whose it is
    std::unique_ptr<pipeline_token*[]> places = {};  // in order: who waits, by number
    token_queue line = {};                           // else
  };

  enum class chance { work, none, turn_is_over };

  void run(guard&, bool may_pass_on) noexcept;
  chance work_off(guard&, pipeline_runner&) noexcept;
  chance look(guard&, pipeline_runner&) noexcept;
  bool look_away_from(std::uint32_t others, pipeline_runner&) noexcept;
  bool pass_on(guard&, pipeline_runner&) noexcept;
  void leave(guard&) noexcept;
  void post_one() noexcept;

  // The lines; with the lock held.
  bool is_open(const stage&) const noexcept;
  bool work_is_left() const noexcept;
  bool needs_help() const noexcept {
    return posted_ == 0 && !looking_ && may_post_ && (to_be_robbed_ != 0 || work_is_left());
  }
  std::uint32_t batch_most(const pipeline_runner&) const noexcept;
  bool take(pipeline_runner&) noexcept;
  void take_from(std::uint32_t stage, pipeline_batch&, std::uint32_t most) noexcept;
  void end_batch(pipeline_batch&) noexcept;
  bool go_on_whole(pipeline_runner&) noexcept;
  bool may_go_on_whole(const pipeline_batch&) const noexcept;
  void free_stage(stage&, std::uint32_t done) noexcept;
  static void begin_batch(pipeline_batch&, std::uint32_t stage) noexcept;
  void pass(pipeline_token&) noexcept;
  void pass_from_source(pipeline_token&) noexcept;
  void count_from_source(pipeline_token&) noexcept;
  void stand_in_line(pipeline_token&) noexcept;
  void let_pass(stage&) noexcept;
  void move_on_empty(pipeline_token&) noexcept;
  void put_back(pipeline_token& t) noexcept {
    t.next = free_;
    free_ = &t;
    --in_flight_;
  }

  // Robbing; with the lock held.
  void remember_others(const pipeline_runner& but) noexcept;
  bool rob_the_stuck(const pipeline_runner& but) noexcept;
  bool rob(pipeline_batch&) noexcept;

  // Calling; without the lock.
  void call_batch(pipeline_batch&) noexcept;
  void call_one(pipeline_token&, error& why) noexcept;

  bool is_source(const stage& s) const noexcept { return &s == stages_.data(); }
  pipeline_token*& place(stage& s, std::uint64_t sequence) const noexcept {
    return s.places[sequence & mask_];
  }

  // Constant but for what is in the stages, which is under the lock.
  const os::atomic<errc>* const status_;       // of the context
  const os::atomic<errc>* const also_status_;  // of the other one that ends it
  std::vector<std::unique_ptr<pipeline_stage>> functions_;
  const pipeline_tokens tokens_;
  std::vector<stage> stages_;
  std::uint32_t last_ = 0;           // the sink
  std::uint32_t last_in_order_ = 0;  // empty tokens end behind it
  std::uint64_t mask_ = 0;           // places in a line, less one

  // Under the lock.
  alignas(cache_line_size) short_lock lock_;
  pipeline_token* free_ = nullptr;
  std::size_t in_flight_;  // tokens that are not free
  std::uint64_t next_sequence_ = 0;
  linked_list<pipeline_runner> runners_;
  std::uint32_t running_ = 0;
  std::uint32_t posted_ = 0;        // runners on their way to a worker; one at most
  std::uint32_t to_be_robbed_ = 0;  // batches of more than one
  std::uint32_t batch_size_ = os::shrinkable(1U, 2U);  // that was of use lately
  duration look_away_ = std::chrono::microseconds(2);  // that was enough lately
  bool looking_ = false;                               // a runner sees to it that nobody is stuck
  bool source_ended_ = false;
  bool may_post_ = true;
  bool over_ = false;
  counts counts_;

  // Written under the lock, and looked at by who may be needed, for speed alone.
  alignas(cache_line_size) os::atomic<std::uint64_t> progress_{0};
};

}  // namespace pinion::detail
