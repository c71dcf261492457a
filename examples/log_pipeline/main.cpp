// SPDX-License-Identifier: MIT
// log_pipeline: sums up the log of a web server, minute by minute, in bounded memory.
//
//     log_pipeline make big.log --lines 1000000       a log to read
//     log_pipeline sum big.log                        a line for each minute; the speed on stderr
//
//       source                stage                          sink
//     read a chunk of --> parse it; several chunks --> add its minutes to the sum,
//     whole lines         at a time, on all cores      in the order of the file
//          ^                                                  |
//          +------------------- empty chunks <----------------+
//
// A line of the log: 2026-01-01T00:00:07Z GET /page/17 200 5123 980
//                    when                 how what     status, bytes, microseconds
//
// The log is in the order of time, and so are the chunks at the sink: when the first line of a
// minute arrives, the one before is complete, is printed, and is forgotten. That is what
// serial_in_order is for. No more chunks are in flight than the options say, so a log of any size
// takes the same memory, and a terminal that is slow holds back the reading.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "../command_line.hpp"
#include "chunk.hpp"
#include "reader.hpp"
#include <signal.h>

#include "pinion/patterns/pipeline.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/signal.hpp"

namespace log_pipeline {

namespace {

using pinion::mode;
using pinion::sink;
using pinion::source;
using pinion::stage;

/// The sink: adds up what belongs together, and prints each minute once.
class sum {
 public:
  void add(const chunk& c) {
    if (bad_lines_ == 0 && c.bad_lines != 0) first_bad_line_ = lines_ + c.first_bad_line;
    bad_lines_ += c.bad_lines;
    lines_ += c.lines;
    for (const minute& m : c.minutes) {
      if (now_.requests != 0 && m.when == now_.when) {
        now_.add(m);
      } else {
        print();
        now_ = m;
      }
    }
  }

  /// The minute that is complete.
  void print() const {
    if (now_.requests == 0) return;
    std::printf("%s %ju requests, %ju failed, %ju bytes, slowest %ju us: %s\n", now_.when.c_str(),
                std::uintmax_t{now_.requests}, std::uintmax_t{now_.failures},
                std::uintmax_t{now_.bytes}, std::uintmax_t{now_.slowest},
                now_.slowest_page.c_str());
  }

  std::uint64_t lines() const { return lines_; }
  std::uint64_t bad_lines() const { return bad_lines_; }
  std::uint64_t first_bad_line() const { return first_bad_line_; }

 private:
  minute now_;
  std::uint64_t lines_ = 0, bad_lines_ = 0, first_bad_line_ = 0;
};

struct sum_options {
  std::string log;
  std::size_t chunk = 256 * 1024;
  std::size_t chunks = 8;
  std::size_t jobs = 0;
};

int sum_up(const sum_options& o) {
  pinion::scheduler sched({.name = "log", .workers = o.jobs});
  const auto ctx = pinion::with_signals(sched.root(), {SIGINT, SIGTERM});
  const auto started = std::chrono::steady_clock::now();

  chunk_store store;
  reader log(o.log, o.chunk, store);
  sum all;
  const auto read = [&] { return log.next(); };
  const auto add = [&](chunk_ptr c) {
    all.add(*c);
    store.give_back(std::move(c));
  };
  auto work = source(read) | stage(mode::parallel, parse) | sink(mode::serial_in_order, add);
  const auto ended = std::move(work).run(sched, ctx, {.max_in_flight = o.chunks}).wait();
  if (!ended) {
    std::fprintf(stderr, "log_pipeline: %s: %s\n", o.log.c_str(), ended.error().what().c_str());
    return ctx.is_done() ? 130 : 1;
  }

  all.print();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  const auto bytes = static_cast<double>(log.bytes());
  std::fprintf(stderr, "%ju lines, %.1f MB in %.3f s: %.0f MB/s, with %zu chunks in memory\n",
               std::uintmax_t{all.lines()}, bytes / 1e6, took.count(), bytes / 1e6 / took.count(),
               store.made());
  if (all.bad_lines() != 0) {
    std::fprintf(stderr, "%ju lines make no sense, the first is line %ju\n",
                 std::uintmax_t{all.bad_lines()}, std::uintmax_t{all.first_bad_line()});
  }
  return 0;
}

struct log_options {
  std::string log;
  std::uint64_t lines = 100'000;
  std::uint32_t seed = 1;
};

// Some minutes without a request, some lines that have been cut off.
int make_log(const log_options& o) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> to(std::fopen(o.log.c_str(), "we"),
                                                           std::fclose);
  if (!to) throw std::system_error(errno, std::generic_category(), o.log);
  examples::lots lots(o.seed);
  constexpr unsigned states[] = {200, 200, 200, 200, 304, 404, 500, 503};
  std::uint64_t second = 0;
  for (std::uint64_t line = 0; line < o.lines; ++line) {
    if (lots.draw(16) == 0) ++second;
    if (lots.draw(4096) == 0) second += 200;
    const auto day = static_cast<unsigned>(1 + second / 86'400 % 28);
    const auto hour = static_cast<unsigned>(second / 3600 % 24);
    std::fprintf(to.get(), "2026-01-%02uT%02u:%02u:%02uZ ", day, hour,
                 static_cast<unsigned>(second / 60 % 60), static_cast<unsigned>(second % 60));
    const unsigned page = lots.draw(100), bytes = lots.draw(100'000), took = lots.draw(2000);
    if (lots.draw(1024) == 0) {
      std::fprintf(to.get(), "GET /page/%u\n", page);
    } else {
      std::fprintf(to.get(), "GET /page/%u %u %u %u\n", page, states[lots.draw(8)], bytes, took);
    }
  }
  if (std::fflush(to.get()) != 0) throw std::system_error(errno, std::generic_category(), o.log);
  return 0;
}

}  // namespace
}  // namespace log_pipeline

int main(int argc, char** argv) {
  CLI::App app{"Sums up the log of a web server, minute by minute.", "log_pipeline"};
  app.require_subcommand(1);

  log_pipeline::log_options made;
  CLI::App* make = app.add_subcommand("make", "write a log");
  make->add_option("log", made.log, "the file")->required()->type_name("FILE");
  make->add_option("--lines", made.lines, "how many")->check(CLI::Range(1, 1'000'000'000));
  make->add_option("--seed", made.seed, "another one makes another log");

  log_pipeline::sum_options o;
  CLI::App* read = app.add_subcommand("sum", "read a log");
  read->add_option("log", o.log, "the file")->required()->check(CLI::ExistingFile);
  read->add_option("--chunk", o.chunk, "bytes read at a time, and of the longest line; 64K, too")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(64, 1 << 30));
  read->add_option("--chunks", o.chunks, "in memory at a time")->check(CLI::Range(1, 1024));
  read->add_option("--jobs", o.jobs, "workers (default: one per core)")->check(CLI::Range(1, 256));

  return examples::run(app, argc, argv, [&] {
    return *make ? log_pipeline::make_log(made) : log_pipeline::sum_up(o);
  });
}
