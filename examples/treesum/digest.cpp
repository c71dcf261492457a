// SPDX-License-Identifier: MIT
#include "digest.hpp"

#include <cerrno>
#include <memory>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace treesum {

namespace {

class file {
 public:
  // Not blocked by a pipe that has taken the file's place, nor led elsewhere by a link.
  explicit file(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)) {}
  file(const file&) = delete;
  file& operator=(const file&) = delete;
  ~file() {
    if (fd_ >= 0) close(fd_);
  }

  bool is_open() const { return fd_ >= 0; }
  bool is_regular() const {
    struct stat s {};
    return fstat(fd_, &s) == 0 && S_ISREG(s.st_mode);
  }
  ssize_t read_some(std::vector<unsigned char>& to) const {
    ssize_t n = -1;
    do {
      n = read(fd_, to.data(), to.size());
    } while (n < 0 && errno == EINTR);
    return n;
  }

 private:
  const int fd_;
};

class sha256 {
 public:
  bool start() { return EVP_DigestInit_ex(state_.get(), EVP_sha256(), nullptr) == 1; }
  bool add(const unsigned char* from, std::size_t n) {
    return EVP_DigestUpdate(state_.get(), from, n) == 1;
  }
  bool finish(digest& to) { return EVP_DigestFinal_ex(state_.get(), to.data(), nullptr) == 1; }

 private:
  struct freeing {
    void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
  };
  const std::unique_ptr<EVP_MD_CTX, freeing> state_{EVP_MD_CTX_new()};
};

pinion::error system_says(int number) {
  return pinion::error(std::generic_category().message(number));
}

}  // namespace

pinion::result<digest> sum(const pinion::context& ctx, const std::string& path, std::size_t block,
                           pinion::rate_limiter& pace, std::atomic<std::uint64_t>& bytes) {
  const file from(path);
  if (!from.is_open()) return system_says(errno);
  if (!from.is_regular()) return pinion::error("is no longer a regular file");
  sha256 state;
  bool good = state.start();
  std::vector<unsigned char> piece(block);
  for (;;) {
    if (ctx.is_done()) return ctx.cause().as(ctx.status());
    const ssize_t n = from.read_some(piece);
    if (n < 0) return system_says(errno);
    if (n == 0) break;
    const auto got = static_cast<std::size_t>(n);
    good = good && state.add(piece.data(), got);
    bytes.fetch_add(got, std::memory_order_relaxed);  // relaxed: for the progress line
    if (auto paid = pace.acquire(ctx, got).wait(); !paid) return paid.error();
  }
  digest d{};
  if (!good || !state.finish(d)) return pinion::error("libcrypto cannot make a SHA-256");
  return d;
}

std::string escaped(std::string_view path) {
  std::string text;
  for (const char c : path) {
    switch (c) {
      case '\\':
        text += "\\\\";
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      default:
        text += c;
    }
  }
  return text;
}

std::string line(const digest& d, std::string_view path) {
  constexpr char hex[] = "0123456789abcdef";
  const std::string name = escaped(path);
  std::string text = name.size() != path.size() ? "\\" : "";
  for (const unsigned char byte : d) {
    text += hex[byte >> 4];
    text += hex[byte & 15];
  }
  return text + "  " + name + "\n";
}

}  // namespace treesum
