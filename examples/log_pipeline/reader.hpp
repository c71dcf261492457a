// SPDX-License-Identifier: MIT
// The source: a file in chunks of whole lines.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "chunk.hpp"
#include <fcntl.h>
#include <unistd.h>

#include "pinion/sync/executor.hpp"
#include "pinion/sync/result.hpp"

namespace log_pipeline {

/// Cuts the file into chunks that end where a line ends.
class reader {
 public:
  reader(const std::string& path, std::size_t chunk_size, chunk_store& store)
      : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)), chunk_size_(chunk_size), store_(store) {
    if (file_ < 0) throw std::system_error(errno, std::generic_category(), path);
  }
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;
  ~reader() { close(file_); }

  /// Nothing: the end.
  pinion::result<std::optional<chunk_ptr>> next() {
    chunk_ptr c = store_.take();
    if (auto filled = fill(c->text); !filled) return filled.error();
    const std::size_t end = at_end_ ? c->text.size() : c->text.rfind('\n') + 1;
    if (end == 0 && !at_end_) {
      return pinion::error("the line at byte " + std::to_string(bytes_) +
                           " is longer than a chunk, " + std::to_string(chunk_size_) + " bytes");
    }
    rest_.assign(c->text, end);
    c->text.resize(end);
    bytes_ += end;
    if (end == 0) return std::optional<chunk_ptr>();
    return std::optional(std::move(c));
  }

  std::uint64_t bytes() const { return bytes_; }

 private:
  // What the last chunk has left over, and what follows.
  pinion::result<> fill(std::string& text) {
    std::size_t have = rest_.size();
    text.swap(rest_);
    text.resize(chunk_size_);
    while (have < chunk_size_ && !at_end_) {
      const ssize_t n = read_some(&text[have], chunk_size_ - have);
      if (n < 0) return pinion::error(std::generic_category().message(static_cast<int>(-n)));
      at_end_ = n == 0;
      have += static_cast<std::size_t>(n);
    }
    text.resize(have);
    return {};
  }

  // Another thread has this worker's core meanwhile. Negative: what went wrong.
  ssize_t read_some(char* to, std::size_t most) const {
    return pinion::blocking([&] {
      ssize_t n = -1;
      do {
        n = read(file_, to, most);
      } while (n < 0 && errno == EINTR);
      return n < 0 ? -errno : n;
    });
  }

  const int file_;
  const std::size_t chunk_size_;
  chunk_store& store_;
  std::string rest_;
  bool at_end_ = false;
  std::uint64_t bytes_ = 0;
};

}  // namespace log_pipeline
