// SPDX-License-Identifier: MIT
// The machine from the kernel's own files, for builds without the topology library.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

#include "src/platform/cpu_mask.hpp"
#include "src/platform/topology_sources.hpp"

namespace pinion::detail {

namespace {

constexpr std::string_view blanks = " \t\r\n";

std::string_view trimmed(std::string_view s) noexcept {
  const auto first = s.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return s.substr(first, s.find_last_not_of(blanks) - first + 1);
}

std::optional<unsigned> parse_number(std::string_view s) noexcept {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), value);
  if (error != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return value;
}

std::optional<unsigned> number_in(const std::string& path) {
  const auto text = read_file(path);
  return text ? parse_number(trimmed(*text)) : std::nullopt;
}

std::optional<std::vector<unsigned>> cpu_list_in(const std::string& path) {
  const auto text = read_file(path);
  return text ? parse_cpu_list(*text) : std::nullopt;
}

// CPUs with the same list share something; its first member stands for it.
unsigned first_in(const std::string& path) {
  const auto list = cpu_list_in(path);
  return list && !list->empty() ? list->front() : unknown;
}

// The L2 cache and the last-level cache, where one is known above it.
void read_caches(const std::string& folder, pu& p) {
  constexpr unsigned indices_max = 16;
  unsigned last_level = 2;
  for (unsigned i = 0; i < indices_max; ++i) {
    const std::string index = folder + "/cache/index" + std::to_string(i);
    const auto level = number_in(index + "/level");
    if (!level) return;
    const auto type = read_file(index + "/type");
    if (type && trimmed(*type) == "Instruction") continue;
    const unsigned shared = first_in(index + "/shared_cpu_list");
    if (*level == 2) p.l2 = shared;
    if (*level > last_level) {
      last_level = *level;
      p.cache = shared;
    }
  }
}

pu read_pu(const std::string& cpus, unsigned os_index, bool online) {
  pu p;
  p.os_index = os_index;
  p.usable = online;
  p.core = p.l2 = p.cache = p.numa_node = p.package = unknown;
  if (!online) return p;
  const std::string folder = cpus + "/cpu" + std::to_string(os_index);
  p.core = first_in(folder + "/topology/core_cpus_list");
  if (p.core == unknown) p.core = first_in(folder + "/topology/thread_siblings_list");
  p.package = number_in(folder + "/topology/physical_package_id").value_or(unknown);
  p.speed = number_in(folder + "/cpu_capacity").value_or(0);
  read_caches(folder, p);
  return p;
}

// Nodes are numbered by their place among those there are, as the rows of distances are.
void read_nodes(const std::string& nodes, topology& t) {
  const auto numbers = cpu_list_in(nodes + "/online").value_or(std::vector<unsigned>{});
  for (unsigned i = 0; i < numbers.size(); ++i) {
    const std::string folder = nodes + "/node" + std::to_string(numbers[i]);
    const auto members = cpu_list_in(folder + "/cpulist").value_or(std::vector<unsigned>{});
    for (pu& p : t.pus) {
      if (std::binary_search(members.begin(), members.end(), p.os_index)) p.numa_node = i;
    }
    std::istringstream row(read_file(folder + "/distance").value_or(""));
    t.distances.emplace_back(std::istream_iterator<unsigned>(row),
                             std::istream_iterator<unsigned>());
  }
  const auto whole = [&](const auto& row) { return row.size() == numbers.size(); };
  if (!std::all_of(t.distances.begin(), t.distances.end(), whole)) t.distances.clear();
}

std::string cpu_folder(const std::string& root) {
  return root + "/sys/devices/system/cpu";
}

}  // namespace

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return std::nullopt;
  return text;
}

std::optional<std::vector<unsigned>> parse_cpu_list(std::string_view text) {
  std::vector<unsigned> cpus;
  text = trimmed(text);
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    const auto dash = item.find('-');
    const auto from = parse_number(trimmed(item.substr(0, dash)));
    const auto to = dash == item.npos ? from : parse_number(trimmed(item.substr(dash + 1)));
    if (!from || !to || *from > *to || *to >= cpu_mask::limit) return std::nullopt;
    for (unsigned cpu = *from; cpu <= *to; ++cpu) cpus.push_back(cpu);
    text.remove_prefix(item.size());
    if (text.empty()) break;
    text.remove_prefix(1);
    if (text.empty()) return std::nullopt;  // ends with a comma
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::vector<unsigned> read_isolated(const std::string& root) {
  return cpu_list_in(cpu_folder(root) + "/isolated").value_or(std::vector<unsigned>{});
}

std::optional<machine_reading> read_sysfs(const std::string& root) {
  const std::string cpus = cpu_folder(root);
  const auto online = cpu_list_in(cpus + "/online");
  auto present = cpu_list_in(cpus + "/present");
  if (!present) present = online;
  if (!present || present->empty()) return std::nullopt;
  machine_reading r;
  r.machine.source = "kernel files";
  for (const unsigned cpu : *present) {
    const bool is_online = !online || std::binary_search(online->begin(), online->end(), cpu);
    r.machine.pus.push_back(read_pu(cpus, cpu, is_online));
  }
  read_nodes(root + "/sys/devices/system/node", r.machine);
  return r;
}

}  // namespace pinion::detail
