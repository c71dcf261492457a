// SPDX-License-Identifier: MIT
#include "tests/model/support/check.hpp"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <sstream>

#include "tests/model/support/crashes.hpp"
#include "tests/model/support/execution.hpp"
#include "tests/model/support/report.hpp"
#include "tests/model/support/strategy.hpp"
#include "tests/support/metric.hpp"

namespace pinion::model {

namespace {

schedule parse(const char* text) {
  schedule decisions;
  std::istringstream in(text);
  for (std::string one; std::getline(in, one, ',');)
    decisions.push_back(static_cast<std::uint8_t>(std::strtoul(one.c_str(), nullptr, 10)));
  return decisions;
}

void read_environment(options& o) {
  if (const char* text = std::getenv("PINION_MODEL_SEED"); text && o.is_scaled)
    o.seed = std::strtoull(text, nullptr, 0);
  if (const char* text = std::getenv("PINION_MODEL_SECONDS"))
    o.seconds = std::strtod(text, nullptr);
  if (const char* text = std::getenv("PINION_MODEL_SCALE");
      text && o.is_scaled && o.how != mode::depth_first)
    o.executions *= std::strtoull(text, nullptr, 0);
  if (const char* text = std::getenv("PINION_MODEL_REPLAY")) o.replay = parse(text);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void merge(std::vector<site>& all, const std::vector<site>& more) {
  for (const site& s : more) {
    bool known = false;
    for (const site& a : all) known |= a.is(s.what, s.at);
    if (!known) all.push_back(s);
  }
}

// All executions there are, or until one fails.
result explore(const options& o, const body& run) {
  const auto start = std::chrono::steady_clock::now();
  result r;
  const crashes_as_failures scope;
  const auto decides = strategy_for(o);
  execution e(o, *decides);
  const std::uint64_t most = o.replay.empty() ? o.executions : 1;
  while (r.executions + r.dropped < most) {
    const auto came_out = e.run(run, r.executions + r.dropped, r.longest);
    r.longest = std::max(r.longest, e.steps());
    if (came_out == execution::outcome::failed) {
      r.passed = false;
      r.failure = e.failure();
      r.decisions = e.decisions();
      r.report = report_of(e);
      break;
    }
    ++(came_out == execution::outcome::dropped ? r.dropped : r.executions);
    if (!decides->has_next()) {
      r.complete = o.replay.empty();
      break;
    }
    constexpr std::uint64_t executions_per_look = 256;
    if (o.seconds > 0 && r.executions % executions_per_look == 0 &&
        seconds_since(start) > o.seconds)
      break;
  }
  merge(r.sites, e.sites());
  r.seconds = seconds_since(start);
  return r;
}

result replay(options o, const body& run, const schedule& decisions) {
  o.replay = decisions;
  return explore(o, run);
}

}  // namespace

result check(options o, const body& run) {
  read_environment(o);
  result r = explore(o, run);
  if (r.passed || !o.replay.empty() || o.changed) return r;
  const schedule found = r.decisions;
  r.decisions = shrink(o, run, found);
  const result again = replay(o, run, r.decisions);
  if (!again.passed) {
    r.failure = again.failure;
    r.report = again.report;
  }
  return r;
}

// Decisions that are zero cost nothing to read: they say that nothing unusual happened.
schedule shrink(const options& o, const body& run, schedule decisions) {
  const auto still_fails = [&](const schedule& s) { return !replay(o, run, s).passed; };
  const auto trim = [](schedule& s) {
    while (s.size() > 1 && s.back() == 0) s.pop_back();
  };
  trim(decisions);
  if (!still_fails(decisions)) return decisions;  // it is not deterministic
  for (bool better = true; better;) {
    better = false;
    for (std::size_t i = decisions.size(); i-- > 0;) {
      schedule without = decisions;
      if (i >= decisions.size() || decisions[i] == 0) continue;
      without[i] = 0;
      trim(without);
      if (!still_fails(without)) continue;
      decisions = std::move(without);
      better = true;
    }
  }
  return decisions;
}

std::string summary(const result& r) {
  std::ostringstream out;
  out << "[ MODEL    ] " << r.executions << " executions, "
      << (r.complete ? "complete"
          : r.passed ? "not all"
                     : "FAILED")
      << ", " << r.dropped << " equal ones dropped, longest " << r.longest << " steps, "
      << static_cast<int>(r.seconds * 1000) << " ms";
  return out.str();
}

namespace {

// Says at the end of a test whether all of its searches were complete, for the scorecard.
class told_at_the_end : public testing::EmptyTestEventListener {
 public:
  void note(const result& r) {
    any_ = true;
    complete_ = complete_ && r.complete;
  }
  void OnTestEnd(const testing::TestInfo&) override {
    if (!any_) return;
    test::metric("model_tests", 1);
    test::metric("model_tests_complete", complete_ ? 1 : 0);
    any_ = false;
    complete_ = true;
  }

 private:
  bool any_ = false;
  bool complete_ = true;
};

void tell(const result& r) {
  static auto* const listener = [] {
    auto* const made = new told_at_the_end;
    testing::UnitTest::GetInstance()->listeners().Append(made);
    return made;
  }();
  listener->note(r);
  std::cout << summary(r) << std::endl;
  test::metric("model_executions", r.executions);
}

}  // namespace

testing::AssertionResult holds(const options& o, const body& run) {
  const result r = check(o, run);
  tell(r);
  if (r.passed) return testing::AssertionSuccess();
  return testing::AssertionFailure() << r.report;
}

testing::AssertionResult holds_always(const options& o, const body& run) {
  const result r = check(o, run);
  tell(r);
  if (!r.passed) return testing::AssertionFailure() << r.report;
  if (r.complete || std::getenv("PINION_MODEL_SECONDS") || std::getenv("PINION_MODEL_REPLAY"))
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "not complete: " << summary(r);
}

testing::AssertionResult fails(const options& o, const body& run, const std::string& what) {
  const result r = check(o, run);
  std::cout << summary(r) << std::endl;
  if (r.passed) return testing::AssertionFailure() << "no execution fails; " << summary(r);
  if (r.failure.find(what) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "not for '" << what << "': " << r.report;
}

}  // namespace pinion::model
