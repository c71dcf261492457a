// SPDX-License-Identifier: MIT
// Durations as people type them: 250us, 500ms, 10s, 2m.
#pragma once

#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "pinion/platform/clock.hpp"

namespace examples {

inline std::optional<pinion::duration> parse_duration(std::string_view text) {
  using namespace std::chrono_literals;
  constexpr std::pair<std::string_view, pinion::duration> units[] = {
      {"ns", 1ns}, {"us", 1us}, {"ms", 1ms}, {"s", 1s}, {"m", 1min}, {"h", 1h}};
  long long count = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (wrong != std::errc{} || count < 0) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, length] : units) {
    if (unit != name) continue;
    if (count > pinion::duration::max() / length) return std::nullopt;
    return count * length;
  }
  return std::nullopt;
}

}  // namespace examples
