// SPDX-License-Identifier: MIT
// Sockets for tasks: one that is not ready suspends its task, and no thread waits for it.
//
//      the task                                  the thread of the reactor
//   T1 set the mark to false                  R1 the system says that something has changed
//   T2 try it; "not now"? go on with T3       R2 set the mark to true
//   T3 wait until the mark is true; T1        R3 notify
//
// What changes after T2 has looked sets the mark after T1 has wiped it out, so it is not missed:
// the lock of the socket in the kernel orders them. A mark that is set in vain costs one attempt.
//
// The mark is an atomic and the event count makes it something to wait for, with a context, like
// all that the library has. That is the whole bridge between its tasks and the world outside.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pinion/platform/thread.hpp"
#include "pinion/runtime/task.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/event_count.hpp"
#include "pinion/sync/result.hpp"

namespace net {

using pinion::context;
using pinion::result;
using pinion::task;

/// A file descriptor; closed at the end of scope. Move-only.
class descriptor {
 public:
  /// @errors    throws std::system_error when it is negative: `what` failed
  descriptor(int fd, const char* what);
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&&) = delete;
  ~descriptor();
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

/// Where the news of one socket arrive.
struct watch {
  std::atomic<bool> mark{false};
  pinion::event_count changed;
};

/// A thread that hears from the system which sockets have changed.
/// @lifetime  outlives its sockets
class reactor {
 public:
  reactor();
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;
  ~reactor();

  watch& add(int fd);
  void remove(int fd, watch&) noexcept;

 private:
  void run() noexcept;

  const descriptor epoll_;
  const descriptor stop_;
  std::mutex mutex_;
  // Used again, and destroyed only at the end: news that arrive late, when their socket is closed,
  // set the mark of another one in vain.
  std::deque<watch> all_;
  std::vector<watch*> free_;
  pinion::thread thread_;
};

/// A socket that is used by one task at a time. Move-only; its operations keep a pointer to it.
class socket {
 public:
  socket(reactor& news, descriptor fd) : news_(&news), fd_(std::move(fd)) {
    watch_ = &news_->add(fd_.get());
  }
  socket(socket&& other) noexcept
      : news_(other.news_),
        watch_(std::exchange(other.watch_, nullptr)),
        fd_(std::move(other.fd_)) {}
  socket& operator=(socket&&) = delete;
  ~socket() {
    if (watch_ != nullptr) news_->remove(fd_.get(), *watch_);
  }

  /// On the loopback interface; port 0: the system chooses one.
  static socket listen(reactor&, std::uint16_t port);
  std::uint16_t port() const;

  task<result<socket>> accept(const context&);
  task<result<int>> read_some(const context&, char* to, std::size_t most);  // 0: the end
  /// All of it. What the system takes at once is sent even when `ctx` is done.
  task<result<>> write(const context& ctx, std::string_view text);
  void end_writing() noexcept;  // for the other side, the end

 private:
  // Makes the call until the system has an answer. Negative: what is wrong.
  template <class Call>
  task<result<int>> when_ready(const context& ctx, Call call) {
    for (;;) {
      watch_->mark.store(false, std::memory_order_relaxed);  // T1. relaxed: see above
      const int n = call();
      if (n >= 0) co_return n;
      if (n == -EINTR || n == -ECONNABORTED) continue;
      if (n != -EAGAIN) co_return pinion::error(std::generic_category().message(-n));
      // relaxed: no data comes with it; what the event count orders is enough.
      const auto is_marked = [w = watch_] { return w->mark.load(std::memory_order_relaxed); };
      const auto told = co_await watch_->changed.until(ctx, is_marked);
      if (!told) co_return told.error();
    }
  }

  reactor* news_;
  watch* watch_ = nullptr;
  descriptor fd_;
};

/// Lines of a socket.
class line_reader {
 public:
  line_reader(socket& from, std::size_t longest) : from_(from), longest_(longest) {}

  /// What has been read already is given even when `ctx` is done.
  /// @errors    closed: the end; too_large; canceled; what the system says
  task<result<std::string>> next(const context& ctx);

  /// Reads until the end, and forgets it.
  task<> skip_rest(const context& ctx);

 private:
  task<result<int>> read_more(const context& ctx);

  socket& from_;
  const std::size_t longest_;
  std::string ahead_;
};

}  // namespace net
