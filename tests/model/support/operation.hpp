// SPDX-License-Identifier: MIT
// What threads do that others may notice, and where it was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/model/support/clock.hpp"
#include "tests/model/support/memory.hpp"
#include "tests/model/support/place.hpp"

namespace pinion::model {

enum class operation : std::uint8_t {
  start,
  load,
  store,
  read_modify_write,
  failed_exchange,  // a compare-exchange that fails has an order of its own
  fence,
  wait,
  wake,
  destroy,
  pause,
  join,
  end,
};
const char* to_text(operation) noexcept;

/// What a thread will do when it gets its turn.
struct intent {
  operation what = operation::start;
  location_index where = 0;
  bool writes = false;
  bool in_total_order = false;  // takes part in the order of sequential consistency
};

/// Can the order of these two be noticed by anybody?
bool are_dependent(const intent&, const intent&) noexcept;

/// What a thread did.
struct event {
  thread_index who = 0;
  operation what = operation::start;
  location_index where = 0;
  std::uint64_t value = 0;
  store_index store = 0, newest = 0;
  order how = order::relaxed;
  place at;
};

/// Operations that are written in one place: what a mutant changes.
struct site {
  operation what = operation::start;
  place at;
  order how = order::relaxed;

  bool is(operation o, const place& p) const noexcept;
};

/// A change of one site: another order, or as if it were not there.
struct mutant {
  site of;
  order to = order::relaxed;
  bool dropped = false;

  explicit operator bool() const noexcept { return of.what != operation::start; }
};

}  // namespace pinion::model
