// SPDX-License-Identifier: MIT
// How a context takes part in a wait: by one more link, in the context's own list.
#pragma once

#include "pinion/sync/result.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion {

class context;

/// The context's part in a wait: one more link that may win it. Movable while not enlisted.
class context_link : public wait_link {
 public:
  explicit context_link(const context* bound) noexcept : bound_(bound) {}

  const context* bound() const noexcept { return bound_; }  // null: cannot be canceled

  bool ended() const noexcept { return bound_ != nullptr && is_done(); }  // step 1
  error reason() const noexcept;  // what a wait reports that ended or began with ended()

  /// Step 5. False: the context is done and has won, here and now; nobody will wake the waiter.
  bool enlist(waiter& who) noexcept { return bound_ == nullptr || join(who); }
  void withdraw() noexcept {
    if (list_ != nullptr) leave();
  }

 private:
  bool is_done() const noexcept;
  bool join(waiter&) noexcept;
  void leave() noexcept;

  const context* bound_;
  wait_list* list_ = nullptr;  // where it stands while enlisted
};

}  // namespace pinion
