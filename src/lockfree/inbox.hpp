// SPDX-License-Identifier: MIT
// Inbox: a list that anybody pushes to and one consumer empties, linked through the nodes.
//
//      head_ (consumer)                                   tail_ (producers)
//        |                                                   |
//        v                                                   v
//      [stub] -> [ oldest ] -> [ .. ] -> [ .. ]  (gap)  [ newest ]
//
// A producer swaps itself in as the tail, then links its predecessor to itself. Between the two
// there is a gap: everything behind it is pushed but cannot be reached yet. pop() says so by
// returning null while empty() is false.
//
// Progress: push is wait-free and cannot fail. pop is wait-free; a producer that is stopped in the
// gap hides what is behind it until it goes on.
// Algorithm: Dmitry Vyukov's intrusive MPSC queue.
#pragma once

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::lockfree {

/// Node has a member `os::atomic<Node*> next`.
template <class Node>
class inbox {
 public:
  inbox() noexcept = default;
  inbox(const inbox&) = delete;
  inbox& operator=(const inbox&) = delete;

  /// @threads   any
  void push(Node& node) noexcept { link(node); }

  /// The oldest node, or null when there is none or a producer is in the gap.
  /// @threads   one consumer at a time
  Node* pop() noexcept {
    Node* head = head_;
    Node* next = next_of(head);
    if (head == &stub_) {
      if (next == nullptr) return nullptr;
      head_ = head = next;
      next = next_of(head);
    }
    if (next == nullptr) {
      // relaxed: only compared; the links carry the order.
      if (tail_.load(std::memory_order_relaxed) != head) return nullptr;  // a producer in the gap
      link(stub_);
      next = next_of(head);
      if (next == nullptr) return nullptr;
    }
    head_ = next;
    return head;
  }

  /// False while anything is pushed and not popped. For the look before a sleep.
  /// @threads   the consumer
  bool empty() const noexcept {
    // seq_cst: the sleeper's look, against the pusher's RMW on the tail. The head counts too: the
    // stub may be the newest node while older ones wait behind a gap.
    return head_ == &stub_ && tail_.load(std::memory_order_seq_cst) == &stub_;
  }

  /// The same, for anybody, about a consumer that sleeps: it has found the stub at both ends.
  /// @threads   any
  bool looks_empty() const noexcept {
    // seq_cst: against the pusher's RMW on the tail and its look at the flag after that.
    return tail_.load(std::memory_order_seq_cst) == &stub_;
  }

 private:
  static Node* next_of(Node* node) noexcept {
    // acquire: sees the node that is linked; pairs with the release in link().
    return node->next.load(std::memory_order_acquire);
  }

  void link(Node& node) noexcept {
    node.next.store(nullptr, std::memory_order_relaxed);  // relaxed: published by what follows
    // seq_cst: in one order with empty() and with the idle word that the caller looks at next.
    Node* before = tail_.exchange(&node, std::memory_order_seq_cst);
    // release: publishes the node; pairs with the acquire in next_of().
    before->next.store(&node, std::memory_order_release);
  }

  alignas(cache_line_size) os::atomic<Node*> tail_{&stub_};
  alignas(cache_line_size) Node* head_ = &stub_;  // the consumer's
  Node stub_;
};

}  // namespace pinion::lockfree
