// SPDX-License-Identifier: MIT
#include "bench/support/machine.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include <pthread.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace pinion::bench {
namespace {

std::vector<unsigned> read_usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

std::string first_line(const std::string& path, const std::string& otherwise) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) && !line.empty() ? line : otherwise;
}

// The value behind "name : value" in /proc/cpuinfo.
std::string cpuinfo(const std::string& name) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (line.rfind(name, 0) == 0 && colon != std::string::npos && colon + 2 <= line.size()) {
      return line.substr(colon + 2);
    }
  }
  return {};
}

bool has_word(const std::string& words, const std::string& word) {
  std::istringstream in(words);
  return std::find(std::istream_iterator<std::string>(in), {}, word) !=
         std::istream_iterator<std::string>();
}

std::string compiler() {
#if defined(__clang__)
  return std::string("clang ") + __clang_version__;
#elif defined(__GNUC__)
  return std::string("gcc ") + __VERSION__;
#else
  return "unknown";
#endif
}

// In the order in which /proc/stat has them.
enum stat_field { user, nice, system, idle, iowait, irq, softirq, steal, stat_fields };

double busy_seconds_of_all() {
  std::ifstream file("/proc/stat");
  std::string cpu;
  double ticks[stat_fields] = {};
  file >> cpu;
  for (double& t : ticks) file >> t;
  const double busy = ticks[user] + ticks[nice] + ticks[system];
  return busy / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

const std::vector<unsigned>& usable_cpus() {
  static const std::vector<unsigned> cpus = read_usable_cpus();
  return cpus;
}

void pin_this_thread(const std::vector<unsigned>& cpus) {
  if (cpus.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const unsigned cpu : cpus) CPU_SET(cpu, &set);
  const int error = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  if (error != 0) throw std::system_error(error, std::generic_category(), "cannot pin a thread");
}

scoped_pin::scoped_pin(const std::vector<unsigned>& cpus) {
  CPU_ZERO(&before_);
  pthread_getaffinity_np(pthread_self(), sizeof before_, &before_);
  pin_this_thread(cpus);
}

scoped_pin::~scoped_pin() {
  pthread_setaffinity_np(pthread_self(), sizeof before_, &before_);
}

foreign_cpu::foreign_cpu() : start_(read()) {}

foreign_cpu::reading foreign_cpu::read() {
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  return {busy_seconds_of_all(), seconds(own.ru_utime) + seconds(own.ru_stime),
          std::chrono::steady_clock::now()};
}

double foreign_cpu::share() const {
  const reading end = read();
  const double noise = 2.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
  const double foreign =
      (end.busy_seconds - start_.busy_seconds) - (end.own_seconds - start_.own_seconds) - noise;
  const double elapsed = std::chrono::duration<double>(end.at - start_.at).count();
  const double capacity = elapsed * static_cast<double>(sysconf(_SC_NPROCESSORS_ONLN));
  return capacity > 0 ? std::clamp(foreign / capacity, 0.0, 1.0) : 0.0;
}

std::vector<std::pair<std::string, std::string>> describe_machine() {
  utsname kernel{};
  uname(&kernel);
  const std::string cpufreq = "/sys/devices/system/cpu/cpu0/cpufreq/";
  const std::string smt = first_line("/sys/devices/system/cpu/smt/active", "?");
  const std::string flags = cpuinfo("flags");
  return {
    {"cpu_model", cpuinfo("model name")}, {"cpus_usable", std::to_string(usable_cpus().size())},
        {"smt", smt == "1"   ? "on"
                : smt == "0" ? "off"
                             : "unknown"},
        {"virtual_machine", has_word(flags, "hypervisor") ? "yes" : "no"},
        {"kernel", std::string(kernel.sysname) + " " + kernel.release + " " + kernel.machine},
        {"governor", first_line(cpufreq + "scaling_governor", "not visible")},
        {"cpus_isolated", first_line("/sys/devices/system/cpu/isolated", "none")},
        {"cpu_quota", first_line("/sys/fs/cgroup/cpu.max", "none visible")},
        {"clock_source",
         first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", "?")},
        {"compiler", compiler()},
#if defined(NDEBUG)
        {"assertions", "off"},
#else
        {"assertions", "on"},
#endif
  };
}

}  // namespace pinion::bench
