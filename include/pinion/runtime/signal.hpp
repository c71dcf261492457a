// SPDX-License-Identifier: MIT
// From a signal to a canceled context.
//
//     auto ctx = with_signals(context::background(), {SIGINT, SIGTERM});
//     serve(ctx);   // ends when Ctrl-C is pressed; ctx.cause().what(): "canceled: signal 2"
#pragma once

#include <initializer_list>
#include <memory>

#include "pinion/sync/context.hpp"

namespace pinion {

namespace detail {
struct signal_registration;
}

/// A context that ends with a signal, with cancel(), or with its scope. Move-only.
class [[nodiscard]] signal_context : public context {
 public:
  signal_context(signal_context&&) noexcept;
  signal_context& operator=(signal_context&&) = delete;
  /// Cancels, and gives the signals back as with_signals() found them in the calling thread,
  /// unless another such context still waits for them.
  ~signal_context();

  bool cancel(error cause = errc::canceled) noexcept;

 private:
  friend signal_context with_signals(const context&, std::initializer_list<int>);
  explicit signal_context(std::shared_ptr<detail::signal_registration>) noexcept;

  std::shared_ptr<detail::signal_registration> registration_;
};

/// Canceled by the first of these signals, with cause "signal N". While it lives they are blocked
/// in the calling thread and no longer end the process; a second one does not either. A signal that
/// is sent to one thread, as raise() does, is not seen. A std::stop_callback of it runs on the
/// thread that receives signals, and may make such contexts and destroy them, this one too.
/// Call it early in main: threads that are started later inherit the mask.
/// @cost      one thread, shared by all such contexts, started by the first
/// @errors    throws std::invalid_argument for a number that is no signal or cannot be blocked,
///            std::bad_alloc, std::system_error
signal_context with_signals(const context& parent, std::initializer_list<int> signals);

}  // namespace pinion
