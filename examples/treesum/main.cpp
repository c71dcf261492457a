// SPDX-License-Identifier: MIT
// treesum DIR: SHA-256 of every regular file below DIR, as sha256sum prints it, in path order.
//
//     walk --path--> fan_out: read and hash, several files at a time --line, in order--> stdout
//
// The walk, the calls and the printing are bounded by each other: a slow terminal holds back the
// reading, and a tree of any size takes the same memory.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "../command_line.hpp"
#include "digest.hpp"
#include "walk.hpp"
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pinion/patterns/fan_out.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/signal.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/rate_limiter.hpp"
#include "pinion/sync/select.hpp"
#include "pinion/sync/ticker.hpp"

namespace treesum {

namespace {

using namespace std::chrono_literals;

struct options {
  std::string directory;
  std::size_t jobs = 0;
  std::uint64_t max_rate = 0;
};

/// What is said on stderr while it runs, if that is a terminal: one line, written over and over.
class progress {
 public:
  void show(std::uint64_t files, std::uint64_t bytes) {
    std::fprintf(stderr, "\r%ju files, %.1f MB ", std::uintmax_t{files},
                 static_cast<double>(bytes) / 1e6);
    shown_ = true;
  }
  void clear() {
    if (shown_) std::fprintf(stderr, "\r\033[K");
    shown_ = false;
  }
  const bool wanted = isatty(STDERR_FILENO) == 1;

 private:
  bool shown_ = false;
};

/// Reads the results and writes them down.
class printer {
 public:
  explicit printer(const std::atomic<std::uint64_t>& bytes) : bytes_(bytes) {}

  template <class Results>
  void print_all(Results& lines) {
    pinion::ticker beat(200ms);
    for (;;) {
      auto won = select(lines.next(), when(progress_.wanted, beat.next())).wait();
      if (won->index() == 1) {
        progress_.show(files_, bytes_.load(std::memory_order_relaxed));  // relaxed: a figure
      } else if (const auto& line = get<0>(*won)) {
        print(*line);
      } else {
        break;  // there are no more
      }
    }
    progress_.clear();
  }

  std::uint64_t files() const { return files_; }

 private:
  void print(const pinion::result<std::string>& line) {
    if (interrupted_) return;  // what is printed has no gaps
    if (line) {
      ++files_;
      std::fwrite(line->data(), 1, line->size(), stdout);
    } else if (line.error().is_cancel()) {
      interrupted_ = true;
    } else {
      progress_.clear();
      std::fprintf(stderr, "treesum: %s\n", line.error().what().c_str());
    }
  }

  const std::atomic<std::uint64_t>& bytes_;
  progress progress_;
  std::uint64_t files_ = 0;
  bool interrupted_ = false;
};

int run(const options& o) {
  pinion::scheduler_options pool{.name = "treesum", .workers = o.jobs};
  if (o.jobs != 0) pool.pin = pinion::pinning::none();
  pinion::scheduler sched(pool);
  const auto ctx = pinion::with_signals(sched.root(), {SIGINT, SIGTERM});

  // What has been read is paid for, a block at a time: an eighth of what a second allows.
  constexpr std::uint64_t block_max = 128 * 1024;
  const bool limited = o.max_rate != 0;
  const auto block = limited ? std::clamp<std::uint64_t>(o.max_rate / 8, 1, block_max) : block_max;
  pinion::rate_limiter pace(
      limited ? pinion::rate::per_second(o.max_rate) : pinion::rate::unlimited(), block);
  std::atomic<std::uint64_t> bytes{0};
  const auto line_for = [&](const pinion::context& c, const found& f) {
    const auto with_path = [&](const pinion::error& e) {
      return pinion::error(escaped(f.path) + ": " + e.what());
    };
    if (f.error != 0) {
      return pinion::result<std::string>(with_path(pinion::error(std::strerror(f.error))));
    }
    const auto d = sum(c, f.path, block, pace, bytes);
    if (d) return pinion::result<std::string>(line(*d, f.path));
    return pinion::result<std::string>(d.error().is_cancel() ? d.error() : with_path(d.error()));
  };
  auto lines = fan_out(sched, ctx, walk(o.directory), line_for,
                       {.buffer = 32 * sched.workers(), .order = pinion::order::as_submitted});
  printer out(bytes);
  out.print_all(lines);

  const auto report = lines.report();
  if (ctx.is_done()) {
    std::fprintf(stderr, "treesum: interrupted after %ju files, %ju bytes; %ju files begun\n",
                 std::uintmax_t{out.files()}, std::uintmax_t{bytes.load()},
                 std::uintmax_t{report.canceled});
    return 130;
  }
  return report.failed != 0 ? 1 : 0;
}

// Empty: it is one, and no link to one.
std::string no_directory(const std::string& path) {
  struct stat s {};
  if (lstat(path.c_str(), &s) != 0) return escaped(path) + ": " + std::strerror(errno);
  return S_ISDIR(s.st_mode) ? "" : escaped(path) + " is not a directory";
}

}  // namespace
}  // namespace treesum

int main(int argc, char** argv) {
  treesum::options o;
  CLI::App app{"SHA-256 of every regular file below a directory, as sha256sum prints it.",
               "treesum"};
  app.add_option("directory", o.directory, "where to begin")
      ->required()
      ->check(treesum::no_directory)
      ->type_name("DIR");
  app.add_option("--jobs", o.jobs, "files read at a time (default: one per core)")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  const CLI::Option* limited =
      app.add_option("--max-rate", o.max_rate, "bytes per second for all together; 10K, 5M, too")
          ->transform(CLI::AsSizeValue(false))
          ->type_name("BYTES/s");
  return examples::run(app, argc, argv, [&] {
    constexpr std::uint64_t rate_max = std::uint64_t{1} << 60;  // a negative one is larger
    if (limited->count() != 0 && (o.max_rate == 0 || o.max_rate > rate_max)) {
      throw CLI::ValidationError(
          "--max-rate", limited->results().front() + " is not from 1 to 2^60 bytes a second");
    }
    return treesum::run(o);
  });
}
