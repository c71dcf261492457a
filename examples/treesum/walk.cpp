// SPDX-License-Identifier: MIT
#include "walk.hpp"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <sys/stat.h>

namespace treesum {

namespace {

enum class kind { file, directory, other };

kind kind_of(unsigned char type) {
  return type == DT_REG ? kind::file : type == DT_DIR ? kind::directory : kind::other;
}

// For file systems that do not say it in the directory.
kind kind_of(const std::string& path) {
  struct stat s {};
  if (lstat(path.c_str(), &s) != 0) return kind::file;  // opening it will say why
  return S_ISREG(s.st_mode) ? kind::file : S_ISDIR(s.st_mode) ? kind::directory : kind::other;
}

struct closing {
  void operator()(DIR* d) const { closedir(d); }
};

}  // namespace

walk::walk(std::string root) {
  const bool directory = !root.empty() && (root.back() == '/' || kind_of(root) == kind::directory);
  if (directory && root.back() != '/') root += '/';
  ahead_.push_back(std::move(root));
}

void walk::advance() {
  while (!ahead_.empty()) {
    std::string next = std::move(ahead_.back());
    ahead_.pop_back();
    now_ = {};
    if (next.back() != '/') {
      now_.path = std::move(next);
      return;
    }
    descend(std::move(next));
    if (now_.error != 0) return;
  }
  ended_ = true;
}

void walk::descend(std::string directory) {
  const std::unique_ptr<DIR, closing> open(opendir(directory.c_str()));
  const std::size_t before = ahead_.size();
  if (open) errno = 0;
  while (const dirent* entry = open ? readdir(open.get()) : nullptr) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    std::string path = directory;
    path += name;
    const kind k = entry->d_type == DT_UNKNOWN ? kind_of(path) : kind_of(entry->d_type);
    if (k == kind::directory) path += '/';
    if (k != kind::other) ahead_.push_back(std::move(path));
    errno = 0;
  }
  const int wrong = errno;
  if (wrong != 0) {
    if (directory.size() > 1) directory.pop_back();
    now_ = {std::move(directory), wrong};
  }
  std::sort(ahead_.begin() + static_cast<std::ptrdiff_t>(before), ahead_.end(), std::greater<>());
}

}  // namespace treesum
