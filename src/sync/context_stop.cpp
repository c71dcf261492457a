// SPDX-License-Identifier: MIT
// The bridge between contexts and std::stop_token, both ways.
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "pinion/platform/std_stop_token.hpp"
#include "pinion/sync/context.hpp"
#include "src/sync/context_node.hpp"

namespace pinion {

using detail::cancel_node;
using detail::context_node;
using detail::end_hook;

namespace {

// From a token: a context that the token's end cancels. The callback does not keep the node: it
// holds it while it runs, if it still can. The destructor waits for one that runs elsewhere.

class stopped_node final : public cancel_node {
 public:
  stopped_node() noexcept : cancel_node(detail::background_node, forever, role::plain, 0) {
    destroy = destroy_stopped;
  }

  void follow(std::stop_token token) { callback_.emplace(std::move(token), on_stop{this}); }

 private:
  struct on_stop {
    stopped_node* node;
    void operator()() const noexcept {
      if (!node->try_retain()) return;
      const error cause = errc::canceled;
      node->cancel(errc::canceled, &cause);
      node->release();
    }
  };

  static void destroy_stopped(context_node& node) noexcept {
    auto& self = static_cast<stopped_node&>(node);
    self.callback_.reset();
    self.withdraw();
    delete &self;
  }

  std::optional<std::stop_callback<on_stop>> callback_;
};

// To a token: a source among the hooks of the node. Whoever ends the node stops it and frees it;
// the tokens share what they need.

struct stop_hook final : end_hook {
  stop_hook() : end_hook{settle_stop} {}

  static void settle_stop(end_hook& hook, bool ended) noexcept {
    const std::unique_ptr<stop_hook> self(static_cast<stop_hook*>(&hook));
    if (ended) self->source.request_stop();
  }

  std::stop_source source;
};

}  // namespace

context context::from(std::stop_token token) {
  if (!token.stop_possible()) return background();
  auto* const node = new stopped_node;
  context made(*node);
  node->follow(std::move(token));
  return made;
}

std::stop_token context::stop_token() const {
  cancel_node* const node = cancel_node::of(*node_);
  if (node == nullptr) return {};
  std::unique_ptr<stop_hook> fresh;  // outlives the lock
  std::unique_lock lock(node->waiting);
  if (node->stopping == nullptr && !is_done()) {
    lock.unlock();
    fresh = std::make_unique<stop_hook>();
    lock.lock();
    if (node->stopping == nullptr && !is_done()) {
      node->stopping = fresh.release();
      node->hooks.push_back(*node->stopping);
    }
  }
  // Once it is done, the hook belongs to whoever ended it.
  if (!is_done()) return static_cast<stop_hook*>(node->stopping)->source.get_token();
  lock.unlock();
  std::stop_source stopped;
  stopped.request_stop();
  return stopped.get_token();
}

}  // namespace pinion
