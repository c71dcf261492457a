// SPDX-License-Identifier: MIT
// Checks the body of a model test by Relacy, in place of our own checker's ways through it.
#include "tests/opinions/relacy/engine.hpp"

#include "tests/model/support/check.hpp"

#include "pinion/platform/os.hpp"

// Relacy replaces the plain forms alone. Whoever calls these must get there too.
void operator delete(void* p, std::size_t) noexcept {
  ::operator delete(p);
}
void operator delete[](void* p, std::size_t) noexcept {
  ::operator delete[](p);
}

namespace pinion::opinion {

namespace {

using model::operation;
using model::order;
using model::place;
using model::site;

// An execution that fails is left where it is. So what is kept here owns nothing, and is forgotten
// when the next one begins.
struct sleeper {
  const void* address = nullptr;
  bool woken = false;
};
struct watched {
  const void* address = nullptr;
  rl::var<int>* memory = nullptr;
};

struct kept {
  void* object = nullptr;
  void (*unmake)(void*) = nullptr;
};

struct state {
  const model::body* runs = nullptr;
  model::mutant changed;
  std::vector<site> sites;
  std::size_t sites_met = 0;

  std::array<sleeper, threads_max + 1> sleepers;
  std::array<rl::atomic<int>*, threads_max + 1> beds{};
  std::array<watched, 64> cells;
  std::size_t cells_used = 0;
  std::array<kept, 512> all_kept;
  std::size_t kept_used = 0;
  char failure[128] = "";
};

state now;

constexpr std::size_t sites_max = 256;

void note(operation what, order how, place at) noexcept {
  for (std::size_t i = 0; i < now.sites_met; ++i)
    if (now.sites[i].is(what, at)) return;
  if (now.sites_met < sites_max) now.sites[now.sites_met++] = {what, at, how};
}

}  // namespace

void keep(void* object, void (*unmake)(void*)) {
  std::size_t i = 0;
  while (i < now.kept_used && now.all_kept[i].object != nullptr) ++i;
  if (i == now.all_kept.size()) std::abort();  // a larger table, then
  if (i == now.kept_used) ++now.kept_used;
  now.all_kept[i] = {object, unmake};
}

void forget(void* object) {
  for (std::size_t i = 0; i < now.kept_used; ++i)
    if (now.all_kept[i].object == object) now.all_kept[i] = {};
}

order meet(operation what, order how, place at) noexcept {
  note(what, how, at);
  return now.changed && now.changed.of.is(what, at) ? now.changed.to : how;
}

bool meet_unless_dropped(operation what, order how, place at) noexcept {
  note(what, how, at);
  return !(now.changed && now.changed.of.is(what, at) && now.changed.dropped);
}

void fail(const char* what, place at) {
  std::strncpy(now.failure, what, sizeof now.failure - 1);
  rl::ctx().fail_test(what, rl::test_result_user_assert_failed, where(at));
}

bool sleep_on(const void* address, bool timed) {
  const std::size_t me = rl::thread_index();
  sleeper& mine = now.sleepers[me];
  mine = {address, false};
  now.beds[me]->wait(rl::ctx(), timed, false, $);
  mine.address = nullptr;
  return mine.woken;
}

int wake_at(const void* address, int count) {
  int woken = 0;
  for (std::size_t i = 0; i < now.sleepers.size() && woken < count; ++i) {
    sleeper& s = now.sleepers[i];
    if (s.address != address || s.woken) continue;
    s.woken = true;
    ++woken;
    now.beds[i]->wake(rl::ctx(), 1, $);
  }
  return woken;
}

void touch(const void* address, bool writes) {
  if (!rl::is_ctx()) return;
  watched* found = now.cells.data();
  watched* const end = found + now.cells_used;
  while (found != end && found->address != address) ++found;
  if (found == end) {
    if (now.cells_used == now.cells.size()) std::abort();  // a larger table, then
    ++now.cells_used;
    *found = {address, make_kept<rl::var<int>>(0)};
  }
  if (writes)
    (*found->memory)($).store(0);
  else
    static_cast<void>((*found->memory)($).load());
}

namespace {

struct suite : rl::test_suite<suite, 1> {
  static constexpr std::size_t dynamic_thread_count = threads_max;

  void before() {
    now.sleepers = {};
    now.cells_used = now.kept_used = 0;
    for (auto*& bed : now.beds) bed = make_kept<rl::atomic<int>>(0);
  }
  void thread(unsigned) { (*now.runs)(); }
  void after() {
    for (std::size_t i = 0; i < now.kept_used; ++i)
      if (now.all_kept[i].object != nullptr) now.all_kept[i].unmake(now.all_kept[i].object);
  }
};

std::uint64_t executions() {
  const char* const given = std::getenv("PINION_RELACY_EXECUTIONS");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : 20'000;
}

}  // namespace
}  // namespace pinion::opinion

namespace pinion::model {

result check(options o, const body& run) {
  using opinion::now;
  now.runs = &run;
  now.changed = o.changed;
  now.sites.resize(opinion::sites_max);
  now.sites_met = 0;
  std::ostringstream state, told;
  rl::test_params how;
  how.iteration_count = static_cast<rl::iteration_t>(opinion::executions());
  how.output_stream = how.progress_stream = &told;
  how.search_type = rl::random_scheduler_type;
  how.execution_depth_limit = 5000;
  const auto came_out =
      rl::run_test<opinion::suite, rl::random_scheduler<opinion::suite::params::thread_count>>(
          how, state, false);
  result r;
  r.passed = came_out == rl::test_result_success;
  r.executions = how.stop_iteration;
  if (!r.passed) r.failure = r.report = rl::test_result_str(came_out);
  r.sites.assign(now.sites.begin(), now.sites.begin() + std::ptrdiff_t(now.sites_met));
  return r;
}

namespace {

result check_and_tell(const options& o, const body& run) {
  const result r = check(o, run);
  std::cout << "[ RELACY   ] " << r.executions << " executions"
            << (r.passed ? "" : ": " + r.failure) << std::endl;
  return r;
}

}  // namespace

testing::AssertionResult holds(const options& o, const body& run) {
  if (o.may_fail.allocations + o.may_fail.threads != 0)
    return testing::AssertionSuccess();  // no such faults here
  const result r = check_and_tell(o, run);
  return r.passed ? testing::AssertionSuccess() : testing::AssertionFailure() << r.report;
}

testing::AssertionResult holds_always(const options& o, const body& run) {
  return holds(o, run);
}

testing::AssertionResult fails(const options& o, const body& run, const std::string&) {
  const result r = check_and_tell(o, run);
  return r.passed ? testing::AssertionFailure() << "no execution fails"
                  : testing::AssertionSuccess();
}

}  // namespace pinion::model
