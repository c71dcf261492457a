// SPDX-License-Identifier: MIT
// crawler: reads a page, follows its links, and so on until every page has been read once.
//
//     crawler make site --pages 1000          a site to walk: pages that link to each other
//     crawler walk site/0.html --rate 500     prints the pages it has read; the summary on stderr
//
//     visit a page:  wait for the rate --> wait for a file --> read --> spawn a visit of each link
//                                                                       that nobody has found yet
//
// Each bound is one object. The rate limiter says how many visits begin in a second, the semaphore
// how many files are open, and the group joins the visits, those included that visits spawn. A
// visit that waits is a suspended coroutine and holds no thread, so there may be any number of
// them.
//
// The first page that cannot be read cancels the group: visits that wait are told, those that
// have not started never do, and the join reports that error when all have ended. Ctrl-C comes
// the same way, from above.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

#include "command_line.hpp"
#include <signal.h>
#include <unistd.h>

#include "pinion/patterns/task_group.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/signal.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/rate_limiter.hpp"
#include "pinion/sync/select.hpp"
#include "pinion/sync/semaphore.hpp"
#include "pinion/sync/ticker.hpp"

namespace {

using namespace std::chrono_literals;
using pinion::result;

struct site_options {
  std::string directory;
  std::uint32_t pages = 1000;
  std::uint32_t links = 4;
  std::uint32_t seed = 1;
};

struct walk_options {
  std::string first;
  std::size_t files = 8;
  std::uint64_t rate = 0;
  bool progress = isatty(STDERR_FILENO) == 1;
};

struct closing {
  void operator()(std::FILE* f) const { std::fclose(f); }
};
using file = std::unique_ptr<std::FILE, closing>;

result<std::string> read_file(const std::string& path) {
  const file from(std::fopen(path.c_str(), "re"));
  std::string text;
  char block[4096];
  while (const std::size_t n = from ? std::fread(block, 1, sizeof block, from.get()) : 0) {
    text.append(block, n);
  }
  if (!from || std::ferror(from.get()) != 0) return pinion::error(std::strerror(errno));
  return text;
}

/// The pages of the same directory that a page links to.
std::vector<std::string> links_in(std::string_view text) {
  constexpr std::string_view before = "href=\"";
  std::vector<std::string> links;
  for (std::size_t at = 0; (at = text.find(before, at)) != text.npos;) {
    at += before.size();
    const std::string_view link = text.substr(at, text.find('"', at) - at);
    if (!link.empty() && link.find_first_of("/:#?") == link.npos) links.emplace_back(link);
  }
  return links;
}

class crawl {
 public:
  crawl(pinion::scheduler& sched, const pinion::context& ctx, std::string directory,
        const walk_options& o)
      : directory_(std::move(directory)),
        pace_(o.rate == 0 ? pinion::rate::unlimited() : pinion::rate::per_second(o.rate), o.files),
        files_(o.files),
        visits_(sched, ctx) {}

  /// Returns when every visit has ended, with the first error.
  result<> run(const std::string& first, bool progress) {
    follow(first, "the command line");
    pinion::ticker beat(200ms);
    for (;;) {
      auto won = select(visits_.join(), when(progress, beat.next())).wait();
      if (won->index() == 0) return get<0>(*won);
      const std::lock_guard lock(mutex_);
      std::fprintf(stderr, "%zu pages read, %zu found\n", read_.size(), found_.size());
    }
  }

  /// Of the walk that has ended.
  void print() {
    std::sort(read_.begin(), read_.end());
    for (const std::string& page : read_) std::printf("%s\n", page.c_str());
    const pinion::group_report r = visits_.report();
    std::fprintf(stderr,
                 "crawler: %zu pages: %ju read, %ju failed, %ju canceled, %ju not started\n",
                 found_.size(), std::uintmax_t{r.succeeded}, std::uintmax_t{r.failed},
                 std::uintmax_t{r.canceled}, std::uintmax_t{r.not_started});
  }

 private:
  pinion::task<result<>> visit(std::string page, std::string from) {
    const pinion::context& ctx = visits_.ctx();
    const auto turn = co_await pace_.acquire(ctx);
    if (!turn) co_return turn.error();
    auto one_file = co_await files_.acquire(ctx);
    if (!one_file) co_return one_file.error();
    const auto text = pinion::blocking([&] { return read_file(directory_ + page); });
    one_file->release();
    if (!text) {
      co_return pinion::error(page + ", linked from " + from + ": " + text.error().what());
    }
    for (std::string& link : links_in(*text)) follow(std::move(link), page);
    const std::lock_guard lock(mutex_);
    read_.push_back(std::move(page));
    co_return {};
  }

  // Whoever finds a page first spawns its visit.
  void follow(std::string page, const std::string& from) {
    {
      const std::lock_guard lock(mutex_);
      if (!found_.insert(page).second) return;
    }
    visits_.spawn(visit(std::move(page), from));  // canceled? then it is counted as not started
  }

  const std::string directory_;
  pinion::rate_limiter pace_;
  pinion::semaphore files_;
  std::mutex mutex_;  // of the next two; held for an instant, never while waiting
  std::unordered_set<std::string> found_;
  std::vector<std::string> read_;
  pinion::task_group visits_;  // the last member: joined before the others are destroyed
};

int walk(const walk_options& o) {
  const std::filesystem::path first(o.first);
  // A visit that reads blocks its thread; for each file that may be open another one stands in.
  pinion::scheduler sched({.name = "crawler", .spares = o.files});
  const auto ctx = pinion::with_signals(sched.root(), {SIGINT, SIGTERM});
  crawl all(sched, ctx, (first.parent_path() / "").string(), o);
  const result<> ended = all.run(first.filename().string(), o.progress);
  all.print();
  if (ended) return 0;
  std::fprintf(stderr, "crawler: %s\n", ended.error().what().c_str());
  return ended.error().is_cancel() ? 130 : 1;
}

// Each page links to a few others, itself and the same one twice included. Some pages are linked
// to by none that can be reached.
int make_site(const site_options& o) {
  std::filesystem::create_directories(o.directory);
  examples::lots lots(o.seed);
  for (std::uint32_t page = 0; page < o.pages; ++page) {
    const std::string path = o.directory + "/" + std::to_string(page) + ".html";
    const file to(std::fopen(path.c_str(), "we"));
    if (!to) throw std::system_error(errno, std::generic_category(), path);
    std::fprintf(to.get(), "<h1>Page %u</h1>\n", page);
    for (std::uint32_t left = page == 0 ? o.links : lots.draw(2 * o.links + 1); left > 0; --left) {
      const unsigned other = lots.draw(o.pages);
      std::fprintf(to.get(), "<a href=\"%u.html\">Page %u</a>\n", other, other);
    }
    if (std::fflush(to.get()) != 0) throw std::system_error(errno, std::generic_category(), path);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Walks the pages of a directory by their links, each page once.", "crawler"};
  app.require_subcommand(1);

  site_options site;
  CLI::App* make = app.add_subcommand("make", "write a site to walk");
  make->add_option("directory", site.directory, "where; it is made")->required()->type_name("DIR");
  make->add_option("--pages", site.pages, "how many")->check(CLI::Range(1, 1'000'000));
  make->add_option("--links", site.links, "of a page, on average")->check(CLI::Range(1, 1000));
  make->add_option("--seed", site.seed, "another one makes another site");

  walk_options o;
  CLI::App* go = app.add_subcommand("walk", "read a page and all that it leads to");
  go->add_option("page", o.first, "where to begin")->required()->check(CLI::ExistingFile);
  go->add_option("--files", o.files, "open at a time")->check(CLI::Range(1, 256));
  go->add_option("--rate", o.rate, "pages a second; 0: no limit")->check(CLI::Range(0, 1'000'000));
  go->add_flag("--progress", o.progress, "say how far it is; a terminal is told anyway");

  return examples::run(app, argc, argv, [&] { return *make ? make_site(site) : walk(o); });
}
