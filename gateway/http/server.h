// HttpServer listens on one port and serves a handler over it, on the threads given: each has its own
// listener on the shared port, its own TLS context and its own sessions, which never leave it. A new
// connection goes to another thread only when its own has clearly more. The handler is called on all of these
// threads.
//   HttpServer server(executors, clock, rng, handler, options, metrics);
//   TRY(port, server.start());   ...   co_await server.stop(grace);
// stop() must have returned before the server is destroyed, and the threads run until then.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "common/async.h"
#include "common/net/listener.h"
#include "common/net/tls_context.h"
#include "gateway/http/session_host.h"

namespace gabion::gateway::http {

struct ServerOptions {
  net::ListenAddress address;
  std::size_t max_connections = 10'000;  // more are told 503 and closed
  std::shared_ptr<net::TlsContext> tls;  // plain HTTP without
  SessionLimits limits;
  Duration sweep_interval = std::chrono::seconds(1);  // the precision of timeouts
};

class HttpServer {
 public:
  // One executor for each thread, each an io_context that one thread runs.
  HttpServer(std::vector<Executor> threads, Clock& clock, Rng& rng, Handler& handler, ServerOptions options,
             HttpMetrics& metrics);
  ~HttpServer();

  // Binds the port and begins to accept; returns the port. Fails when the port is not to be had.
  Result<std::uint16_t> start();
  // Accepts no more, closes idle connections, lets requests under way finish, and drops what is left after
  // `grace`.
  task<void> stop(Duration grace);

 private:
  struct Thread;
  task<void> accept_loop(Thread& thread);
  task<void> serve(Thread& thread, net::SocketHandle socket);
  void dispatch(Thread& home, net::SocketHandle socket);
  Thread& choose(Thread& home);
  task<void> drain(Thread& thread);
  task<void> drop(Thread& thread);
  task<void> wait_for_sessions(Duration grace);

  // Fixed after construction.
  Clock& clock_;
  const ServerOptions options_;
  HttpMetrics& metrics_;
  std::vector<std::unique_ptr<Thread>> threads_;
  // Synchronise themselves.
  std::atomic<std::size_t> connections_{0};
  std::atomic<bool> stopping_{false};
  Gate sessions_;
  Gate loops_;
};

}  // namespace gabion::gateway::http
