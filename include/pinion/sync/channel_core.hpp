// SPDX-License-Identifier: MIT
// What the handles of a channel share and call: the state under its lock, and what is done without
// the lock: waking who was claimed, giving away what nobody will receive, counting the handles.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "pinion/sync/channel_state.hpp"

namespace pinion::detail {

template <class T>
class channel_core : public channel_state<T>, public std::enable_shared_from_this<channel_core<T>> {
 public:
  using item = channel_item<T>;

  /// @errors    throws std::invalid_argument, std::bad_alloc
  explicit channel_core(channel_options<T>&& o)
      : channel_state<T>(o.capacity, o.policy), on_undelivered_(std::move(o.on_undelivered)) {}
  ~channel_core() { drop_buffered(); }

  send_outcome try_send(item& value) noexcept {
    const road how = this->try_put(value, look::at_once);
    if (how == road::shut) return try_send_locked(value);
    return how == road::passed ? send_outcome::sent : send_outcome::full;
  }

  /// What a send that is tried now would come to; `sent` also when it would be dropped.
  send_outcome look_to_send() noexcept {
    return locked([&] {
      if (this->is_closed()) return send_outcome::closed;
      return this->takes_now() ? send_outcome::sent : send_outcome::full;
    });
  }

  /// Empty: not ready, or (`drained`) never any more.
  std::optional<item> try_receive(bool& drained) noexcept {
    std::optional<item> value;
    const auto into = [&](item&& v) { value.emplace(std::move(v)); };
    if (this->try_get(into, look::at_once) != road::shut) return value;
    claimed_links claimed;
    locked([&] { drained = !this->get(claimed, into) && this->is_drained(); });
    claimed.wake();
    return value;
  }

  bool close(error cause) noexcept {
    claimed_links claimed;
    const bool is_first = locked([&] { return channel_state<T>::close(cause, claimed); });
    claimed.wake();
    return is_first;
  }

  /// What is buffered. Some of it may be left for others when there is no memory for all.
  std::vector<item> take_buffered() {
    std::vector<item> all;
    for (;;) {
      const std::size_t n = locked([&] { return this->size(); });
      if (n == 0) return all;
      all.reserve(all.size() + n);
      locked([&] {
        for (std::size_t i = 0; i<n&& this->size()> 0; ++i)
          this->buffer().pop([&](item&& v) { all.push_back(std::move(v)); });
      });
    }
  }

  /// One of the values that nobody will receive. Never under the lock.
  void undelivered(item& value) noexcept { undelivered_value(value_in<T>(value)); }
  void undelivered_value(T& value) noexcept {
    if (on_undelivered_ == nullptr) return;
    try {
      on_undelivered_(std::move(value));
    } catch (...) {
      print_unobserved_error(error(std::current_exception()), "on_undelivered");
    }
  }

  void use_permit(item value) noexcept {
    claimed_links claimed;
    const bool arrives = locked([&] { return this->put_reserved(value, claimed); });
    claimed.wake();
    if (!arrives) undelivered(value);
  }
  void drop_permit() noexcept {
    claimed_links claimed;
    locked([&] { this->unreserve(claimed); });
    claimed.wake();
  }

  // Handles of one end.
  void add_sender() noexcept {
    locked([&] { ++senders_; });
  }
  void remove_sender() noexcept {
    if (locked([&] { return --senders_ == 0; })) close(errc::closed);
  }
  void add_receiver() noexcept {
    locked([&] { ++receivers_; });
  }
  void remove_receiver() noexcept {
    const bool is_last = locked([&] {
      if (--receivers_ != 0) return false;
      this->abandon();
      return true;
    });
    if (!is_last) return;
    close(errc::closed);
    drop_buffered();
  }

  template <class F>
  auto locked(F&& f) noexcept {
    const std::lock_guard lock(this->line());
    struct holder {
      explicit holder(channel_core& c) noexcept : core(c) { core.begin(); }
      ~holder() { core.end(); }
      channel_core& core;
    };
    const holder mine(*this);
    return f();
  }

 private:
  send_outcome try_send_locked(item& value) noexcept {
    std::optional<item> unwanted;
    claimed_links claimed;
    const send_outcome how = locked([&] {
      return this->put(value, claimed, [&](item&& oldest) { unwanted.emplace(std::move(oldest)); });
    });
    claimed.wake();
    if (how == send_outcome::dropped) unwanted.emplace(std::move(value));
    if (unwanted) undelivered(*unwanted);
    return how;
  }

  void drop_buffered() noexcept {
    for (;;) {
      std::optional<item> value;
      locked([&] {
        if (this->size() > 0) this->buffer().pop([&](item&& v) { value.emplace(std::move(v)); });
      });
      if (!value) return;
      undelivered(*value);
    }
  }

  const std::function<void(T&&)> on_undelivered_;
  std::size_t senders_ = 0, receivers_ = 0;  // guarded by the lock
};

}  // namespace pinion::detail
