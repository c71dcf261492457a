// SPDX-License-Identifier: MIT
#include "tools/pinion/stress/report.hpp"

#include <cstdio>

#include "tools/pinion/stress/memory.hpp"
#include "tools/pinion/stress/run.hpp"
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace pinion::stress {

namespace {

double ms(duration d) {
  return static_cast<double>(d.count()) / 1e6;
}
double us(duration d) {
  return static_cast<double>(d.count()) / 1e3;
}

nlohmann::json to_json(const char* kind, const account& a) {
  const histogram& l = a.seen.latency;
  return {{"kind", kind},
          {"seconds", a.seconds},
          {"submitted", a.submitted},
          {"accepted", a.accepted()},
          {"ran", a.seen.ran},
          {"given_up", a.seen.given_up},
          {"refused", a.seen.refused},
          {"lost", a.lost},
          {"duplicated", a.seen.duplicated},
          {"out_of_order", a.seen.out_of_order},
          {"thrown", a.seen.thrown},
          {"longest_park_ms", ms(a.longest_park)},
          {"resident_kib", a.resident_kib},
          {"slope_kib_s", a.slope_kib_s},
          {"in_use_kib", a.in_use_kib},
          {"p50_us", us(l.percentile(50))},
          {"p99_us", us(l.percentile(99))},
          {"p999_us", us(l.percentile(99.9))},
          {"max_us", us(l.max())}};
}

void print_for_people(const account& a) {
  const histogram& l = a.seen.latency;
  fmt::print(
      "{:6.0f} s  submitted {}  accepted {}  ran {}  given up {}  rejected {}  lost {}  duplicated "
      "{}  "
      "out of order {}  longest park {:.1f} ms  rss {:.0f} KiB {:+.1f} KiB/s  in use {:.0f} KiB  "
      "p50 {:.0f}  p99 {:.0f}  p99.9 {:.0f}  max {:.0f} us\n",
      a.seconds, a.submitted, a.accepted(), a.seen.ran, a.seen.given_up, a.seen.refused, a.lost,
      a.seen.duplicated, a.seen.out_of_order, ms(a.longest_park), a.resident_kib, a.slope_kib_s,
      a.in_use_kib, us(l.percentile(50)), us(l.percentile(99)), us(l.percentile(99.9)),
      us(l.max()));
}

void print_json(const nlohmann::json& j) {
  fmt::print("{}\n", j.dump());
}

}  // namespace

void print_start(const options& o, std::size_t workers) {
  if (o.as_json) {
    print_json({{"kind", "start"},
                {"seed", o.seed},
                {"threads", o.threads},
                {"workers", workers},
                {"judges_memory", memory_curve::says_something()},
                {"loads", o.loads},
                {"faults", o.faults}});
  } else {
    fmt::print("seed {}: {} threads, {} workers, loads {}, faults {}\n", o.seed, o.threads, workers,
               fmt::join(o.loads, ","),
               o.faults.empty() ? "none" : fmt::format("{}", fmt::join(o.faults, ",")));
  }
  std::fflush(stdout);
}

void print_line(const options& o, const account& a) {
  o.as_json ? print_json(to_json("line", a)) : print_for_people(a);
  std::fflush(stdout);
}

void print_end(const options& o, const account& a) {
  if (o.as_json) {
    nlohmann::json j = to_json("end", a);
    j["ok"] = a.findings.empty();
    j["findings"] = a.findings;
    j["by_load"] = a.by_load;
    j["seed"] = o.seed;
    print_json(j);
  } else {
    print_for_people(a);
    fmt::print("submitted by");
    for (const auto& [load, count] : a.by_load) fmt::print("  {} {}", load, count);
    fmt::print("\n");
    for (const std::string& f : a.findings) fmt::print("found: {}\n", f);
    fmt::print("{}: seed {}, {:.0f} s, {} operations accepted\n",
               a.findings.empty() ? "ok" : "FAILED", o.seed, a.seconds, a.accepted());
  }
  std::fflush(stdout);
}

void print_ending(const options& o, const ending& e) {
  if (o.as_json) {
    print_json({{"kind", "end"}, {"ok", false}, {"findings", {e.what}}, {"seed", o.seed}});
  } else {
    fmt::print("found: {}\nFAILED: seed {}\n", e.what, o.seed);
  }
}

}  // namespace pinion::stress
