// SPDX-License-Identifier: MIT
// An operation of one's own: a latch that opens once. A type that keeps a line, a flag under its
// lock and five short functions can be waited for like all that the library has: on a thread, with
// a context, as one of several.
#include <cstdio>
#include <mutex>
#include <thread>

#include "pinion/sync/context.hpp"
#include "pinion/sync/op.hpp"

namespace {

using namespace std::chrono_literals;
using pinion::op;

class latch {
 public:
  op<> wait_open(const pinion::context& ctx) { return {how, this, &ctx}; }
  op<> wait_open(pinion::scoped_context&&) = delete;  // must outlive the wait

  void open() noexcept {
    pinion::wake_chain woken;  // outlives the lock; then wakes, and *this may be gone
    const std::lock_guard lock(line_);
    open_ = true;
    line_.claim_all(woken);
  }

 private:
  static latch& of(op<>& o) noexcept { return *static_cast<latch*>(o.object()); }
  static const op<>::verb how;

  pinion::wait_list line_;
  bool open_ = false;  // guarded by line_
};

const op<>::verb latch::how{
    .list = [](op<>& o) noexcept -> pinion::wait_list& { return of(o).line_; },
    .try_complete = [](op<>& o) noexcept { return of(o).open_; },
    .enlist = [](op<>& o, pinion::waiter& w) noexcept { of(o).line_.push_back(o.link(w)); },
    .withdraw = [](op<>& o) noexcept { of(o).line_.remove(o.link()); },
    .take = [](op<>&) { return pinion::result<>(); }};

const char* outcome(const pinion::result<>& r) {
  return r ? "open" : r.error().is_timeout() ? "out of time" : "canceled";
}

}  // namespace

int main() {
  latch gate;
  const auto ctx = with_cancel(pinion::context::background());
  const auto hurried = with_timeout(ctx, 1ms);
  std::printf("%s\n", outcome(gate.wait_open(hurried).wait()));  // nobody has opened it

  std::thread opener([&gate] { gate.open(); });
  std::printf("%s\n", outcome(gate.wait_open(ctx).wait()));
  opener.join();
  std::printf("%s\n", outcome(gate.wait_open(ctx).wait()));  // and it stays open
  return 0;
}
