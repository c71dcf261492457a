// SPDX-License-Identifier: MIT
#include "tests/model/support/operation.hpp"

#include <cstring>

namespace pinion::model {

const char* to_text(operation o) noexcept {
  constexpr const char* texts[] = {"start", "load", "store",   "rmw",   "failed", "fence",
                                   "wait",  "wake", "destroy", "pause", "join",   "end"};
  return texts[static_cast<std::size_t>(o)];
}

namespace {

// Who waits, or lets others go on, is looked at by everybody.
bool concerns_all(operation o) noexcept {
  return o >= operation::wait && o != operation::end;
}

}  // namespace

bool are_dependent(const intent& a, const intent& b) noexcept {
  if (a.what == operation::start || b.what == operation::start) return false;
  if (concerns_all(a.what) || concerns_all(b.what)) return true;
  if (a.in_total_order && b.in_total_order) return true;
  return a.where != 0 && a.where == b.where && (a.writes || b.writes);
}

bool site::is(operation o, const place& p) const noexcept {
  return what == o && at.line == p.line && (at.file == p.file || std::strcmp(at.file, p.file) == 0);
}

}  // namespace pinion::model
