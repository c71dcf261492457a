// SPDX-License-Identifier: MIT
#include "tools/pinion/stress/run.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <deque>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tools/pinion/stress/faults.hpp"
#include "tools/pinion/stress/findings.hpp"
#include "tools/pinion/stress/ledger.hpp"
#include "tools/pinion/stress/loads.hpp"
#include "tools/pinion/stress/memory.hpp"
#include "tools/pinion/stress/report.hpp"
#include "tools/pinion/stress/sleepers.hpp"
#include <fmt/core.h>

#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/signal.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/timer.hpp"

namespace pinion::stress {

namespace {

using namespace std::chrono_literals;

// The hook of a scheduler has no state of its own.
std::atomic<std::uint64_t> exceptions_told{0};

void count_error(const error& e, std::string_view) noexcept {
  // relaxed: compared when all is quiet.
  if (e.code() == errc::failed) exceptions_told.fetch_add(1, std::memory_order_relaxed);
}

// How many entries a folder of this process has.
std::size_t entries(const char* folder) {
  const std::filesystem::directory_iterator all(folder);
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// What the library keeps: a thread for timers, one for signals, and the file that it reads.
struct belongings {
  std::size_t threads = entries("/proc/self/task");
  std::size_t files = entries("/proc/self/fd");
  bool operator==(const belongings&) const = default;
};

duration to_duration(double seconds) {
  return std::chrono::duration_cast<duration>(std::chrono::duration<double>(seconds));
}

/// One outside thread with its numbers.
struct producer {
  producer(std::string name, pulse& beats, std::uint64_t seed)
      : beat(beats.add(name)),
        numbers(std::move(name), beat),
        chance(static_cast<generator::result_type>(seed)) {}

  void work(surroundings& around, const context& until) {
    try {
      while (!until.is_done()) doing->round();
    } catch (const stream::no_more&) {  // at the end; what is missing is counted then
    } catch (const std::exception& e) {
      around.found.add(numbers.name() + ": " + e.what());
    }
    beat.store(pulse::over, std::memory_order_relaxed);  // relaxed: a sign
  }

  // Its name is that of the load and a number.
  std::string load_name() const { return numbers.name().substr(0, numbers.name().find(' ')); }

  std::atomic<std::uint64_t>& beat;
  stream numbers;
  generator chance;
  std::unique_ptr<load> doing;
  std::thread thread;
};

class stress_run {
 public:
  stress_run(const options& o, pulse& beats)
      : options_(o),
        started_(now()),
        signals_(with_signals(context::background(), {SIGINT, SIGTERM})),
        faults_(o.faults, o.seed),
        own_beat_(beats.add("the run itself")),
        watch_(watched_, [this] { return work_is_queued(); }),
        shared_(std::make_unique<scheduler>(with())),
        workers_(shared_->workers()) {
    make_producers(beats);
  }

  int go() {
    print_start(options_, shared_->workers());
    {
      const auto until = with_timeout(signals_, to_duration(options_.seconds));
      const belongings before;
      surroundings around{*shared_, watched_, found_, faults_.has("throw"), options_.plant};
      for (producer& p : producers_) p.doing = kind(p).make(around, p.numbers, p.chance);
      hold_up_workers();
      for (producer& p : producers_) p.thread = std::thread([&] { p.work(around, until); });
      look_on(until);
      for (producer& p : producers_) p.numbers.stop_waiting();
      for (producer& p : producers_) p.thread.join();
      end();
      expect_nothing_left(before);
    }
    const account last = judge();
    print_end(options_, last);
    return last.findings.empty() ? 0 : 1;
  }

 private:
  scheduler_options with() {
    scheduler_options o;
    o.name = "stress";
    o.workers = options_.workers;
    o.spares = options_.threads + 8;  // as many as may block, so that none waits for a thread
    o.on_unobserved_error = &count_error;
    faults_.adapt(o);
    watch_.attach(o);
    return o;
  }

  const load_kind& kind(const producer& p) const {
    const std::string name = p.load_name();
    return *std::find_if(kinds_.begin(), kinds_.end(),
                         [&](const load_kind& k) { return name == k.name; });
  }

  void make_producers(pulse& beats) {
    for (std::size_t i = 0; i < options_.threads; ++i) {
      const std::string& kind = options_.loads[i % options_.loads.size()];
      producers_.emplace_back(fmt::format("{} {}", kind, i), beats, options_.seed * 31 + i + 1);
    }
  }

  // 0: nothing is queued where every worker finds it.
  std::uint64_t work_is_queued() {
    if (shared_ == nullptr) return 0;
    const scheduler_stats s = shared_->stats();
    std::size_t queued = s.queued_outside;
    for (const worker_stats& w : s.workers) queued += w.queued;
    return queued != 0 ? 1 : 0;
  }

  double seconds() const { return std::chrono::duration<double>(now() - started_).count(); }

  // At first nothing runs, so that every producer gets as far ahead as it ever may: the queues are
  // as deep then as they ever will be, and what they need is there.
  void hold_up_workers() {
    const time_point end = now() + std::min<duration>(1s, to_duration(options_.seconds / 20));
    for (std::size_t w = 0; w < workers_; ++w) {
      shared_->post_to(w, [end] {
        while (now() < end) std::this_thread::yield();
      });
    }
  }

  // Until the time is up.
  void look_on(const context& until) {
    double next_line = options_.every;
    double next_size = 0;
    while (!until.is_done()) {
      own_beat_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a sign
      watched_.look();
      if (seconds() >= next_size) {
        resident_.add(seconds(), resident_kib());
        in_use_.add(seconds(), in_use_kib());
        next_size = seconds() + 0.25;
      }
      if (seconds() >= next_line) {
        print_line(options_, now_known());
        next_line += options_.every;
      }
      std::this_thread::sleep_for(5ms);
    }
  }

  // All that was accepted ends.
  void end() {
    const auto report = shared_->drain().wait();
    const scheduler_stats s = shared_->stats();
    if (!report) found_.add("the drain failed: " + report.error().what());
    if (s.accepted != s.ran + s.not_started) {
      found_.add(fmt::format("the scheduler accepted {}, but ran {} and gave up {}", s.accepted,
                             s.ran, s.not_started));
    }
    if (faults_.has("pin") && s.pinned != 0) found_.add("pinned, although it was refused");
    for (producer& p : producers_) p.doing.reset();
    shared_.reset();
    own_beat_.store(pulse::over, std::memory_order_relaxed);  // relaxed: a sign
  }

  // The scheduler was there before, and is not any more; its spares came later. A thread that was
  // joined is still seen for a moment, and faults have files of their own now and then.
  void expect_nothing_left(belongings before) {
    before.threads -= workers_;
    belongings after;
    for (int tries = 0; after != before && tries < 1000; ++tries) {
      std::this_thread::sleep_for(1ms);
      after = belongings();
    }
    if (after == before) return;
    found_.add(fmt::format("{} threads and {} open files are left, not {} and {}", after.threads,
                           after.files, before.threads, before.files));
  }

  account now_known() const {
    account a;
    a.seconds = seconds();
    for (const producer& p : producers_) {
      a.submitted += p.numbers.taken();
      a.by_load[p.load_name()] += p.numbers.taken();
    }
    a.seen = tally::sum();
    a.longest_park = watched_.longest();
    a.resident_kib = resident_kib();
    a.slope_kib_s = resident_.slope();
    a.in_use_kib = in_use_kib();
    return a;
  }

  // When all is quiet.
  account judge() const {
    account a = now_known();
    for (const producer& p : producers_) a.lost += p.numbers.missing();
    a.findings = found_.all();
    const auto expect = [&](bool good, std::string what) {
      if (!good) a.findings.push_back(std::move(what));
    };
    expect(a.lost == 0, fmt::format("{} lost", a.lost));
    expect(a.seen.duplicated == 0, fmt::format("{} duplicated", a.seen.duplicated));
    expect(a.seen.out_of_order == 0, fmt::format("{} out of order", a.seen.out_of_order));
    expect(a.submitted == a.seen.ran + a.seen.given_up + a.seen.refused + a.lost,
           "submitted is not the sum of what became of it");
    const std::uint64_t told = exceptions_told.load(std::memory_order_relaxed);  // relaxed: quiet
    expect(a.seen.thrown == told,
           fmt::format("{} exceptions thrown, but {} told", a.seen.thrown, told));
    expect(a.longest_park <= park_limit,
           fmt::format("all workers slept for {} ms while work was pending",
                       a.longest_park.count() / 1'000'000));
    expect(!resident_.grows(), fmt::format("memory grows by {:.1f} KiB/s", a.slope_kib_s));
    expect(!in_use_.grows(),
           fmt::format("memory grows: what is in use, by {:.1f} KiB/s", in_use_.slope()));
    return a;
  }

  static constexpr duration park_limit = 100ms;

  const options& options_;
  const time_point started_;
  const std::vector<load_kind> kinds_ = all_loads();
  const signal_context signals_;  // before there are other threads: they inherit the mask
  findings found_;
  faults faults_;
  std::atomic<std::uint64_t>& own_beat_;
  memory_curve resident_{4 * 1024};  // a heap in pieces takes its time to settle
  memory_curve in_use_{1024};
  sleeper_list watched_;
  watch watch_;
  std::unique_ptr<scheduler> shared_;
  const std::size_t workers_;
  std::deque<producer> producers_;
};

}  // namespace

int run(const options& o, pulse& beats) {
  return stress_run(o, beats).go();
}

}  // namespace pinion::stress
