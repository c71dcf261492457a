// SPDX-License-Identifier: MIT
// Work-stealing deque: one owner, many thieves.
//
//        thieves take here                      the owner works here
//               |                                       |
//               v                                       v
//      [ .. | top | top+1 | .................. | bottom-1 | bottom | .. ]
//             oldest                              newest      next free
//
// The owner takes the newest item, whose data is still in its cache. Thieves take the oldest,
// which in divide-and-conquer code is the largest piece left.
//
// Invariant: top <= bottom, except inside pop(), where an empty deque briefly has
// bottom == top - 1. top only grows, and winning the CAS from top to top + 1 is owning that item.
//
// Owner and thief can meet only at the last item. Each first moves its own end, or reads its own
// end, and then looks at the other's:
//
//        owner, in pop()                       thief, in steal()
//   P1  bottom = b  (lowered)             S1  read top
//   P2  read top                          S2  read bottom
//                                         S3  CAS top
//
// All five are seq_cst. Where S2 comes after P1, the thief sees the lowered bottom and leaves
// item b alone. Where S2 comes before P1, S1 does too: a thief that takes b has then seen every
// older item gone, so P2 reads top >= b and pop() goes to the CAS as well. One of the two wins.
//
// Indices are 64-bit and signed: no wrap, no recurrence of a value of top, no special case for
// bottom == top - 1 == -1. A deque that grows keeps its outgrown buffers, together smaller than
// the last one, until it ends, because a slow thief may still read from them.
//
// Algorithm: Chase and Lev, SPAA 2005, with the orders of Le, Pop, Cohen and Zappa Nardelli,
// PPoPP 2013, made stronger where named below so that no fence is needed.
// The whole argument is in docs/protocols/deque.md.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "pinion/platform/cache_line.hpp"
#include "pinion/platform/os.hpp"

namespace pinion::lockfree {

/// What fits one atomic: a pointer, or an integer that stands for work.
template <class T>
concept word =
    std::is_trivially_copyable_v<T> && sizeof(T) == 8 && os::atomic<T>::is_always_lock_free;

/// @threads   one owner at a time; any number of thieves
/// @order     what the owner did before a push is visible to whoever takes the item
/// @progress  wait-free, but for a push that grows (it allocates); a steal may lose
/// @lifetime  items left at the end are forgotten; no thief may be inside
template <word T>
class deque {
 public:
  /// @errors    throws std::bad_alloc
  explicit deque(std::size_t initial_capacity = 256)
      : buffer_(buffer::make(initial_capacity, nullptr)) {}
  deque(const deque&) = delete;
  deque& operator=(const deque&) = delete;
  ~deque();

  /// Adds the newest item. It is a seq_cst store: of a load that follows, of a word in which
  /// thieves announce their sleep, and looks_empty() after that announcement, one sees the other.
  /// Whom to wake is the caller's business.
  /// @threads   owner
  /// @cost      one locked instruction on the owner's line; amortised O(1)
  /// @errors    throws std::bad_alloc; the deque is as before
  void push(T item) {
    // relaxed: only the owner writes bottom and buffer.
    const index b = bottom_.load(std::memory_order_relaxed);
    buffer* a = buffer_.load(std::memory_order_relaxed);  // relaxed: as above
    if (b - top_seen_ >= a->capacity()) [[unlikely]]
      a = make_room(1);
    a->put(b, item);
    // seq_cst: publishes the slot to S2 of steal(), and against the caller's load (see above).
    bottom_.store(b + 1, std::memory_order_seq_cst);
  }

  /// Would a push go through without growing?
  /// @threads   owner
  bool has_room() noexcept {
    // relaxed: only the owner writes bottom and buffer.
    const index b = bottom_.load(std::memory_order_relaxed);
    const index capacity =
        buffer_.load(std::memory_order_relaxed)->capacity();  // relaxed: as above
    if (b - top_seen_ < capacity) return true;
    // acquire: the thieves have read the slots below; pairs with S3 of steal().
    top_seen_ = top_.load(std::memory_order_acquire);
    return b - top_seen_ < capacity;
  }

  /// As push() of each in turn, but seen by thieves all at once.
  /// @cost      one locked instruction in all
  void push_many(std::span<const T> items);

  /// Takes the newest item. False: there is none; an empty deque is not written.
  /// @threads   owner
  bool pop(T& out) noexcept {
    // relaxed: only the owner writes bottom.
    const index b = bottom_.load(std::memory_order_relaxed) - 1;
    if (b < top_seen_) return false;  // top only grows: what was empty is empty
    // P1. seq_cst: against S2 of steal().
    bottom_.store(b, std::memory_order_seq_cst);
    // P2. seq_cst: against S1 and S3 of steal(). As an acquire it lets push reuse freed slots.
    top_seen_ = top_.load(std::memory_order_seq_cst);
    if (top_seen_ < b) [[likely]] {
      // relaxed: only the owner writes buffer.
      out = buffer_.load(std::memory_order_relaxed)->get(b);
      return true;
    }
    return pop_last(b, out);
  }

  /// Takes the oldest item. False: there is none, or somebody else was faster.
  /// @threads   any
  bool steal(T& out) noexcept { return steal_batch({&out, 1}) == 1; }

  /// Takes the oldest items, one by one, up to half of those there are (rounded up) and at most
  /// out.size(). How many: 0 when there is none, or somebody else was faster with the first.
  /// @threads   any
  std::size_t steal_batch(std::span<T> out) noexcept;

  /// @threads   any
  std::size_t size_approx() const noexcept {
    // relaxed, both: a guess orders nothing.
    const index t = top_.load(std::memory_order_relaxed);
    const index b = bottom_.load(std::memory_order_relaxed);
    return b > t ? static_cast<std::size_t>(b - t) : 0;
  }

  /// For who has announced, by a seq_cst write, that it is about to sleep: false if an item is
  /// there whose pusher did not see that announcement.
  /// @threads   any
  bool looks_empty() const noexcept {
    // seq_cst, top first: with an older top the answer errs towards "not empty" only.
    const index t = top_.load(std::memory_order_seq_cst);
    // seq_cst: against the store of bottom in push.
    return bottom_.load(std::memory_order_seq_cst) <= t;
  }

 private:
  using index = std::int64_t;

  /// A power of two of slots, behind this header; index i is in slot i & mask.
  struct alignas(cache_line_size) buffer {
    const index mask;
    buffer* const outgrown;  // the one before, kept for late thieves

    static buffer* make(std::size_t least, buffer* outgrown);
    static void destroy(buffer*) noexcept;

    index capacity() const noexcept { return mask + 1; }
    os::atomic<T>* slots() noexcept { return reinterpret_cast<os::atomic<T>*>(this + 1); }

    // relaxed, both: bottom publishes slots, and a thief uses what it read only if its CAS on
    // top proves that the slot was still its item's.
    T get(index i) noexcept { return slots()[i & mask].load(std::memory_order_relaxed); }
    void put(index i, T item) noexcept {
      slots()[i & mask].store(item, std::memory_order_relaxed);  // relaxed: as above
    }
  };

  bool pop_last(index b, T& out) noexcept;
  buffer* make_room(std::size_t count);

  // Contended: thieves write it, the owner only for the last item.
  alignas(cache_line_size) os::atomic<index> top_{0};

  // Written by the owner, read by thieves.
  alignas(cache_line_size) os::atomic<index> bottom_{0};
  os::atomic<buffer*> buffer_;

  // The owner alone. A private part, items above bottom that thieves cannot see, has its index
  // here too.
  alignas(cache_line_size) index top_seen_ = 0;  // a value top once had
};

// ---------------------------------------------------------------------------------------------

template <word T>
deque<T>::~deque() {
  buffer* a = buffer_.load(std::memory_order_relaxed);  // relaxed: nobody else is inside
  while (a != nullptr) {
    buffer* const outgrown = a->outgrown;
    buffer::destroy(a);
    a = outgrown;
  }
}

template <word T>
auto deque<T>::buffer::make(std::size_t least, buffer* outgrown) -> buffer* {
  constexpr std::size_t most = std::size_t{1} << 58;  // slots; their bytes still fit a size
  if (least > most) throw std::bad_array_new_length();
  const std::size_t capacity = std::bit_ceil(std::max<std::size_t>(least, 2));
  void* const memory = ::operator new (sizeof(buffer) + capacity * sizeof(os::atomic<T>),
                                       std::align_val_t{alignof(buffer)});
  auto* const made = new (memory) buffer{static_cast<index>(capacity) - 1, outgrown};
  std::uninitialized_value_construct_n(made->slots(), capacity);
  return made;
}

template <word T>
void deque<T>::buffer::destroy(buffer* a) noexcept {
  ::operator delete (a, std::align_val_t{alignof(buffer)});
}

template <word T>
void deque<T>::push_many(std::span<const T> items) {
  if (items.empty()) return;
  // relaxed: only the owner writes bottom and buffer.
  index b = bottom_.load(std::memory_order_relaxed);
  buffer* a = buffer_.load(std::memory_order_relaxed);  // relaxed: as above
  if (b - top_seen_ + std::ssize(items) > a->capacity()) a = make_room(items.size());
  for (const T item : items) a->put(b++, item);
  // seq_cst: publishes all the slots; otherwise as in push.
  bottom_.store(b, std::memory_order_seq_cst);
}

/// The rest of pop(), when at most item b is left: take it before a thief does, and lift bottom.
template <word T>
bool deque<T>::pop_last(index b, T& out) noexcept {
  bool mine = false;
  if (index t = b; top_seen_ == t) {
    // seq_cst: against S3 of steal(). acquire: the thief that won has read its slot, which push
    // may soon use again.
    mine = top_.compare_exchange_strong(t, b + 1, std::memory_order_seq_cst,
                                        std::memory_order_acquire);
    // relaxed: only the owner writes buffer.
    if (mine) out = buffer_.load(std::memory_order_relaxed)->get(b);
  }
  top_seen_ = b + 1;
  // release: no item is published here, but no thief may see bottom lifted before top is.
  bottom_.store(b + 1, std::memory_order_release);
  return mine;
}

template <word T>
std::size_t deque<T>::steal_batch(std::span<T> out) noexcept {
  // S1. seq_cst: against P1 and P2 of pop().
  index t = top_.load(std::memory_order_seq_cst);
  // S2. seq_cst: against P1 of pop(); as an acquire it sees the slots below bottom.
  const index b = bottom_.load(std::memory_order_seq_cst);
  if (t >= b || out.empty()) return 0;
  const std::size_t wanted = std::min(out.size(), (static_cast<std::size_t>(b - t) + 1) / 2);
  for (std::size_t taken = 0;;) {
    // acquire: sees the copied slots; pairs with the release in make_room. It comes after S2, so
    // the buffer is not older than the one in which the item was pushed.
    const T item = buffer_.load(std::memory_order_acquire)->get(t);
    // S3. seq_cst: against P2 of pop(). relaxed: a loser uses nothing of what it read.
    if (!top_.compare_exchange_strong(t, t + 1, std::memory_order_seq_cst,
                                      std::memory_order_relaxed))
      return taken;
    out[taken] = item;
    if (++taken == wanted) return taken;
    // S2 again: the owner may have taken from the other end, and S3 stands for S1.
    if (++t >= bottom_.load(std::memory_order_seq_cst)) return taken;
  }
}

/// Room for `count` more items: in what thieves have emptied, or in a larger buffer.
template <word T>
[[gnu::noinline]] auto deque<T>::make_room(std::size_t count) -> buffer* {
  // relaxed: only the owner writes bottom and buffer.
  const index b = bottom_.load(std::memory_order_relaxed);
  buffer* const a = buffer_.load(std::memory_order_relaxed);  // relaxed: as above
  // acquire: the thieves have read the slots below; pairs with S3 of steal().
  top_seen_ = top_.load(std::memory_order_acquire);
  const std::size_t needed = static_cast<std::size_t>(b - top_seen_) + count;
  const auto capacity = static_cast<std::size_t>(a->capacity());
  if (needed <= capacity) return a;
  buffer* const larger = buffer::make(std::max(needed, 2 * capacity), a);
  for (index i = top_seen_; i < b; ++i) larger->put(i, a->get(i));
  // release: publishes the copies; pairs with the acquire in steal_batch.
  buffer_.store(larger, std::memory_order_release);
  return larger;
}

}  // namespace pinion::lockfree
