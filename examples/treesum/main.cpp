// SPDX-License-Identifier: MIT
// treesum DIR: SHA-256 of every regular file below DIR, as sha256sum prints it, in path order.
//
//     walk --path--> fan_out: read and hash, several files at a time --line, in order--> stdout
//
// The walk, the calls and the printing are bounded by each other: a slow terminal holds back the
// reading, and a tree of any size takes the same memory.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "digest.hpp"
#include "pacer.hpp"
#include "walk.hpp"
#include <CLI/CLI.hpp>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pinion/patterns/fan_out.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/signal.hpp"
#include "pinion/sync/context.hpp"

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
  void print_all(pinion::scheduler& sched, Results& lines) {
    std::optional<pinion::scoped_context> beat;
    for (;;) {
      if (progress_.wanted && (!beat || beat->is_done())) {
        beat.reset();
        beat.emplace(pinion::with_timeout(sched.root(), 200ms));
      }
      auto next = beat ? lines.next(*beat).wait() : lines.next().wait();
      if (next) {
        print(*next);
      } else if (beat && next.error() == pinion::errc::deadline_exceeded && beat->is_done()) {
        progress_.show(files_, bytes_.load(std::memory_order_relaxed));  // relaxed: a figure
      } else {
        break;
      }
    }
    progress_.clear();
    if (std::fflush(stdout) != 0) write_failed_ = true;
  }

  std::uint64_t files() const { return files_; }
  bool write_failed() const { return write_failed_; }

 private:
  void print(const pinion::result<std::string>& line) {
    if (interrupted_) return;  // what is printed has no gaps
    if (line) {
      ++files_;
      if (std::fwrite(line->data(), 1, line->size(), stdout) != line->size()) write_failed_ = true;
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
  bool write_failed_ = false;
};

int run(const options& o) {
  pinion::scheduler_options pool{.name = "treesum", .workers = o.jobs};
  if (o.jobs != 0) pool.pin = pinion::pinning::none();
  pinion::scheduler sched(pool);
  const auto ctx = pinion::with_signals(sched.root(), {SIGINT, SIGTERM});

  pacer pace(o.max_rate);
  std::atomic<std::uint64_t> bytes{0};
  const auto line_for = [&](const pinion::context& c, const found& f) {
    const auto with_path = [&](const pinion::error& e) {
      return pinion::error(escaped(f.path) + ": " + e.what());
    };
    if (f.error != 0) {
      return pinion::result<std::string>(with_path(pinion::error(std::strerror(f.error))));
    }
    const auto d = sum(c, f.path, pace, bytes);
    if (d) return pinion::result<std::string>(line(*d, f.path));
    return pinion::result<std::string>(d.error().is_cancel() ? d.error() : with_path(d.error()));
  };
  auto lines = fan_out(sched, ctx, walk(o.directory), line_for,
                       {.buffer = 32 * sched.workers(), .order = pinion::order::as_submitted});
  printer out(bytes);
  out.print_all(sched, lines);

  const auto report = lines.report();
  if (ctx.is_done()) {
    std::fprintf(stderr, "treesum: interrupted after %ju files, %ju bytes; %ju files begun\n",
                 std::uintmax_t{out.files()}, std::uintmax_t{bytes.load()},
                 std::uintmax_t{report.canceled});
    return 130;
  }
  if (out.write_failed()) std::fprintf(stderr, "treesum: cannot write the result\n");
  return report.failed != 0 || out.write_failed() ? 1 : 0;
}

// One line on stderr, and the exit code for it.
int bad_input(const std::string& what) {
  std::fprintf(stderr, "treesum: %s\n", what.c_str());
  return 2;
}

}  // namespace
}  // namespace treesum

int main(int argc, char** argv) {
  treesum::options o;
  CLI::App app{"SHA-256 of every regular file below a directory, as sha256sum prints it."};
  app.add_option("directory", o.directory, "where to begin")->required()->type_name("DIR");
  app.add_option("--jobs", o.jobs, "files read at a time (default: one per core)")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  const CLI::Option* limited =
      app.add_option("--max-rate", o.max_rate, "bytes per second for all together; 10K, 5M, too")
          ->transform(CLI::AsSizeValue(false))
          ->type_name("BYTES/s");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return treesum::bad_input(e.what());
  }
  constexpr std::uint64_t rate_max = std::uint64_t{1} << 60;  // a negative one is larger
  if (limited->count() != 0 && (o.max_rate == 0 || o.max_rate > rate_max)) {
    return treesum::bad_input("--max-rate: must be from 1 to 2^60 bytes a second, not " +
                              limited->results().front());
  }
  struct stat s {};
  if (lstat(o.directory.c_str(), &s) != 0) {
    return treesum::bad_input(treesum::escaped(o.directory) + ": " + std::strerror(errno));
  }
  if (!S_ISDIR(s.st_mode)) {
    return treesum::bad_input(treesum::escaped(o.directory) + ": is not a directory");
  }
  try {
    return treesum::run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "treesum: %s\n", e.what());
    return 1;
  }
}
