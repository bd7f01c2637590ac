// RpcServer listens for other nodes on one port and lets a handler answer them, on the threads given: each has its own
// listener on the shared port, its own TLS contexts and its own connections, which never leave it. The handler is called on
// all of these threads.
//   RpcServer server(executors, clock, handler, options, metrics);
//   TRY(port, server.start());   ...   co_await server.stop(grace);
// A peer without a certificate is a stranger, who may call Method::join and nothing else, once at a time. Connections of nodes,
// of strangers and of those who have not greeted yet are bounded apart, so that none keeps out the nodes. stop() must have
// returned before the server is destroyed, and the threads run until then.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "common/async.h"
#include "common/net/listener.h"
#include "common/net/mutual_tls.h"
#include "common/rpc/connection.h"
#include "common/rpc/hello.h"

namespace gabion::rpc {

struct ServerOptions {
  net::ListenAddress address;
  Identity self;
  std::shared_ptr<net::MutualTls> tls;
  ConnectionLimits limits;
  std::size_t max_connections = 4096;  // of nodes; more are refused
  std::size_t max_strangers = 16;      // of those without a certificate; more are refused
  // On each thread, of those who have not greeted yet, from anywhere and from one address. When one more comes the oldest
  // goes, so that those who only connect do not keep out the nodes, which greet at once.
  std::size_t max_greeting = 256;
  std::size_t max_greeting_of_address = 32;
  Duration greeting_time = std::chrono::seconds(5);
  Duration stranger_time = std::chrono::seconds(30);
  Duration tick = std::chrono::milliseconds(20);  // the precision of deadlines
};

class RpcServer {
 public:
  // One executor for each thread, each an io_context that one thread runs.
  RpcServer(std::vector<Executor> threads, Clock& clock, Handler& handler, ServerOptions options, RpcMetrics& metrics);
  ~RpcServer();

  // Binds the port and begins to accept; returns the port. Fails when the port is not to be had.
  Result<std::uint16_t> start();
  // Accepts no more connections and calls, lets those under way finish, and drops what is left after `grace`. Returns when the
  // last handler has returned: handlers keep to their deadlines.
  task<void> stop(Duration grace);

 private:
  struct Thread;
  task<void> accept_loop(Thread& thread);
  task<void> serve(Thread& thread, net::SocketHandle socket);
  task<void> talk(Thread& thread, std::unique_ptr<net::ByteStream> stream);
  task<Result<Identity>> identify(net::ByteStream& stream);
  task<void> drain(Thread& thread);
  task<void> drop(Thread& thread);

  // Fixed after construction.
  Clock& clock_;
  Handler& handler_;
  const ServerOptions options_;
  RpcMetrics& metrics_;
  std::vector<std::unique_ptr<Thread>> threads_;
  // Synchronise themselves.
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> nodes_{0};
  std::atomic<std::size_t> strangers_{0};
  std::atomic<bool> stopping_{false};
  Gate sessions_;
  Gate loops_;
};

}  // namespace gabion::rpc
