#include "common/rpc/server.h"

#include <algorithm>
#include <unordered_set>

#include "common/check.h"
#include "common/log.h"
#include "common/net/tls.h"
#include "common/pki/certificate.h"

namespace gabion::rpc {
namespace {

constexpr Duration kDrainPoll = std::chrono::milliseconds(20);

}  // namespace

// Used on its own thread only.
struct RpcServer::Thread {
  Thread(Executor executor, Clock& clock, const ServerOptions& options, RpcMetrics& metrics)
      : sweeper(clock, options.tick), host{std::move(executor), clock, sweeper, options.limits, metrics}, tls(*options.tls) {}
  net::DeadlineSweeper sweeper;
  ConnectionHost host;
  net::ThreadMutualTls tls;
  std::unique_ptr<net::Listener> listener;
  std::unordered_set<net::ByteStream*> greeting;
  std::unordered_set<Connection*> connections;
};

RpcServer::RpcServer(std::vector<Executor> threads, Clock& clock, Handler& handler, ServerOptions options, RpcMetrics& metrics)
    : clock_(clock), handler_(handler), options_(std::move(options)), metrics_(metrics) {
  GABION_CHECK(!threads.empty() && options_.tls, "a server needs a thread and credentials");
  for (Executor& executor : threads) {
    threads_.push_back(std::make_unique<Thread>(std::move(executor), clock, options_, metrics));
  }
}

RpcServer::~RpcServer() = default;

Result<std::uint16_t> RpcServer::start() {
  net::ListenAddress address = options_.address;
  TRY(address.port, net::claim_port(address));
  for (auto& thread : threads_) {
    TRY(thread->listener, net::Listener::open(thread->host.executor, clock_, address));
  }
  for (auto& thread : threads_) {
    spawn(thread->host.executor, loops_, "deadline sweeper", thread->sweeper.run());
    spawn(thread->host.executor, loops_, "rpc listener", accept_loop(*thread));
  }
  return address.port;
}

task<void> RpcServer::accept_loop(Thread& thread) {
  for (;;) {
    auto socket = co_await thread.listener->accept();
    if (socket) {
      metrics_.accepted.add();
      spawn(thread.host.executor, sessions_, "rpc session", serve(thread, std::move(*socket)));
      continue;
    }
    if (stopping_) co_return;
    LOG(error, "rpc", "accept failed", field("error", socket.error().message));
    co_await clock_.sleep(std::chrono::seconds(1));
  }
}

task<void> RpcServer::serve(Thread& thread, net::SocketHandle socket) {
  const std::size_t before = connections_.fetch_add(1);
  const std::size_t strangers = strangers_.fetch_add(1);  // until it has shown otherwise
  if (before < options_.max_connections && strangers < options_.max_strangers && !stopping_) {
    auto stream = net::make_mutual_tls_server(thread.host.executor, thread.sweeper, thread.tls, std::move(socket));
    co_await talk(thread, std::move(stream));
  } else {
    metrics_.refused.add();
    strangers_.fetch_sub(1);
  }
  connections_.fetch_sub(1);
}

// Gives the stranger's place back as soon as the peer is none, or when it has gone.
task<void> RpcServer::talk(Thread& thread, std::unique_ptr<net::ByteStream> stream) {
  thread.greeting.insert(stream.get());
  const auto peer = co_await welcome(thread, *stream);
  thread.greeting.erase(stream.get());
  const bool is_stranger = !peer || peer->node == NodeId{};
  if (!is_stranger) strangers_.fetch_sub(1);
  if (peer) {
    stream->set_deadline(is_stranger ? clock_.now() + options_.stranger_time : TimePoint::max());
    const std::string name = (is_stranger ? "a stranger" : to_string(peer->node)) + " at " + stream->peer_address();
    Connection connection(thread.host, std::move(stream), *peer, name, &handler_);
    thread.connections.insert(&connection);
    if (stopping_) connection.drain();
    co_await connection.run();
    thread.connections.erase(&connection);
  } else {
    metrics_.refused.add();
    if (peer.error().code == Errc::denied) {
      LOG(warn, "rpc", "a connection is refused", field("from", stream->peer_address()), field("why", peer.error().message));
    }
    co_await stream->close();
  }
  if (is_stranger) strangers_.fetch_sub(1);
}

task<Result<Peer>> RpcServer::welcome(Thread& thread, net::ByteStream& stream) {
  stream.set_deadline(clock_.now() + options_.greeting_time);
  CO_TRY(const net::PeerName name, co_await stream.identify());
  Identity certified;
  if (!name.organization.empty() || !name.common_name.empty()) {
    CO_TRY(const pki::Subject subject, pki::parse_subject(name.organization, name.common_name));
    certified = {subject.cluster, subject.node};
  }
  co_return co_await receive_greeting(stream, options_.self, certified);
}

// --- Stopping ---

task<void> RpcServer::drain(Thread& thread) {
  if (thread.listener) thread.listener->close();  // not there when start() has failed
  for (Connection* connection : thread.connections) connection->drain();
  for (net::ByteStream* stream : thread.greeting) stream->abort();
  co_return;
}

task<void> RpcServer::drop(Thread& thread) {
  for (Connection* connection : thread.connections) connection->abort();
  for (net::ByteStream* stream : thread.greeting) stream->abort();
  co_return;
}

task<void> RpcServer::stop(Duration grace) {
  stopping_.store(true);
  for (auto& thread : threads_) co_await run_on(thread->host.executor, drain(*thread));
  const TimePoint deadline = clock_.now() + grace;
  while (connections_.load() != 0 && clock_.now() < deadline) {
    co_await clock_.sleep(std::min<Duration>(kDrainPoll, deadline - clock_.now()));
  }
  for (auto& thread : threads_) co_await run_on(thread->host.executor, drop(*thread));
  co_await sessions_.close();
  for (auto& thread : threads_) {
    Thread* t = thread.get();
    co_await offload(t->host.executor, [t] { t->sweeper.stop(); });
  }
  co_await loops_.close();
}

}  // namespace gabion::rpc
