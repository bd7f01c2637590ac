#include "gateway/http/server.h"

#include <algorithm>
#include <unordered_set>

#include "common/log.h"
#include "common/net/deadline_sweeper.h"
#include "common/net/tcp.h"
#include "common/net/tls.h"
#include "gateway/http/session.h"

namespace gabion::gateway::http {
namespace {

constexpr std::string_view kBusy =
    "HTTP/1.1 503 Service Unavailable\r\nServer: Gabion\r\nRetry-After: 1\r\nContent-Length: "
    "0\r\nConnection: close\r\n\r\n";
constexpr Duration kBusyTime = std::chrono::seconds(2);
// A connection changes the thread when its own has so many more than the idlest: moving costs a little,
// imbalance a lot.
constexpr std::size_t kImbalance = 2;
constexpr Duration kDrainPoll = std::chrono::milliseconds(20);

}  // namespace

// Used on its own thread only, apart from `count`.
struct HttpServer::Thread {
  Thread(Executor e, Clock& clock, Rng& rng, Handler& handler, const ServerOptions& options,
         HttpMetrics& metrics)
      : executor(std::move(e)),
        host(clock, rng, handler, options.limits, metrics),
        sweeper(clock, options.sweep_interval) {
    if (options.tls) tls.emplace(*options.tls);
  }
  const Executor executor;
  SessionHost host;
  net::DeadlineSweeper sweeper;
  std::optional<net::ThreadTls> tls;
  std::unique_ptr<net::Listener> listener;
  std::unordered_set<Session*> sessions;
  std::atomic<std::size_t> count{0};
};

HttpServer::HttpServer(std::vector<Executor> threads, Clock& clock, Rng& rng, Handler& handler,
                       ServerOptions options, HttpMetrics& metrics)
    : clock_(clock), options_(std::move(options)), metrics_(metrics) {
  GABION_CHECK(!threads.empty(), "a server needs a thread");
  for (Executor& executor : threads) {
    threads_.push_back(std::make_unique<Thread>(std::move(executor), clock, rng, handler, options_, metrics));
  }
}

HttpServer::~HttpServer() = default;

Result<std::uint16_t> HttpServer::start() {
  net::ListenAddress address = options_.address;
  TRY(address.port, net::claim_port(address));
  for (auto& thread : threads_) {
    TRY(thread->listener, net::Listener::open(thread->executor, clock_, address));
  }
  for (auto& thread : threads_) {
    spawn(thread->executor, loops_, "deadline sweeper", thread->sweeper.run());
    spawn(thread->executor, loops_, "http listener", accept_loop(*thread));
  }
  return address.port;
}

task<void> HttpServer::accept_loop(Thread& thread) {
  for (;;) {
    auto socket = co_await thread.listener->accept();
    if (socket) {
      metrics_.accepted.add();
      dispatch(thread, std::move(*socket));
      continue;
    }
    if (stopping_) co_return;
    // Nothing that accept() reports here is expected; a server that stops accepting quietly would be worse.
    LOG(error, "http", "accept failed", field("error", socket.error().message));
    co_await clock_.sleep(std::chrono::seconds(1));
  }
}

HttpServer::Thread& HttpServer::choose(Thread& home) {
  const auto idlest = std::min_element(threads_.begin(), threads_.end(), [](const auto& a, const auto& b) {
    return a->count.load() < b->count.load();
  });
  return home.count.load() < (*idlest)->count.load() + kImbalance ? home : **idlest;
}

void HttpServer::dispatch(Thread& home, net::SocketHandle socket) {
  Thread& thread = choose(home);
  thread.count.fetch_add(1);
  if (!spawn(thread.executor, sessions_, "http session", serve(thread, std::move(socket))))
    thread.count.fetch_sub(1);
}

task<void> HttpServer::serve(Thread& thread, net::SocketHandle socket) {
  const bool admitted = connections_.fetch_add(1) < options_.max_connections;
  metrics_.connections.add(1);
  std::unique_ptr<net::ByteStream> stream;
  if (thread.tls) {
    stream = net::make_tls_stream(thread.executor, thread.sweeper, *thread.tls, std::move(socket));
  } else {
    stream = net::make_tcp_stream(thread.executor, thread.sweeper, std::move(socket));
  }
  if (admitted) {
    Session session(thread.host, std::move(stream));
    thread.sessions.insert(&session);
    if (stopping_) session.drain();
    co_await session.run();
    thread.sessions.erase(&session);
  } else {
    metrics_.rejected.add();
    if (!thread.tls) {  // a handshake would cost more than the answer is worth
      stream->set_deadline(clock_.now() + kBusyTime);
      const ByteView answer = as_bytes(kBusy);
      if (co_await stream->write_all({&answer, 1})) co_await stream->close();
    }
  }
  connections_.fetch_sub(1);
  metrics_.connections.add(-1);
  thread.count.fetch_sub(1);
}

// --- Stopping ---

task<void> HttpServer::drain(Thread& thread) {
  if (thread.listener) thread.listener->close();  // not there when start() has failed
  for (Session* session : thread.sessions) session->drain();
  co_return;
}

task<void> HttpServer::drop(Thread& thread) {
  for (Session* session : thread.sessions) session->abort();
  co_return;
}

task<void> HttpServer::wait_for_sessions(Duration grace) {
  const TimePoint deadline = clock_.now() + grace;
  while (connections_.load() != 0 && clock_.now() < deadline) {
    co_await clock_.sleep(std::min<Duration>(kDrainPoll, deadline - clock_.now()));
  }
}

task<void> HttpServer::stop(Duration grace) {
  stopping_.store(true);
  for (auto& thread : threads_) co_await run_on(thread->executor, drain(*thread));
  co_await wait_for_sessions(grace);
  if (connections_.load() != 0)
    LOG(warn, "http", "requests are cut off", field("connections", connections_.load()));
  for (auto& thread : threads_) co_await run_on(thread->executor, drop(*thread));
  co_await sessions_.close();
  for (auto& thread : threads_) {
    Thread* t = thread.get();
    co_await offload(t->executor, [t] { t->sweeper.stop(); });
  }
  co_await loops_.close();
}

}  // namespace gabion::gateway::http
