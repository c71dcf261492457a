// SPDX-License-Identifier: MIT
#include "chunk.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

namespace log_pipeline {

namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t n = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, wrong] = std::from_chars(text.data(), end, n);
  if (wrong != std::errc{} || stopped != end) return std::nullopt;
  return n;
}

std::optional<request> parse_line(std::string_view line) {
  std::string_view fields[6];
  for (std::size_t i = 0; i < 6; ++i) {
    const std::size_t end = std::min(line.find(' '), line.size());
    fields[i] = line.substr(0, end);
    if (fields[i].empty() || (end == line.size()) != (i == 5)) return std::nullopt;
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  const auto status = number(fields[3]);
  const auto bytes = number(fields[4]);
  const auto took = number(fields[5]);
  constexpr std::size_t to_the_minute = 16;  // 2026-01-01T00:00
  if (fields[0].size() < to_the_minute || !status || !bytes || !took) return std::nullopt;
  return request{fields[0].substr(0, to_the_minute), fields[2], *status >= 500, *bytes, *took};
}

}  // namespace

chunk_ptr parse(chunk_ptr c) {
  c->minutes.clear();
  c->lines = c->bad_lines = 0;
  for (std::string_view left = c->text; !left.empty();) {
    const std::size_t end = std::min(left.find('\n'), left.size());
    const auto one = parse_line(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
    ++c->lines;
    if (!one) {
      if (c->bad_lines++ == 0) c->first_bad_line = c->lines;
      continue;
    }
    if (c->minutes.empty() || c->minutes.back().when != one->minute) {
      c->minutes.emplace_back().when = one->minute;
    }
    c->minutes.back().add(*one);
  }
  return c;
}

}  // namespace log_pipeline
