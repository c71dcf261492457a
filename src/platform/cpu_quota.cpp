// SPDX-License-Identifier: MIT
// How much CPU time the control group allows.
//
// Both hierarchies may be there at once: the old one with a folder for each controller, the new
// one with a single tree. In each, this process is in a group, that group is in another, and the
// smallest limit on the way up is the one that counts. In a container the tree is mounted from
// some group downwards; then that group's own path has to be cut off.
#include <algorithm>
#include <optional>
#include <sstream>

#include "src/platform/topology_sources.hpp"

namespace pinion::detail {

namespace {

struct hierarchy {
  bool unified = false;
  std::string path;   // of this process's group, in the whole tree
  std::string mount;  // where the tree, or a part of it, is seen
  std::string top;    // what part: the path of the group at the mount point
};

bool has_word(const std::string& list, std::string_view word) {
  std::istringstream words(list);
  for (std::string w; std::getline(words, w, ',');) {
    if (w == word) return true;
  }
  return false;
}

// Lines of "number:controllers:path"; without controllers it is the unified tree.
void find_groups(const std::string& root, hierarchy& v1, hierarchy& v2) {
  std::istringstream lines(read_file(root + "/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) v2.path = line.substr(second + 1);
    if (has_word(controllers, "cpu")) v1.path = line.substr(second + 1);
  }
}

// Blanks and the like are written as a backslash and three octal digits.
std::string unescaped(const std::string& s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto digit = [&](std::size_t k) {
      return i + k < s.size() && s[i + k] >= '0' && s[i + k] <= '7';
    };
    if (s[i] == '\\' && digit(1) && digit(2) && digit(3)) {
      out += static_cast<char>((s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 + (s[i + 3] - '0'));
      i += 3;
    } else {
      out += s[i];
    }
  }
  return out;
}

// Lines of "id parent device top mount options ... - type source super-options".
void find_mounts(const std::string& root, hierarchy& v1, hierarchy& v2) {
  std::istringstream lines(read_file(root + "/proc/self/mountinfo").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const auto dash = line.find(" - ");
    if (dash == line.npos) continue;
    std::string id, parent, device, top, mount, type, source, options;
    std::istringstream(line) >> id >> parent >> device >> top >> mount;
    std::istringstream(line.substr(dash + 3)) >> type >> source >> options;
    hierarchy* const h = type == "cgroup2"                              ? &v2
                         : type == "cgroup" && has_word(options, "cpu") ? &v1
                                                                        : nullptr;
    if (h == nullptr || !h->mount.empty()) continue;
    h->mount = unescaped(mount);
    h->top = unescaped(top);
  }
}

// "max 100000", "150000 100000": time and period.
std::optional<double> limit_v2(const std::string& group) {
  std::istringstream words(read_file(group + "/cpu.max").value_or(""));
  double time = 0, period = 0;
  if (!(words >> time >> period) || time <= 0 || period <= 0) return std::nullopt;
  return time / period;
}

std::optional<double> limit_v1(const std::string& group) {
  std::istringstream time_file(read_file(group + "/cpu.cfs_quota_us").value_or(""));
  std::istringstream period_file(read_file(group + "/cpu.cfs_period_us").value_or(""));
  double time = 0, period = 0;  // the time is -1 when there is no limit
  if (!(time_file >> time) || !(period_file >> period) || time <= 0 || period <= 0) {
    return std::nullopt;
  }
  return time / period;
}

// The group's path below the mount point.
std::string path_below(const hierarchy& h) {
  const std::string& top = h.top;
  if (top == "/" || h.path.compare(0, top.size(), top) != 0) return h.path;
  if (h.path.size() > top.size() && h.path[top.size()] != '/') return h.path;
  return h.path.substr(top.size());
}

// Groups that are not seen from here are passed over.
double smallest_limit(const std::string& root, const hierarchy& h) {
  double smallest = 0;
  if (h.mount.empty()) return smallest;
  std::string below = path_below(h);
  for (;;) {
    while (!below.empty() && below.back() == '/') below.pop_back();
    const std::string group = root + h.mount + below;
    const auto limit = h.unified ? limit_v2(group) : limit_v1(group);
    if (limit && (smallest == 0 || *limit < smallest)) smallest = *limit;
    if (below.empty()) return smallest;
    const auto parent = below.rfind('/');
    below.resize(parent == below.npos ? 0 : parent);
  }
}

}  // namespace

double read_cpu_quota(const std::string& root) {
  hierarchy v1, v2;
  v2.unified = true;
  find_groups(root, v1, v2);
  find_mounts(root, v1, v2);
  const double a = smallest_limit(root, v1);
  const double b = smallest_limit(root, v2);
  return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

}  // namespace pinion::detail
