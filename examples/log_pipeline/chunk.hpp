// SPDX-License-Identifier: MIT
// A chunk of the log: some whole lines, and what they say when they have been parsed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace log_pipeline {

/// A line of the log.
struct request {
  std::string_view minute, page;
  bool failed = false;
  std::uint64_t bytes = 0, took = 0;
};

/// What is known of a minute, or of a part of it.
struct minute {
  std::string when;
  std::uint64_t requests = 0, failures = 0, bytes = 0, slowest = 0;
  std::string slowest_page;  // the first of the slowest ones

  void add(const request& r) {
    ++requests;
    failures += r.failed ? 1 : 0;
    bytes += r.bytes;
    if (requests == 1 || r.took > slowest) slowest = r.took, slowest_page = r.page;
  }
  void add(const minute& later) {
    requests += later.requests;
    failures += later.failures;
    bytes += later.bytes;
    if (later.slowest > slowest) slowest = later.slowest, slowest_page = later.slowest_page;
  }
};

/// A piece of the log, and what is in it.
struct chunk {
  std::string text;
  std::vector<minute> minutes;
  std::uint64_t lines = 0, bad_lines = 0, first_bad_line = 0;
};
using chunk_ptr = std::unique_ptr<chunk>;

/// Chunks that have been through are filled again.
class chunk_store {
 public:
  chunk_ptr take() {
    const std::lock_guard lock(mutex_);
    if (empty_.empty()) return ++made_, std::make_unique<chunk>();
    chunk_ptr c = std::move(empty_.back());
    empty_.pop_back();
    return c;
  }
  void give_back(chunk_ptr c) {
    const std::lock_guard lock(mutex_);
    empty_.push_back(std::move(c));
  }
  std::size_t made() const { return made_; }

 private:
  std::mutex mutex_;
  std::vector<chunk_ptr> empty_;
  std::size_t made_ = 0;
};

/// The stage: fills in all but the text.
chunk_ptr parse(chunk_ptr);

}  // namespace log_pipeline
