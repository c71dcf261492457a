// SPDX-License-Identifier: MIT
// Real work: SHA-256 of every file of a tree, one task a file. The files are in the page cache, so
// this asks how well the cores are kept busy when tasks take microseconds to milliseconds. A
// scheduler that is good at empty tasks only shows it here.
#include <array>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "bench/compare/tree.hpp"
#include "bench/compare/works.hpp"
#include "bench/support/completion.hpp"
#include <openssl/evp.h>

#include "pinion/platform/os.hpp"

namespace pinion::bench {
namespace {

using digest = std::array<unsigned char, 32>;

struct tree {
  std::vector<std::filesystem::path> files;
  std::uint64_t bytes = 0;
};

tree list(const std::string& root) {
  tree found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    found.files.push_back(entry.path());
    found.bytes += entry.file_size();
  }
  if (found.files.empty()) throw std::runtime_error("no files in " + root);
  return found;
}

digest hash(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  digest sum{};
  EVP_Digest(content.data(), content.size(), sum.data(), nullptr, EVP_sha256(), nullptr);
  return sum;
}

template <pool Pool>
duration hash_all(Pool& pool, const tree& of, std::vector<digest>& sums) {
  completion_counter ran;
  auto way_in = pool.outside();
  const time_point start = os::now();
  for (std::size_t i = 0; i < of.files.size(); ++i) {
    way_in.post([&, i] {
      sums[i] = hash(of.files[i]);
      ran.add();
    });
  }
  way_in.finish();
  ran.wait_for(of.files.size());
  return os::now() - start;
}

template <pool Pool>
measurement treesum(const pool_shape& shape, const std::string& root) {
  const tree files = list(root);
  std::vector<digest> sums(files.files.size());
  Pool pool(shape);
  hash_all(pool, files, sums);  // brings the files into the page cache
  const duration elapsed = hash_all(pool, files, sums);
  if (sums.front() != hash(files.files.front())) throw std::logic_error("treesum: wrong digest");
  measurement m{elapsed, static_cast<double>(files.files.size())};
  return m.with("bytes_per_second",
                static_cast<double>(files.bytes) / std::chrono::duration<double>(elapsed).count());
}

}  // namespace

void add_treesum() {
  if (tree_root().empty()) return;
  for_each_library(libraries{}, []<pool Pool>() {
    for (const form& f : forms<Pool>(usual_workers())) {
      add_benchmark(name_of<Pool>("treesum", f.shape, f.suffix),
                    [shape = f.shape] { return treesum<Pool>(shape, tree_root()); });
    }
  });
}

}  // namespace pinion::bench
