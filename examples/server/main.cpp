// SPDX-License-Identifier: MIT
// server: answers lines over TCP, each with one line, and ends without leaving one unanswered.
//
//     server --port 7777 &
//     printf 'echo hello\nprimes 1000\nwait 20ms\n' | nc -N localhost 7777
//
//     accept --> a task for each client:   read a line --> answer it --> write --+
//                                              ^                                 |
//                                              +---------------------------------+
//     Three things stand between a request and the work, and each has an answer of its own:
//
//     the client's turn?    a rate limiter for each client        slow down   it asks too often
//     a place?              a semaphore for all requests          busy        too many in flight
//     done in time?         a context with a deadline             late        it lasted too long
//
// Overload is answered, not queued: what is in flight and what is in memory are bounded. A client's
// requests are answered in turn; who wants more at once opens more connections, up to a limit at
// which nobody is accepted any more. No thread belongs to a client: a task that waits for one is
// suspended.
//
// SIGTERM or Ctrl-C: nobody is accepted, and nothing more is read. What had been read is answered,
// and each client is told by `bye N` how many of its lines that were; the rest it may send to
// somebody else. When the grace is over, requests in flight are canceled, and answered as such.
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "../command_line.hpp"
#include "net.hpp"
#include <signal.h>

#include "pinion/patterns/task_group.hpp"
#include "pinion/runtime/resume_on.hpp"
#include "pinion/runtime/scheduler.hpp"
#include "pinion/runtime/signal.hpp"
#include "pinion/sync/context.hpp"
#include "pinion/sync/rate_limiter.hpp"
#include "pinion/sync/semaphore.hpp"
#include "pinion/sync/timer.hpp"

namespace {

using namespace std::chrono_literals;
using pinion::context;
using pinion::result;
using pinion::task;

constexpr std::size_t line_max = 4096;

struct options {
  std::uint16_t port = 0;
  std::size_t clients = 256;
  std::size_t in_flight = 64;
  pinion::duration every = 100us;
  std::uint64_t burst = 100;
  pinion::duration deadline = 1s;
  pinion::duration grace = 5s;
};

// --- The work.

// Long enough to need to look at its context.
result<std::string> primes_below(const context& ctx, std::uint32_t n) {
  std::uint32_t count = 0;
  for (std::uint32_t candidate = 2; candidate < n; ++candidate) {
    if (candidate % 256 == 0 && ctx.is_done()) return ctx.cause().as(ctx.status());
    std::uint32_t factor = 2;
    while (factor * factor <= candidate && candidate % factor != 0) ++factor;
    count += factor * factor > candidate ? 1 : 0;
  }
  return std::to_string(count);
}

task<result<std::string>> work(const context& ctx, std::string_view request) {
  const std::size_t space = std::min(request.find(' '), request.size());
  const std::string_view verb = request.substr(0, space);
  const std::string_view rest = request.substr(std::min(space + 1, request.size()));
  if (verb == "echo") co_return std::string(rest);
  if (verb == "wait") {
    const auto length = examples::parse_duration(rest);
    if (!length) co_return pinion::error("wait TIME, like wait 20ms");
    const auto slept = co_await pinion::sleep(ctx, *length);
    if (!slept) co_return slept.error();
    co_return std::string(rest);
  }
  if (verb == "primes") {
    constexpr std::uint32_t most = 100'000'000;
    std::uint32_t n = 0;
    const char* const end = rest.data() + rest.size();
    const auto [stopped, wrong] = std::from_chars(rest.data(), end, n);
    if (wrong != std::errc{} || stopped != end || n > most)
      co_return pinion::error("primes N, up to 100000000");
    co_return primes_below(ctx, n);
  }
  co_return pinion::error("echo TEXT, wait TIME, primes N or load");
}

// --- The server.

class server {
 public:
  server(pinion::scheduler& sched, const context& stopping, const options& o)
      : options_(o),
        stopping_(stopping),
        seats_(o.clients),
        places_(o.in_flight),
        clients_(sched, sched.root(), {.policy = pinion::on_error::keep_going}) {}

  /// Until the server is to stop.
  task<result<>> accept_all(net::socket door) {
    for (;;) {
      auto seat = co_await seats_.acquire(stopping_);
      if (!seat) break;
      auto client = co_await door.accept(stopping_);
      if (!client && stopping_.is_done()) break;
      if (!client) co_return client.error();
      clients_.spawn(serve(*std::move(client), *std::move(seat)));
    }
    co_return {};
  }

  /// Returns when all clients have gone, in time or because the grace is over.
  result<> finish(const context& grace) {
    const auto in_time = clients_.join(grace).wait();
    if (!grace.is_done()) return in_time;
    clients_.cancel();
    return clients_.join().wait();
  }

  std::uint64_t accepted() const { return accepted_.load(std::memory_order_relaxed); }
  std::uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }

 private:
  task<> serve(net::socket client, [[maybe_unused]] pinion::permit seat) {
    net::line_reader lines(client, line_max);
    pinion::rate_limiter turns(pinion::rate::every(options_.every), options_.burst);
    std::uint64_t count = 0;
    for (;;) {
      const auto line = co_await lines.next(stopping_);
      if (!line) break;  // it has no more, or the server is to stop
      accepted_.fetch_add(1, std::memory_order_relaxed);  // relaxed, as all below: only counts
      std::string text = co_await answer(turns, *line);
      text += '\n';
      const auto sent = co_await client.write(clients_.ctx(), text);
      if (!sent) co_return;  // it has gone
      answered_.fetch_add(1, std::memory_order_relaxed);
      ++count;
      co_await pinion::yield();  // however much it sends, others have their turn
    }
    const std::string farewell = "bye " + std::to_string(count) + "\n";
    static_cast<void>(co_await client.write(clients_.ctx(), farewell));
    client.end_writing();
    // Closed with something unread, the connection would be reset, and take the answers with it.
    const auto patience = pinion::with_timeout(clients_.ctx(), options_.grace);
    co_await lines.skip_rest(patience);
  }

  task<std::string> answer(pinion::rate_limiter& turns, std::string_view request) {
    const auto ctx = pinion::with_timeout(clients_.ctx(), options_.deadline);
    // Says so at once when the turn would come after the deadline.
    const auto turn = co_await turns.acquire(ctx);
    if (!turn) co_return refusal(turn.error());
    if (request == "load") co_return load();
    const auto place = places_.try_acquire();
    if (!place) co_return "busy";
    const auto done = co_await work(ctx, request);
    co_return done ? "ok " + *done : refusal(done.error());
  }

  static std::string refusal(const pinion::error& why) {
    if (why == pinion::errc::would_exceed_deadline) return "slow down";
    if (why.is_timeout()) return "late";
    if (why.is_cancel()) return "canceled";
    return "bad request: " + why.what();
  }

  std::string load() const {
    return "ok " + std::to_string(options_.in_flight - places_.available_approx()) + " in flight";
  }

  const options options_;
  const context stopping_;
  pinion::semaphore seats_;   // of clients
  pinion::semaphore places_;  // of requests in flight
  std::atomic<std::uint64_t> accepted_{0};
  std::atomic<std::uint64_t> answered_{0};
  pinion::task_group clients_;  // the last member: joined before the others are destroyed
};

int run(const options& o) {
  net::reactor news;
  pinion::scheduler sched({.name = "server"});
  auto stopping = pinion::with_signals(sched.root(), {SIGINT, SIGTERM});
  net::socket door = net::socket::listen(news, o.port);
  std::printf("port %u\n", door.port());
  std::fflush(stdout);

  server all(sched, stopping, o);
  const result<> accepting = sched.submit(all.accept_all(std::move(door))).wait();
  stopping.cancel();  // if it was not a signal that has ended the accepting
  const auto grace = pinion::with_timeout(sched.root(), o.grace);
  const result<> ended = all.finish(grace);
  // More of the first than of the second: clients that have gone before they were answered.
  std::printf("%ju requests accepted, %ju answered\n", std::uintmax_t{all.accepted()},
              std::uintmax_t{all.answered()});
  accepting.value();  // or throws, and so does the next one
  ended.value();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app{
      "Answers lines over TCP on the loopback interface: echo TEXT, wait TIME, primes N, load.",
      "server"};
  app.add_option("--port", o.port, "0: the system chooses; it is printed")
      ->check(CLI::Range(0, 65535));
  app.add_option("--clients", o.clients, "connections at a time")->check(CLI::Range(1, 10'000));
  app.add_option("--in-flight", o.in_flight, "requests at a time; above that: busy")
      ->check(CLI::Range(1, 1'000'000));
  examples::add_duration(app, "--every", o.every, "100us",
                         "a client may ask once in this time ...");
  app.add_option("--burst", o.burst, "... and so often at once; above that: slow down")
      ->check(CLI::Range(1, 1'000'000));
  examples::add_duration(app, "--deadline", o.deadline, "1s", "of a request; after it: late");
  examples::add_duration(app, "--grace", o.grace, "5s", "to end in, when asked to");
  return examples::run(app, argc, argv, [&] { return run(o); });
}
