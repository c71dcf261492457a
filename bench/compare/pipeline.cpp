// SPDX-License-Identifier: MIT
// What does it cost to take an item through a pipeline of four stages whose functions do nothing?
// The source and the sink are serial and in order; the two between are both parallel, or one of
// each kind, or both in order. Decides how a pipeline hands items from stage to stage.
#include <optional>
#include <stdexcept>
#include <utility>

#include "bench/compare/works.hpp"
#if defined(PINION_BENCH_ONETBB)
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_pipeline.h>
#include <oneapi/tbb/task_arena.h>
#endif

#include "pinion/patterns/pipeline.hpp"
#include "pinion/platform/os.hpp"
#include "pinion/runtime/scheduler.hpp"

namespace pinion::bench {
namespace {

constexpr auto same = [](std::uint64_t n) noexcept { return n; };

/// The kinds of the two stages between, for whatever names a library has for them.
template <class Mode>
struct middle {
  const char* name;
  Mode first;
  Mode second;
};

class pinion_pipeline {
 public:
  static constexpr const char* name = "pinion";
  using kind = pinion::mode;
  static constexpr middle<kind> forms[] = {
      {"parallel", kind::parallel, kind::parallel},
      {"mixed", kind::parallel, kind::serial_any_order},
      {"in_order", kind::serial_in_order, kind::serial_in_order},
  };

  explicit pinion_pipeline(std::size_t workers) : scheduler_(options_for(workers)) {}

  std::uint64_t sum(const middle<kind>& form, std::uint64_t count, std::size_t tokens) {
    std::uint64_t all = 0;
    auto work = source([count, next = std::uint64_t{0}]() mutable -> std::optional<std::uint64_t> {
                  if (next == count) return std::nullopt;
                  return next++;
                }) |
                stage(form.first, same) | stage(form.second, same) |
                sink(kind::serial_in_order, [&](std::uint64_t n) { all += n; });
    std::move(work)
        .run(scheduler_, context::background(), {.max_in_flight = tokens})
        .wait()
        .value();
    return all;
  }

 private:
  static scheduler_options options_for(std::size_t workers) {
    scheduler_options o;
    o.workers = workers;
    o.pin = pinning::none();
    return o;
  }
  scheduler scheduler_;
};

#if defined(PINION_BENCH_ONETBB)
// The caller's thread is one of the workers.
class onetbb_pipeline {
 public:
  static constexpr const char* name = "onetbb";
  using kind = tbb::filter_mode;
  static constexpr middle<kind> forms[] = {
      {"parallel", kind::parallel, kind::parallel},
      {"mixed", kind::parallel, kind::serial_out_of_order},
      {"in_order", kind::serial_in_order, kind::serial_in_order},
  };

  explicit onetbb_pipeline(std::size_t workers)
      : limit_(tbb::global_control::max_allowed_parallelism, workers),
        arena_(static_cast<int>(workers)) {}

  std::uint64_t sum(const middle<kind>& form, std::uint64_t count, std::size_t tokens) {
    std::uint64_t all = 0;
    std::uint64_t next = 0;
    const auto give = [&](tbb::flow_control& flow) -> std::uint64_t {
      if (next == count) {
        flow.stop();
        return 0;
      }
      return next++;
    };
    arena_.execute([&] {
      tbb::parallel_pipeline(
          tokens, tbb::make_filter<void, std::uint64_t>(kind::serial_in_order, give) &
                      tbb::make_filter<std::uint64_t, std::uint64_t>(form.first, same) &
                      tbb::make_filter<std::uint64_t, std::uint64_t>(form.second, same) &
                      tbb::make_filter<std::uint64_t, void>(kind::serial_in_order,
                                                            [&](std::uint64_t n) { all += n; }));
    });
    return all;
  }

 private:
  tbb::global_control limit_;
  tbb::task_arena arena_;
};
#endif

template <class Library>
measurement pipeline_of(std::size_t workers, std::size_t form, std::size_t tokens) {
  Library library(workers);
  const std::uint64_t count = scaled(1'000'000, 1000);
  library.sum(Library::forms[form], count / 10, tokens);  // warm-up
  const time_point start = os::now();
  const std::uint64_t sum = library.sum(Library::forms[form], count, tokens);
  const duration elapsed = os::now() - start;
  if (sum != count * (count - 1) / 2) throw std::logic_error("pipeline: an item was lost");
  return {elapsed, static_cast<double>(count)};
}

template <class Library>
void add_pipelines_of() {
  const std::size_t workers = usual_workers();
  for (const std::size_t tokens : {4 * workers, 32 * workers}) {
    for (std::size_t form = 0; form < std::size(Library::forms); ++form) {
      add_benchmark("compare/pipeline/" + std::string(Library::name) + "/workers:" +
                        std::to_string(workers) + "/stages:" + Library::forms[form].name +
                        "/tokens:" + std::to_string(tokens) + "/unpinned",
                    [=] { return pipeline_of<Library>(workers, form, tokens); });
    }
  }
}

}  // namespace

void add_pipeline() {
  add_pipelines_of<pinion_pipeline>();
#if defined(PINION_BENCH_ONETBB)
  add_pipelines_of<onetbb_pipeline>();
#endif
}

}  // namespace pinion::bench
