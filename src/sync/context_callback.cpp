// SPDX-License-Identifier: MIT
// How a callback gets from its context to its executor, and how whoever registered it gets away.
//
//      waiting --the context ends--> posting --posted--> posted --begins--> running --> over
//         |                             | remove()          |
//         |                             v                   |
//         |                          unwanted --posted------|-----------------> over
//         +------------- try_remove(), remove() ------------+-----------------> over
//
// Every arrow is taken under the lock of `line`. In `posting` the canceller may be inside the
// executor, so nobody may say that it is over; in `running` the callable belongs to who runs it.
// Three hold references: the registration, the context while the hook stands there (or whoever
// ends it), and the executor while the item does.
#include "pinion/sync/context_callback.hpp"

#include <exception>
#include <mutex>
#include <utility>

#include "src/sync/context_node.hpp"
#include "src/sync/lasting.hpp"

namespace pinion {
namespace detail {

class context_callback final : private end_hook, private work_item {
 public:
  context_callback(const context& ctx, executor_ref where, std::function<void()> f) noexcept
      : end_hook{settle_hook},
        work_item{run_item, nullptr, drop_item},
        ctx_(ctx),
        where_(where),
        f_(std::move(f)) {}

  void start() noexcept;
  bool try_remove() noexcept;
  void unwant() noexcept;           // does not begin any more
  bool is_quiet() const noexcept {  // with the lock held
    return stage_ == stage::over || (stage_ == stage::running && runner_ == os::thread_id());
  }
  void release() noexcept {
    // acq_rel: whoever frees it sees what the others did.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  wait_list line;  // who waits for `over`; its lock guards the rest

 private:
  enum class stage : std::uint8_t { waiting, posting, unwanted, posted, running, over };

  static void settle_hook(end_hook&, bool) noexcept;
  static void run_item(work_item&) noexcept;
  static void drop_item(work_item&) noexcept;

  void post() noexcept;
  bool begin() noexcept;
  bool is_wanted() noexcept {
    std::lock_guard lock(line);
    return stage_ != stage::unwanted;
  }
  void finish() noexcept;
  void be_refused() noexcept;

  os::atomic<std::uint32_t> references_{1};
  stage stage_ = stage::waiting;
  std::uintptr_t runner_ = 0;
  context ctx_;  // kept until it has ended; background when there is nothing to wait for any more
  const executor_ref where_;
  std::function<void()> f_;  // whose arrow leads to `running` or `over` destroys it
};

void context_callback::start() noexcept {
  cancel_node* const node = cancel_node::of(ctx_.node());
  if (node == nullptr) return;
  // relaxed: nobody else has it so far.
  references_.fetch_add(1, std::memory_order_relaxed);
  if (!node->join(*this)) settle_hook(*this, true);
}

void context_callback::settle_hook(end_hook& hook, bool) noexcept {
  auto& self = static_cast<context_callback&>(hook);
  self.post();
  self.release();
}

// On the canceller's thread.
void context_callback::post() noexcept {
  {
    std::lock_guard lock(line);
    if (stage_ == stage::over) return;
    stage_ = stage::posting;
  }
  // relaxed: a reference is held meanwhile.
  references_.fetch_add(1, std::memory_order_relaxed);
  if (!where_->post(*this)) {
    be_refused();
    release();
    return;
  }
  {
    std::lock_guard lock(line);
    if (stage_ == stage::posting) stage_ = stage::posted;
    if (stage_ != stage::unwanted) return;
  }
  finish();
}

/// False: it is not to run.
bool context_callback::begin() noexcept {
  std::lock_guard lock(line);
  if (stage_ != stage::posting && stage_ != stage::posted) return false;
  stage_ = stage::running;
  runner_ = os::thread_id();
  return true;
}

void context_callback::run_item(work_item& item) noexcept {
  auto& self = static_cast<context_callback&>(item);
  if (self.begin()) {
    try {
      self.f_();
    } catch (...) {
      self.where_->unobserved(error(std::current_exception()), "a callback of a context");
    }
    self.finish();
  }
  self.release();
}

void context_callback::drop_item(work_item& item) noexcept {
  auto& self = static_cast<context_callback&>(item);
  if (self.begin()) self.be_refused();
  self.release();
}

void context_callback::be_refused() noexcept {
  if (is_wanted()) where_->unobserved(errc::not_started, "a callback of a context");
  finish();
}

// Only one thread comes here, or is the one that removes it.
void context_callback::finish() noexcept {
  f_ = nullptr;
  ctx_ = context::background();
  wake_chain woken;  // outlives the lock
  std::lock_guard lock(line);
  stage_ = stage::over;
  line.claim_all(woken);
}

bool context_callback::try_remove() noexcept {
  {
    std::lock_guard lock(line);
    if (stage_ != stage::waiting && stage_ != stage::posted) return false;
    stage_ = stage::over;
  }
  cancel_node* const node = cancel_node::of(ctx_.node());
  if (node != nullptr && node->leave(*this)) release();
  f_ = nullptr;
  ctx_ = context::background();
  return true;
}

void context_callback::unwant() noexcept {
  if (try_remove()) return;
  std::lock_guard lock(line);
  if (stage_ == stage::posting) stage_ = stage::unwanted;
}

}  // namespace detail

using detail::context_callback;

namespace {

// Where those wait who wait for nothing.
constinit lasting<wait_list> for_nothing;

context_callback* callback_of(op<>& o) noexcept {
  return static_cast<context_callback*>(o.object());
}

wait_list& line_of(op<>& o) noexcept {
  context_callback* const callback = callback_of(o);
  return callback != nullptr ? callback->line : for_nothing.it;
}

constexpr op<>::verb wait_for_quiet{
    .list = line_of,
    .try_complete =
        [](op<>& o) noexcept { return callback_of(o) == nullptr || callback_of(o)->is_quiet(); },
    .enlist = [](op<>& o, waiter& who) noexcept { line_of(o).push_back(o.link(who)); },
    .withdraw = [](op<>& o) noexcept { line_of(o).remove(o.link()); },
    .take = [](op<>&) { return result<>(); }};

}  // namespace

callback_registration context::on_done(executor_ref where, std::function<void()> f) const {
  auto* const made = new context_callback(*this, where, std::move(f));
  made->start();
  return callback_registration(*made);
}

bool callback_registration::try_remove() noexcept {
  return callback_ != nullptr && callback_->try_remove();
}

op<> callback_registration::remove() & noexcept {
  if (callback_ != nullptr) callback_->unwant();
  return {wait_for_quiet, callback_, nullptr};
}

void callback_registration::detach() noexcept {
  if (callback_ != nullptr) std::exchange(callback_, nullptr)->release();
}

void callback_registration::leave() noexcept {
  (void)callback_->try_remove();
  detach();
}

}  // namespace pinion
