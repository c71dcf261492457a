// SPDX-License-Identifier: MIT
#include "net.hpp"

#include <system_error>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace net {

namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// The system's answer, or what is wrong, negated.
int answer(ssize_t got) noexcept {
  return got < 0 ? -errno : static_cast<int>(got);
}

}  // namespace

descriptor::descriptor(int fd, const char* what) : fd_(fd) {
  if (fd_ < 0) fail(what);
}

descriptor::~descriptor() {
  if (fd_ >= 0) close(fd_);
}

// --- The reactor.

reactor::reactor()
    : epoll_(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"),
      stop_(eventfd(0, EFD_CLOEXEC), "eventfd") {
  epoll_event one{};
  one.events = EPOLLIN;  // and no watch: the end
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &one) != 0) fail("epoll_ctl");
  thread_ = pinion::thread({.name = "reactor"}, [this] { run(); });
}

reactor::~reactor() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

watch& reactor::add(int fd) {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    free_.reserve(all_.size() + 1);  // so that it always takes back what it has given
    free_.push_back(&all_.emplace_back());
  }
  epoll_event one{};
  one.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;  // each change is told once
  one.data.ptr = free_.back();
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &one) != 0) fail("epoll_ctl");
  watch& given = *free_.back();
  free_.pop_back();
  return given;
}

void reactor::remove(int fd, watch& given) noexcept {
  const std::lock_guard lock(mutex_);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  free_.push_back(&given);
}

void reactor::run() noexcept {
  for (;;) {
    epoll_event news[64];
    const int n = epoll_wait(epoll_.get(), news, 64, -1);
    for (int i = 0; i < n; ++i) {
      auto* const of = static_cast<watch*>(news[i].data.ptr);
      if (of == nullptr) return;
      of->mark.store(true, std::memory_order_relaxed);  // R2. relaxed: no data comes with it
      of->changed.notify_all();
    }
  }
}

// --- Sockets.

socket socket::listen(reactor& news, std::uint16_t port) {
  descriptor fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  const int yes = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* const address = reinterpret_cast<const sockaddr*>(&at);
  if (bind(fd.get(), address, sizeof at) != 0) fail(("port " + std::to_string(port)).c_str());
  if (::listen(fd.get(), SOMAXCONN) != 0) fail("listen");
  return socket(news, std::move(fd));
}

std::uint16_t socket::port() const {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  if (getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &size) != 0) fail("getsockname");
  return ntohs(at.sin_port);
}

task<result<socket>> socket::accept(const context& ctx) {
  const auto accepted = co_await when_ready(ctx, [fd = fd_.get()] {
    return answer(accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  });
  if (!accepted) co_return accepted.error();
  descriptor fd(*accepted, "accept");
  const int yes = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);  // an answer is sent at once
  co_return socket(*news_, std::move(fd));
}

task<result<int>> socket::read_some(const context& ctx, char* to, std::size_t most) {
  return when_ready(ctx, [fd = fd_.get(), to, most] { return answer(recv(fd, to, most, 0)); });
}

task<result<>> socket::write(const context& ctx, std::string_view text) {
  while (!text.empty()) {
    const auto sent = co_await when_ready(ctx, [fd = fd_.get(), text] {
      return answer(send(fd, text.data(), text.size(), MSG_NOSIGNAL));
    });
    if (!sent) co_return sent.error();
    text.remove_prefix(static_cast<std::size_t>(*sent));
  }
  co_return {};
}

void socket::end_writing() noexcept {
  shutdown(fd_.get(), SHUT_WR);
}

// --- Lines.

task<result<int>> line_reader::read_more(const context& ctx) {
  if (ctx.is_done()) co_return ctx.cause().as(ctx.status());  // though there may be more to read
  constexpr std::size_t most = 4096;
  const std::size_t before = ahead_.size();
  ahead_.resize(before + most);
  const auto got = co_await from_.read_some(ctx, &ahead_[before], most);
  ahead_.resize(before + static_cast<std::size_t>(got ? *got : 0));
  co_return got;
}

task<result<std::string>> line_reader::next(const context& ctx) {
  for (;;) {
    if (const std::size_t end = ahead_.find('\n'); end != ahead_.npos) {
      std::string line = ahead_.substr(0, end);
      ahead_.erase(0, end + 1);
      co_return line;
    }
    if (ahead_.size() > longest_) co_return pinion::errc::too_large;
    const auto got = co_await read_more(ctx);
    if (!got) co_return got.error();
    if (*got == 0) co_return pinion::errc::closed;
  }
}

task<> line_reader::skip_rest(const context& ctx) {
  for (;;) {
    ahead_.clear();
    const auto got = co_await read_more(ctx);
    if (!got || *got == 0) co_return;
  }
}

}  // namespace net
