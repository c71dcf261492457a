// SPDX-License-Identifier: MIT
#include "pinion/patterns/group_control.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

namespace pinion::detail {

group_control::group_control(scheduler& on, const context& parent, const group_options& options)
    : scheduler_(on),
      core_(gate::core(on)),
      parent_(parent),
      cancel_siblings_(options.policy == on_error::cancel_siblings),
      limit_(options.limit),
      keep_errors_(options.keep_errors),
      workers_(on.workers()),
      ctx_(with_cancel(parent)),
      ledgers_(new ledger[workers_ + 1]),
      count_(waiting_, workers_ + 1) {}

group_control::~group_control() = default;

// --- What became of a job.

void group_control::note(std::size_t at, kind what) noexcept {
  os::atomic<std::uint64_t>& counter = ledgers_[at].*what;
  if (at == workers_) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: published when it is counted out
  } else {
    // relaxed: only this thread writes it; published as above.
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
}

void group_control::refuse(errc why) noexcept {
  if (why != errc::canceled) {
    const std::lock_guard lock(waiting_);
    refusal_ = why;
  }
  const std::size_t at = here();
  note(at, &ledger::not_started);
  finish(at);
}

// It only passes on that its context has ended: as the error of a wait, or as what value() throws
// for that, which is the context's cause if that is an exception.
bool group_control::is_of_context(const error& e) const noexcept {
  if (!ctx_.is_done()) return false;
  if (e.is_cancel() || e.is_timeout()) return true;
  const std::exception_ptr thrown = e.exception();
  if (thrown == nullptr) return false;
  if (thrown == ctx_.cause().exception()) return true;
  try {
    std::rethrow_exception(thrown);
  } catch (const std::system_error& wait) {
    return wait.code() == make_error_code(ctx_.status());
  } catch (...) {
    return false;
  }
}

// J1. The context is canceled before the job counts as ended.
void group_control::failed(task_node& n, error e) noexcept {
  if (is_of_context(e)) {
    e = errc::ok;
    return end(n, &ledger::canceled);
  }
  if (keep(e) && cancel_siblings_) ctx_.cancel(e);
  e = errc::ok;  // nothing of it lives on here when the group is gone
  if (limit_ != 0) pass_on(n);
  finish(here());
}

// True: it is the first one.
bool group_control::keep(const error& e) noexcept {
  std::vector<error> more;  // what it holds in the end is empty room
  for (bool no_memory = false;; no_memory = !make_room(more)) {
    {
      const std::lock_guard lock(waiting_);
      if (more.capacity() > errors_.capacity()) {
        for (error& kept : errors_) more.push_back(std::move(kept));
        errors_.swap(more);
      }
      const bool wanted = errors_.size() < keep_errors_;
      const bool has_room = errors_.size() < errors_.capacity();
      if (!wanted || has_room || no_memory) {
        ++failed_;
        if (wanted && has_room) errors_.push_back(e);
        const bool first = first_error_ == errc::ok;
        if (first) first_error_ = e;
        return first;
      }
      more.clear();
    }
  }
}

// Others may have filled it by the time it is used. False: there is no memory.
bool group_control::make_room(std::vector<error>& more) noexcept {
  constexpr std::size_t at_once = 64;
  std::size_t have = 0;
  {
    const std::lock_guard lock(waiting_);
    have = errors_.size();
  }
  try {
    more.reserve(std::min(keep_errors_, std::max(at_once, 2 * have)));
    return true;
  } catch (const std::exception&) {  // it is counted all the same
    return false;
  }
}

// --- With a limit: the places, and the line.

bool group_control::take_place(task_node& n) noexcept {
  const std::lock_guard lock(waiting_);
  n.for_owner = running_ < limit_;
  if (n.for_owner) {
    ++running_;
    return true;
  }
  // relaxed: all of the line is seen under the lock.
  if (last_in_line_ != nullptr) {
    last_in_line_->next.store(&n, std::memory_order_relaxed);  // relaxed: as above
  } else {
    first_in_line_ = &n;
  }
  last_in_line_ = &n;
  return false;
}

// J2. A place goes from one job to the next, which starts as any other work of this worker.
void group_control::pass_on(task_node& n) noexcept {
  if (!n.for_owner) return;  // it had none
  while (task_node* const next = next_in_line()) {
    if (hand_in(*next)) return;
    next->for_owner = false;  // so that it goes without coming here
    const std::uint8_t size_class = next->size_class;
    const bool give_back = next->act(*next, task_node::action::drop).give_back;
    if (give_back &&
        size_class == lane::heap_class) {  // otherwise it is forgotten until the pools go
      ::operator delete (next, std::align_val_t{lane::node_alignment});
    }
  }
}

// None: the place is given back.
task_node* group_control::next_in_line() noexcept {
  const std::lock_guard lock(waiting_);
  task_node* const next = first_in_line_;
  if (next == nullptr) {
    --running_;
    return nullptr;
  }
  first_in_line_ = next->next.load(std::memory_order_relaxed);  // relaxed: under the lock
  if (first_in_line_ == nullptr) last_in_line_ = nullptr;
  next->next.store(nullptr, std::memory_order_relaxed);  // relaxed: handed over with the node
  next->for_owner = true;
  return next;
}

// False: the scheduler is at its end.
bool group_control::hand_in(task_node& n) noexcept {
  post_options options;
  options.name = "task_group";
  try {
    entry way(core_, gate::enter(core_, nullptr, 1), options);
    if (way.refused()) return false;
    way.accept(n);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// --- The end of a round.

// J3. Whatever is declared before the lock is done after the unlock; the group may be gone then.
void group_control::finish_slowly(std::size_t at) noexcept {
  wake_chain woken;  // last: nothing of the round lives on here when its join has returned
  group_outcome outcome;
  std::optional<scoped_context> old;
  const std::lock_guard lock(waiting_);
  count_.remove(at);
  if (!count_.is_zero()) return;
  bool closed = false;
  while (wait_link* const link = waiting_.claim_first(woken)) {
    if (!std::exchange(closed, true)) close_round(outcome);
    group_outcome& theirs = join_op::of(*link).payload();
    theirs.why = outcome.why;
    theirs.renew = outcome.renew;
  }
  install(old);
}

// With the lock held, and no job left.
void group_control::close_round(group_outcome& out) noexcept {
  group_report now;
  for (std::size_t i = 0; i <= workers_; ++i) {
    ledger& l = ledgers_[i];
    // relaxed: who counted has counted itself out since, and nobody counts now.
    now.succeeded += l.succeeded.exchange(0, std::memory_order_relaxed);
    now.canceled += l.canceled.exchange(0, std::memory_order_relaxed);        // relaxed: as above
    now.not_started += l.not_started.exchange(0, std::memory_order_relaxed);  // relaxed: as above
  }
  now.failed = std::exchange(failed_, 0);
  now.errors.swap(errors_);
  out.replaced.swap(report_.errors);
  report_ = std::move(now);

  const errc refusal = std::exchange(refusal_, errc::ok);
  out.why = std::exchange(first_error_, errc::ok);
  if (out.why == errc::ok && report_.canceled + report_.not_started != 0) {
    const bool ended = ctx_.is_done();
    out.why = ended ? ctx_.cause().as(ctx_.status())
                    : error(refusal != errc::ok ? refusal : errc::stopped);
  }
  out.renew = renewal_due_ = ctx_.is_done() && !parent_.is_done();
  // A context that is to be replaced must have nobody in it: so long the count stays exact.
  if (!renewal_due_ && count_.is_exact()) count_.make_loose();
}

// By who has joined a round that was canceled. If others have begun the next one meanwhile, they
// are refused, and the last of them takes the new context into use.
void group_control::renew() noexcept {
  std::optional<scoped_context> fresh;
  std::optional<scoped_context> old;
  try {
    fresh.emplace(with_cancel(parent_));
  } catch (const std::bad_alloc&) {
    return;  // it stays canceled, until the next join
  }
  const std::lock_guard lock(waiting_);
  if (!std::exchange(renewal_due_, false)) return;  // another one who joined it was here
  spare_.emplace(std::move(*fresh));
  if (count_.is_zero()) install(old);
}

// With the lock held, and no job left.
void group_control::install(std::optional<scoped_context>& old) noexcept {
  if (!spare_) return;
  old.emplace(std::move(ctx_));
  ctx_ = std::move(*spare_);
  spare_.reset();
  renewal_due_ = false;
  count_.make_loose();
}

// --- Waiting for it.

wait_list& group_control::list_of(join_op& o) noexcept {
  return of(o).waiting_;
}

bool group_control::try_complete(join_op& o) noexcept {
  group_control& g = of(o);
  if (gate::runs_one_of(&g)) {
    o.payload().why = errc::would_deadlock;
    return true;
  }
  g.count_.make_exact();
  if (!g.count_.is_zero()) return false;
  g.close_round(o.payload());
  return true;
}

void group_control::enlist(join_op& o, waiter& who) noexcept {
  of(o).waiting_.push_back(o.link(who));
}

void group_control::withdraw(join_op& o) noexcept {
  of(o).waiting_.remove(o.link());
}

result<> group_control::take(join_op& o) {
  group_outcome outcome = std::exchange(o.payload(), {});
  group_control& g = of(o);
  if (outcome.renew && !g.ends_for_good_) g.renew();
  if (outcome.why == errc::ok) return {};
  return outcome.why;
}

// --- For everybody.

// Counted as a job, so that the context stays what it is.
bool group_control::cancel(const error& cause) noexcept {
  begin();
  const bool first = ctx_.cancel(cause);
  undo();
  return first;
}

group_report group_control::report() const {
  group_report copy;
  for (;;) {
    std::size_t size = 0;
    {
      const std::lock_guard lock(waiting_);
      size = report_.errors.size();
      if (copy.errors.capacity() >= size) {  // no allocation under the lock
        copy = report_;
        return copy;
      }
    }
    copy.errors.reserve(size);
  }
}

void group_control::end_for_good() noexcept {
  ends_for_good_ = true;
  (void)cancel(errc::canceled);
  const result<> last = join(nullptr).wait();
  assert((last || last.error() != errc::would_deadlock) && "a job destroys its own group");
  const error_hook given = gate::hook(core_);
  const error_hook tell = given != nullptr ? given : &print_unobserved_error;
  for (const error& e : report_.errors) tell(e, "task_group");
  if (report_.failed != 0 && report_.errors.empty()) tell(last.error(), "task_group");
}

}  // namespace pinion::detail
