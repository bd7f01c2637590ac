#include "common/rpc/server.h"

#include <algorithm>
#include <list>
#include <optional>
#include <unordered_set>

#include "common/check.h"
#include "common/log.h"
#include "common/net/tls.h"
#include "common/pki/certificate.h"

namespace gabion::rpc {
namespace {

constexpr Duration kDrainPoll = std::chrono::milliseconds(20);

ConnectionLimits stranger_limits(ConnectionLimits limits) {
  limits.calls = 1;
  limits.bytes = 64 * KiB;
  limits.posts = 64 * KiB;
  return limits;
}

std::string_view host_of(std::string_view address) { return address.substr(0, address.rfind(':')); }

// A place among so many, given back when it goes.
class Place {
 public:
  Place(std::atomic<std::size_t>& taken, std::size_t limit) : taken_(taken), is_mine_(taken.fetch_add(1) < limit) {
    if (!is_mine_) taken_.fetch_sub(1);
  }
  ~Place() {
    if (is_mine_) taken_.fetch_sub(1);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  explicit operator bool() const { return is_mine_; }

 private:
  std::atomic<std::size_t>& taken_;
  const bool is_mine_;
};

}  // namespace

// Used on its own thread only.
struct RpcServer::Thread {
  Thread(Executor executor, Clock& clock, const ServerOptions& options, RpcMetrics& metrics)
      : sweeper(clock, options.tick),
        host{executor, clock, sweeper, options.limits, metrics},
        stranger_host{std::move(executor), clock, sweeper, stranger_limits(options.limits), metrics},
        tls(*options.tls) {}

  struct Greeting {
    net::ByteStream* stream;
    std::string from;
  };
  void begin_greeting(net::ByteStream& stream, const ServerOptions& options);
  void end_greeting(const net::ByteStream& stream) {
    greeting.remove_if([&](const Greeting& one) { return one.stream == &stream; });
  }

  net::DeadlineSweeper sweeper;
  ConnectionHost host, stranger_host;
  net::ThreadMutualTls tls;
  std::unique_ptr<net::Listener> listener;
  std::list<Greeting> greeting;  // the oldest first
  std::unordered_set<Connection*> connections;
};

void RpcServer::Thread::begin_greeting(net::ByteStream& stream, const ServerOptions& options) {
  const std::string address = stream.peer_address();
  const std::string_view from = host_of(address);
  const auto is_from_there = [&](const Greeting& one) { return one.from == from; };
  auto leaves = greeting.end();
  if (static_cast<std::size_t>(std::ranges::count_if(greeting, is_from_there)) >= options.max_greeting_of_address) {
    leaves = std::ranges::find_if(greeting, is_from_there);
  } else if (greeting.size() >= options.max_greeting) {
    leaves = greeting.begin();
  }
  if (leaves != greeting.end()) {
    leaves->stream->abort();
    greeting.erase(leaves);
  }
  greeting.push_back({&stream, std::string(from)});
}

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
  connections_.fetch_add(1);
  if (!stopping_) {
    auto stream = net::make_mutual_tls_server(thread.host.executor, thread.sweeper, thread.tls, std::move(socket));
    co_await talk(thread, std::move(stream));
  }
  connections_.fetch_sub(1);
}

task<void> RpcServer::talk(Thread& thread, std::unique_ptr<net::ByteStream> stream) {
  thread.begin_greeting(*stream, options_);
  stream->set_deadline(clock_.now() + options_.greeting_time);
  const auto certified = co_await identify(*stream);
  const bool is_stranger = !certified || certified->is_stranger();
  std::optional<Place> place;
  Result<Peer> peer = Peer{};
  if (certified) {
    place.emplace(is_stranger ? strangers_ : nodes_, is_stranger ? options_.max_strangers : options_.max_connections);
    const Result<void> admitted =
        *place ? Result<void>() : Error(Errc::exhausted, "too many connections to this node; try again in a moment");
    peer = co_await receive_greeting(*stream, options_.self, *certified, admitted);
  } else {
    peer = certified.error();
  }
  thread.end_greeting(*stream);
  if (!peer) {
    metrics_.refused.add();
    if (peer.error().code == Errc::denied) {
      LOG(warn, "rpc", "a connection is refused", field("from", stream->peer_address()), field("why", peer.error().message));
    }
    co_return co_await stream->close();
  }
  stream->set_deadline(is_stranger ? clock_.now() + options_.stranger_time : TimePoint::max());
  const std::string name = (is_stranger ? "a stranger" : to_string(peer->node)) + " at " + stream->peer_address();
  Connection connection(is_stranger ? thread.stranger_host : thread.host, std::move(stream), *peer, name, &handler_);
  thread.connections.insert(&connection);
  if (stopping_) connection.drain();
  co_await connection.run();
  thread.connections.erase(&connection);
}

// As its certificate says.
task<Result<Identity>> RpcServer::identify(net::ByteStream& stream) {
  CO_TRY(const net::PeerName name, co_await stream.identify());
  if (name.organization.empty() && name.common_name.empty()) co_return Identity();
  CO_TRY(const pki::Subject subject, pki::parse_subject(name.organization, name.common_name));
  co_return Identity{subject.cluster, subject.node};
}

// --- Stopping ---

task<void> RpcServer::drain(Thread& thread) {
  if (thread.listener) thread.listener->close();  // not there when start() has failed
  for (Connection* connection : thread.connections) connection->drain();
  for (const auto& one : thread.greeting) one.stream->abort();
  co_return;
}

task<void> RpcServer::drop(Thread& thread) {
  for (Connection* connection : thread.connections) connection->abort();
  for (const auto& one : thread.greeting) one.stream->abort();
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
