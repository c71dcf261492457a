// SPDX-License-Identifier: MIT
// op<T>: an operation as an object and a table of functions. With it, who makes something that can
// be waited for writes five short functions, and no class.
#pragma once

#include <cstdint>
#include <utility>
#include <variant>

#include "pinion/sync/context_link.hpp"
#include "pinion/sync/lock_set.hpp"
#include "pinion/sync/operation.hpp"
#include "pinion/sync/result.hpp"
#include "pinion/sync/waiter.hpp"

namespace pinion {

/// The operation nearly every verb returns: an object, and that object's way to do the verb.
/// `Payload` is what it carries to the object, e.g. the value to send.
template <class T = void, class Payload = std::monostate>
class [[nodiscard]] op : public operation_base<op<T, Payload>, T>, private wait_link {
 public:
  /// The object's side, one constant table per verb.
  struct verb {
    wait_list& (*list)(op&) noexcept;
    bool (*try_complete)(op&) noexcept;
    void (*enlist)(op&, waiter&) noexcept;
    void (*withdraw)(op&) noexcept;
    result<T> (*take)(op&);
    attempt (*try_now)(op&) noexcept = nullptr;  // optional: without the lock
    // Optional, for a coroutine whose wait nothing but this object can end: lock, try_complete() or
    // else enlist() a waiter that stands alone, unlock. Does it wait? An object that has this takes
    // what it claims out of the line under the lock, so withdraw() has nothing to do then, and
    // enlist() leaves nothing for after the unlock.
    bool (*begin_alone)(op&, waiter_place) noexcept = nullptr;
    // Without an object there is nothing to wait for: as a case of a select it is switched off.
    bool off_without_object = false;
  };

  op(const verb& how, void* object, const context* bound, Payload carried = {}) noexcept
      : operation_base<op, T>(bound), how_(&how), object_(object), payload_(std::move(carried)) {}
  op(op&&) = default;
  op& operator=(op&&) = default;

  /// Still here if the operation did not succeed: a value that was not sent is not lost.
  Payload& payload() noexcept { return payload_; }

  // For the functions of a verb.
  void* object() const noexcept { return object_; }
  std::uint64_t& word() noexcept { return word_; }  // the verb's own: an amount, a time
  wait_link& link() noexcept { return *this; }
  wait_link& link(waiter& who) noexcept {  // made ready for `who`
    wait_link::operator=({&who, nullptr, nullptr});
    return *this;
  }
  static op& of(wait_link& link) noexcept { return static_cast<op&>(link); }  // whose it is

  wait_list& list() noexcept { return how_->list(*this); }
  void collect(lock_set& locks) noexcept { locks.add(list()); }
  bool try_now() noexcept { return attempt_now() == attempt::done; }
  bool try_complete() noexcept { return how_->try_complete(*this); }
  void enlist(waiter& who) noexcept { how_->enlist(*this, who); }
  void withdraw() noexcept { how_->withdraw(*this); }
  bool begin_alone(waiter_place place) noexcept { return how_->begin_alone(*this, place); }
  bool owns(const wait_link& link) const noexcept { return &link == this; }
  bool stands_alone() const noexcept {
    return how_->begin_alone != nullptr && this->own_context().bound() == nullptr;
  }
  bool is_out(const waiter& who) const noexcept {
    return how_->begin_alone != nullptr && who.winner() == this;
  }
  bool never_ready() const noexcept { return object_ == nullptr && how_->off_without_object; }
  bool may_complete() const noexcept { return !never_ready(); }
  result<T> take() { return how_->take(*this); }
  attempt attempt_now() noexcept {
    return how_->try_now != nullptr ? how_->try_now(*this) : attempt::needs_lock;
  }

 private:
  const verb* how_;
  void* object_;
  std::uint64_t word_ = 0;
  [[no_unique_address]] Payload payload_;
};

}  // namespace pinion
