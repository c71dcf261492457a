// SPDX-License-Identifier: MIT
#include "tools/pinion/stress/sleepers.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include <sys/syscall.h>
#include <unistd.h>

namespace pinion::stress {

namespace {

pid_t this_thread() {
  return static_cast<pid_t>(::syscall(SYS_gettid));
}

std::string task_file(pid_t thread, const char* name) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/" + name);
  std::string line;
  std::getline(file, line);
  return line;
}

bool is_asleep(pid_t thread) {
  const std::string line = task_file(thread, "stat");
  const auto name_end = line.rfind(')');
  return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
}

// How often it was put on a CPU: the third number.
std::uint64_t times_run(pid_t thread) {
  const std::string line = task_file(thread, "schedstat");
  const auto last = line.rfind(' ');
  return last == std::string::npos ? 0 : std::strtoull(line.c_str() + last, nullptr, 10);
}

}  // namespace

void sleepers::attach(scheduler_options& o) {
  o.on_worker_start = [this](std::size_t) {
    const std::lock_guard lock(lock_);
    threads_.push_back(this_thread());
  };
  o.on_worker_exit = [this](std::size_t) {
    const std::lock_guard lock(lock_);
    std::erase(threads_, this_thread());
  };
}

sleepers::glance sleepers::look_at_threads() const {
  glance g;
  g.all_asleep = !threads_.empty();
  for (const pid_t t : threads_) {
    if (!is_asleep(t)) return {};
    g.times_run += times_run(t);
  }
  return g;
}

void sleepers::look() {
  const std::uint64_t awaited = pending_();
  const std::lock_guard lock(lock_);
  const glance seen = awaited != 0 ? look_at_threads() : glance{};
  // The work was pending before the threads were looked at, and it still is.
  const bool same =
      seen.all_asleep && seen == seen_ && awaited == awaited_ && pending_() == awaited;
  if (same) {
    longest_ = std::max(longest_, now() - since_);
  } else {
    since_ = now();
  }
  awaited_ = awaited;
  seen_ = seen;
}

duration sleepers::longest() const {
  const std::lock_guard lock(lock_);
  return longest_;
}

sleepers& sleeper_list::add(sleepers::pending_work pending) {
  const std::lock_guard lock(lock_);
  return all_.emplace_back(std::move(pending));
}

void sleeper_list::remove(sleepers& gone) {
  const std::lock_guard lock(lock_);
  longest_ = std::max(longest_, gone.longest());
  all_.remove_if([&](const sleepers& s) { return &s == &gone; });
}

void sleeper_list::look() {
  const std::lock_guard lock(lock_);
  for (sleepers& s : all_) s.look();
}

duration sleeper_list::longest() const {
  const std::lock_guard lock(lock_);
  duration most = longest_;
  for (const sleepers& s : all_) most = std::max(most, s.longest());
  return most;
}

}  // namespace pinion::stress
