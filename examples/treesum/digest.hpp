// SPDX-License-Identifier: MIT
// SHA-256 of one file, and the line that sha256sum prints for it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "pinion/sync/context.hpp"
#include "pinion/sync/rate_limiter.hpp"
#include "pinion/sync/result.hpp"

namespace treesum {

using digest = std::array<unsigned char, 32>;

/// Reads the file, `block` bytes at a time at the given pace; adds them to `bytes` as it goes.
/// @errors    failed, with the text of the system; why `ctx` ended
pinion::result<digest> sum(const pinion::context& ctx, const std::string& path, std::size_t block,
                           pinion::rate_limiter& pace, std::atomic<std::uint64_t>& bytes);

/// With the newline. A name with a backslash, a newline or a carriage return is escaped, and the
/// line begins with a backslash to say so.
std::string line(const digest&, std::string_view path);

/// The path as line() writes it.
std::string escaped(std::string_view path);

}  // namespace treesum
