// SPDX-License-Identifier: MIT
// The memory model: what each load may see.
//
// Every atomic has the history of its stores, in modification order. Every thread has a view: for
// each atomic the oldest store that it may still read. A load picks any store from there to the
// newest, and raises the view to what it picked.
//
//      history of x      [ 0 ] [ 1 ] [ 2 ] [ 3 ]
//      view of thread A          ^----may read----^
//
// A releasing store carries the writer's view (a relaxed one that of the writer's last release
// fence), and an acquiring load joins the view it finds; a relaxed load keeps it for a later
// acquire fence. A read-modify-write reads the newest store and hands on what that one carried: the
// release sequence. The views travel with vector clocks, which say what happens before what.
//
// Sequential consistency: one more view, of all. A seq_cst store raises it for its own atomic only;
// a seq_cst load reads nothing older; a seq_cst fence joins it both ways. That is why a
// read-modify-write is no fence here, as on real machines.
//
// Not modelled: load buffering (a load that sees a store which comes later in program order of a
// thread that depends on it), a store that goes before an executed one in modification order, and
// accesses of mixed size. What is proven here is proven up to these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "tests/model/support/clock.hpp"

namespace pinion::model {

enum class order : std::uint8_t { relaxed, acquire, release, acq_rel, seq_cst };

constexpr bool acquires(order o) noexcept {
  return o == order::acquire || o == order::acq_rel || o == order::seq_cst;
}
constexpr bool releases(order o) noexcept {
  return o == order::release || o == order::acq_rel || o == order::seq_cst;
}
const char* to_text(order) noexcept;

using location_index = std::uint32_t;  // 0: none
using store_index = std::uint32_t;     // in modification order

/// Of each atomic, the oldest store that may be read.
class view {
 public:
  store_index of(location_index l) const noexcept { return l < oldest_.size() ? oldest_[l] : 0; }
  void raise(location_index l, store_index to);
  void join(const view&);
  void clear() noexcept { oldest_.clear(); }

 private:
  std::vector<store_index> oldest_;
};

/// What a thread knows, and what a store carries to who acquires it.
struct knowledge {
  view stores;
  vector_clock time;

  void join(const knowledge& other) {
    stores.join(other.stores);
    time.join(other.time);
  }
  void clear() noexcept {
    stores.clear();
    time = {};
  }
};

/// One thread's side of the model.
struct thread_memory {
  knowledge now;
  knowledge unacquired;  // of relaxed loads, for an acquire fence
  knowledge at_release;  // of the last release fence, for relaxed stores

  struct repeat {
    store_index store = 0;
    unsigned times = 0;
  };
  std::vector<repeat> repeats;       // how often the same old store was read in a row
  std::vector<location_index> read;  // since the thread last paused

  void clear();
};

/// The atomics of one execution.
class memory {
 public:
  /// Stores become visible in finite time: after so many reads of the same old store in a row, the
  /// next one reads a newer.
  explicit memory(unsigned stale_reads_max) : stale_reads_max_(stale_reads_max) {}

  void clear();

  // --- Atomics come and go.

  location_index create(const void* address, std::uint64_t value, const thread_memory* by,
                        thread_index who);
  /// The atomic at `address`. One that was made before the execution is made here, with `initial`.
  location_index find(const void* address, std::uint64_t initial);
  void destroy(const void* address);
  void destroy_all_in(const void* start, std::size_t bytes);
  bool any_in(const void* start, std::size_t bytes) const;
  bool is_destroyed(location_index l) const noexcept { return locations_[l].destroyed; }
  /// Does `t` know that the atomic has been made?
  bool is_visible(location_index l, const thread_memory& t) const noexcept;

  // --- Accesses.

  store_index newest(location_index l) const noexcept { return locations_[l].count - 1; }
  store_index oldest(location_index l, const thread_memory&, order) const noexcept;
  std::uint64_t value(location_index l, store_index s) const noexcept {
    return locations_[l].history[s].value;
  }
  void read(location_index l, store_index, thread_memory&, order);
  void write(location_index l, std::uint64_t value, thread_memory&, thread_index who, order);
  /// Reads the newest store and replaces it.
  void replace(location_index l, std::uint64_t value, thread_memory&, thread_index who, order);
  void fence(thread_memory&, thread_index who, order);
  /// What entering the kernel for a futex orders: everything.
  void full_barrier(thread_memory&, thread_index who);

  // --- Spinning.

  bool saw_old_stores(const thread_memory&) const noexcept;
  void look_again(thread_memory&);

 private:
  struct stored {
    std::uint64_t value = 0;
    knowledge carried;
  };
  struct location {
    std::vector<stored> history;  // its first `count` are in use; the others keep their memory
    store_index count = 0;
    const void* address = nullptr;
    bool destroyed = false;
    thread_index made_by = nobody;
    std::uint32_t made_at = 0;
  };

  location& add(const void* address, std::uint64_t value);
  stored& append(location&);

  unsigned stale_reads_max_;
  std::vector<location> locations_{1};
  location_index count_ = 0;
  std::unordered_map<const void*, location_index> by_address_;
  view common_;  // of sequential consistency
};

}  // namespace pinion::model
