// SPDX-License-Identifier: MIT
// Is a whole program on Pinion better than the tools everybody has? The treesum example against
// sha256sum, alone and as many at once as there are workers, on the same tree. Starting processes,
// walking the tree and printing count: this is what a user waits for.
#include <filesystem>
#include <stdexcept>

#include "bench/compare/tree.hpp"
#include "bench/compare/works.hpp"
#include <spawn.h>
#include <sys/wait.h>

#include "pinion/platform/os.hpp"

extern "C" char** environ;

namespace pinion::bench {
namespace {

struct command {
  const char* name;
  const char* script;  // $1 the tree, $2 the example, $3 how many at once
};

constexpr command commands[] = {
    {"pinion", "exec \"$2\" --jobs \"$3\" \"$1\" > /dev/null"},
    {"sha256sum", "find \"$1\" -type f -print0 | xargs -0 sha256sum > /dev/null"},
    {"xargs_sha256sum",
     "find \"$1\" -type f -print0 | xargs -0 -n 32 -P \"$3\" sha256sum > /dev/null"},
};

duration run(const command& what, const std::string& at_once) {
  std::string words[] = {"sh", "-c", what.script, "sh", tree_root(), treesum_program(), at_once};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  const time_point start = os::now();
  pid_t child = 0;
  int status = 0;
  const bool ran =
      posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments.data(), environ) == 0 &&
      waitpid(child, &status, 0) == child && status == 0;
  const duration elapsed = os::now() - start;
  if (!ran) throw std::runtime_error(std::string("cannot run ") + what.name);
  return elapsed;
}

measurement sum_tree(const command& what, std::size_t workers) {
  double files = 0;
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tree_root())) {
    if (!entry.is_regular_file()) continue;
    ++files;
    bytes += static_cast<double>(entry.file_size());
  }
  const std::string at_once = std::to_string(workers);
  run(what, at_once);  // brings files and programs into the page cache
  const duration elapsed = run(what, at_once);
  measurement m{elapsed, files};
  return m.with("bytes_per_second", bytes / std::chrono::duration<double>(elapsed).count());
}

}  // namespace

void add_treesum_program() {
  if (tree_root().empty() || treesum_program().empty()) return;
  for (const command& what : commands) {
    const std::size_t workers = usual_workers();
    add_benchmark(
        "compare/treesum_program/" + std::string(what.name) + "/workers:" + std::to_string(workers),
        [=] { return sum_tree(what, workers); });
  }
}

}  // namespace pinion::bench
