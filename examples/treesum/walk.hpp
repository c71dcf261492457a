// SPDX-License-Identifier: MIT
// A directory tree as a range of its regular files, in the byte order of their paths.
//
// A directory's entries are sorted with a slash behind the names of directories, as they stand in
// the paths below them; so "a.b" comes before "a/b", and no path has to be held back. What is in
// memory at a time is the rest of each directory from the root to the current file.
#pragma once

#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

namespace treesum {

/// A regular file; or what could not be looked at, and why.
struct found {
  std::string path;
  int error = 0;  // errno; 0: a file
};

/// Does not follow symbolic links. One pass.
class walk {
 public:
  explicit walk(std::string root);

  class iterator {
   public:
    using value_type = found;
    using difference_type = std::ptrdiff_t;

    explicit iterator(walk& of) : of_(&of) { of_->advance(); }
    found operator*() const { return std::move(of_->now_); }  // once
    iterator& operator++() {
      of_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return of_->ended_; }

   private:
    walk* of_;
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  void advance();
  void descend(std::string directory);

  // Paths not yet visited, the next one last; directories end in a slash.
  std::vector<std::string> ahead_;
  found now_;
  bool ended_ = false;
};

}  // namespace treesum
