// SPDX-License-Identifier: MIT
#include "tools/pinion/stress/watchdog.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pinion/platform/clock.hpp"

namespace pinion::stress {

namespace {

// What each thread is doing, as far as the kernel knows.
void print_kernel_stacks(pid_t process) {
  namespace fs = std::filesystem;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(fmt::format("/proc/{}/task", process), gone)) {
    fmt::print(stderr, "thread {}\n", entry.path().filename().string());
    for (const char* name : {"comm", "wchan", "stack"}) {
      std::ifstream file(entry.path() / name);
      for (std::string line; std::getline(file, line);) fmt::print(stderr, "  {}\n", line);
    }
  }
}

void print_stacks(pid_t process) {
  fmt::print(stderr, "stacks of all threads of process {}:\n", process);
  std::fflush(nullptr);
  const std::string debugger = fmt::format(
      "command -v gdb > /dev/null && timeout 60 gdb -p {} -batch -nx -iex 'set debuginfod enabled "
      "off' "
      "-ex 'set pagination off' -ex 'thread apply all backtrace' 1>&2 2> /dev/null",
      process);
  if (std::system(debugger.c_str()) != 0) print_kernel_stacks(process);
}

// Which beat has stood still for how long. Time in which this process did not run either, because
// all were stopped or the machine had too much to do, does not count.
class stillness {
 public:
  explicit stillness(const pulse& of) : of_(of) {}

  /// The name of the first that has not moved for so long.
  std::optional<std::string> look(duration limit) {
    const time_point looks_at = now();
    awake_ += std::min<duration>(looks_at - std::exchange(looked_at_, looks_at), counted_at_most);
    const time_point at{awake_};
    std::optional<std::string> found;
    for (std::size_t i = 0; i < of_.size(); ++i) {
      const std::uint64_t count =
          of_.at(i).count.load(std::memory_order_relaxed);  // relaxed: a sign
      if (count != last_[i].count || last_[i].since == time_point()) last_[i] = {count, at};
      if (count == pulse::over || at - last_[i].since < limit) continue;
      if (!found) found = of_.at(i).name.data();
    }
    return found;
  }

 private:
  struct seen {
    std::uint64_t count = 0;
    time_point since{};
  };
  static constexpr duration counted_at_most = std::chrono::milliseconds(100);

  const pulse& of_;
  time_point looked_at_ = now();
  duration awake_{1};  // the time that counts
  std::array<seen, pulse::most> last_{};
};

[[noreturn]] void be_the_run(pid_t watchdog, const std::function<int()>& f) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);  // the debugger is no ancestor
  if (::getppid() != watchdog) std::_Exit(1);
  int code = 1;
  try {
    code = f();
  } catch (const std::exception& e) {
    fmt::print(stderr, "pinion: {}\n", e.what());
  }
  std::fflush(nullptr);
  std::exit(code);
}

std::optional<ending> ended(pid_t run) {
  int status = 0;
  if (::waitpid(run, &status, WNOHANG) != run) return std::nullopt;
  if (WIFEXITED(status)) return ending{false, WEXITSTATUS(status), ""};
  return ending{false, 1, fmt::format("ended by signal {}", WTERMSIG(status))};
}

}  // namespace

pulse& pulse::make_shared() {
  void* const page =
      ::mmap(nullptr, sizeof(pulse), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  return *::new (page) pulse;
}

std::atomic<std::uint64_t>& pulse::add(const std::string& name) {
  beat& b = beats_[size()];
  name.copy(b.name.data(), b.name.size() - 1);
  size_.fetch_add(1, std::memory_order_release);  // release: the name is there
  return b.count;
}

ending run_watched(pulse& beats, double stuck_after, const std::function<int()>& f) {
  const auto limit =
      std::chrono::duration_cast<duration>(std::chrono::duration<double>(stuck_after));
  std::fflush(nullptr);
  const pid_t me = ::getpid();
  const pid_t run = ::fork();
  if (run == -1) throw std::system_error(errno, std::generic_category(), "fork");
  if (run == 0) be_the_run(me, f);
  std::signal(SIGINT, SIG_IGN);  // for the run: it ends in order, and says what it saw
  stillness still(beats);
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (const auto end = ended(run)) return *end;
    if (const auto name = still.look(limit)) {
      fmt::print(stderr, "stuck: {} has not moved for {} s\n", *name, stuck_after);
      print_stacks(run);
      ::kill(run, SIGKILL);
      ::waitpid(run, nullptr, 0);
      return {true, 1, fmt::format("{} has not moved for {} s", *name, stuck_after)};
    }
  }
}

}  // namespace pinion::stress
