// SPDX-License-Identifier: MIT
#include "tests/model/support/report.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "tests/model/support/execution.hpp"

namespace pinion::model {

namespace {

constexpr std::size_t events_max = 80;

const char* base_name(const char* file) {
  const char* const slash = std::strrchr(file, '/');
  return slash != nullptr ? slash + 1 : file;
}

// One column a thread, so that who does what is seen at a glance.
std::string line_of(const event& e) {
  char text[256];
  const int indent = static_cast<int>(e.who) * 4;
  std::string what = to_text(e.what);
  if (e.where != 0) what += " #" + std::to_string(e.where);
  std::snprintf(text, sizeof text, "  %*sT%zu %-16s = %-8lld %-8s %s:%u %s%s\n", indent, "", e.who,
                what.c_str(), static_cast<long long>(e.value), to_text(e.how), base_name(e.at.file),
                e.at.line, e.at.function, e.store != e.newest ? "  (an old store)" : "");
  return text;
}

}  // namespace

std::string to_text(const schedule& decisions) {
  std::string text;
  for (const auto d : decisions) {
    if (!text.empty()) text += ',';
    text += std::to_string(d);
  }
  return text;
}

std::string report_of(const execution& e) {
  std::string text = e.failure() + "\n";
  const auto& trace = e.trace();
  const std::size_t from = trace.size() > events_max ? trace.size() - events_max : 0;
  if (from != 0) text += "  ... " + std::to_string(from) + " earlier ones\n";
  for (std::size_t i = from; i < trace.size(); ++i) text += line_of(trace[i]);
  text += e.threads_as_text();
  schedule decisions = e.decisions();
  while (decisions.size() > 1 && decisions.back() == 0) decisions.pop_back();
  return text + "  PINION_MODEL_REPLAY=" + to_text(decisions) + "\n";
}

}  // namespace pinion::model
