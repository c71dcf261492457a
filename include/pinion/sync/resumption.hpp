// SPDX-License-Identifier: MIT
// Resumption: how a thread runs a coroutine, and what it does right after the coroutine suspended.
//
//     run_coroutine(h):   h.resume() ── suspends, leaves a step ──> the step ── gives a handle ─┐
//                            ^───────────────────────────────────────────────────────────────┘
//
// A coroutine that publishes itself while it suspends (the last child of a join lets its parent go
// on, a task hands itself to another executor) may be gone before the suspension has returned, and
// compilers keep temporaries of the suspension in the frame. So it leaves that step to the thread,
// which takes it when nothing of the coroutine is on its stack any more. The same way a long chain
// of transfers gives the stack back now and then, where a transfer is not a tail call.
#pragma once

#include <coroutine>

namespace pinion::detail {

/// What to do, and which coroutine to run then; null: none.
using next_step = std::coroutine_handle<> (*)(void* with) noexcept;

/// Runs it until it suspends, and then what it has left to be done.
void run_coroutine(std::coroutine_handle<>) noexcept;

/// For the coroutine that suspends: when it has, the calling thread does that.
/// @pre       it runs in run_coroutine(), and has left nothing yet
void after_suspension(next_step, void* with) noexcept;

}  // namespace pinion::detail
