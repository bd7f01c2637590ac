// What those without a certificate can take from a server: not the places of nodes, and little of anything else.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "tests/unit/rpc/test_node.h"

namespace gabion::test {

using namespace rpc;
using namespace std::chrono_literals;

namespace {

constexpr NodeId n1{1}, n2{2}, n3{3};

// Connections that say nothing.
class IdleSockets {
 public:
  ~IdleSockets() {
    for (const int fd : sockets_) ::close(fd);
  }
  void connect(std::uint16_t port, const char* from) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets_.push_back(fd);
    const sockaddr_in source = address(from, 0), target = address("127.0.0.1", port);
    REQUIRE(::bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof source) == 0);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof target) == 0);
  }
  // Those that the server has not closed.
  std::size_t open() const {
    std::size_t count = 0;
    for (const int fd : sockets_) {
      char byte = 0;
      count += ::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
    }
    return count;
  }

 private:
  static sockaddr_in address(const char* host, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    ::inet_pton(AF_INET, host, &out.sin_addr);
    return out;
  }
  std::vector<int> sockets_;
};

bool becomes(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
  return condition();
}

ServerOptions patient() {
  ServerOptions options;
  options.greeting_time = 60s;  // so that nothing but the bounds makes room
  return options;
}

Result<Reply> join(TestCluster& cluster, TestNode& node, std::string header) {
  asio::io_context io(1);
  std::optional<Result<Reply>> reply;
  const PeerAddress at{{}, "127.0.0.1", node.port};
  asio::co_spawn(io, ask_to_join({cluster.clock.now() + 10s}, at, cluster.authority_prefix(), header, cluster.clock),
                 [&](std::exception_ptr, Result<Reply> r) { reply.emplace(std::move(r)); });
  io.run();
  return std::move(*reply);
}

}  // namespace

TEST_CASE("connections from one address that never greet keep no node out, not even one at that address") {
  TestCluster cluster;
  ServerOptions options = patient();
  options.max_greeting_of_address = 8;
  TestNode a(cluster, n1, options), b(cluster, n2);
  IdleSockets idle;
  for (int i = 0; i < 100; ++i) idle.connect(a.port, "127.0.0.1");
  CHECK(becomes([&] { return idle.open() <= 16; }));  // of two threads
  CHECK(idle.open() > 0);
  b.knows({a.address()});
  CHECK(b.call(n1, "echo", 10s, {}, 0).has_value());
  CHECK(b.call(n1, "echo", 10s, {}, 1).has_value());
}

TEST_CASE("connections from many addresses that never greet keep no node out") {
  TestCluster cluster;
  ServerOptions options = patient();
  options.max_greeting = 8;
  TestNode a(cluster, n1, options), b(cluster, n2);
  IdleSockets idle;
  for (int i = 0; i < 100; ++i) idle.connect(a.port, ("127.0.0." + std::to_string(i + 2)).c_str());
  CHECK(becomes([&] { return idle.open() <= 16; }));
  CHECK(idle.open() > 0);
  b.knows({a.address()});
  CHECK(b.call(n1, "echo").has_value());
}

TEST_CASE("who does not greet in time is dropped") {
  TestCluster cluster;
  ServerOptions options;
  options.greeting_time = 200ms;
  TestNode node(cluster, n1, options);
  IdleSockets idle;
  for (int i = 0; i < 5; ++i) idle.connect(node.port, "127.0.0.1");
  CHECK(idle.open() == 5);
  CHECK(becomes([&] { return idle.open() == 0; }));
  CHECK(becomes([&] { return node.metrics.refused.value() == 5; }));
}

TEST_CASE("strangers over their bound are told so, take no places of nodes, and leave theirs to others") {
  TestCluster cluster;
  ServerOptions options;
  options.max_strangers = 2;
  TestNode node(cluster, n1, options), other(cluster, n2);
  std::vector<std::future<Result<Reply>>> joining;
  for (int i = 0; i < 2; ++i) joining.push_back(std::async(std::launch::async, [&] { return join(cluster, node, "hang"); }));
  REQUIRE(becomes([&] { return node.handler.under_way == 2; }));
  const auto third = join(cluster, node, "echo");
  REQUIRE(!third.has_value());
  CHECK(third.error().code == Errc::exhausted);
  CHECK(third.error().message.find("try again") != std::string::npos);
  other.knows({node.address()});
  CHECK(other.call(n1, "echo").has_value());
  node.handler.release();
  for (auto& one : joining) CHECK(one.get().has_value());
  CHECK(becomes([&] { return join(cluster, node, "echo").has_value(); }));
}

TEST_CASE("nodes over the bound of connections are refused until another leaves") {
  TestCluster cluster;
  ServerOptions options;
  options.max_connections = 1;
  TestNode node(cluster, n1, options), third(cluster, n3);
  {
    TestNode second(cluster, n2);
    second.knows({node.address()});
    REQUIRE(second.call(n1, "echo").has_value());
    third.knows({node.address()});
    const auto refused = third.call(n1, "echo");
    REQUIRE(!refused.has_value());
    CHECK(refused.error().message.find("too many connections") != std::string::npos);
    CHECK(second.call(n1, "echo").has_value());
  }
  CHECK(third.reaches(n1));
}

TEST_CASE("a stranger asks one thing at a time") {
  TestCluster cluster;
  TestNode node(cluster, n1);
  asio::io_context io(1);
  net::DeadlineSweeper sweeper(cluster.clock, 10ms);
  const auto tls = *net::MutualTls::for_stranger(cluster.authority_prefix(), cluster.clock);
  net::ThreadMutualTls thread_tls(*tls);
  Dialer dialer{cluster.clock, sweeper, thread_tls, {}};
  RpcMetrics metrics;
  ConnectionHost host{io.get_executor(), cluster.clock, sweeper, {}, metrics};
  std::optional<Result<Reply>> first, second;
  const auto ask = [&](Connection& connection, std::string header, std::optional<Result<Reply>>& reply) -> task<void> {
    reply = co_await connection.call({cluster.clock.now() + 10s}, Method::join, std::move(header), {});
  };
  const auto talk = [&]() -> task<void> {
    Gate gate;
    auto stream = co_await dial(dialer, {{}, "127.0.0.1", node.port}, cluster.clock.now() + 10s);
    GABION_CHECK(stream.has_value(), "a stranger cannot connect");
    Connection connection(host, std::move(*stream), Peer{}, "n1", nullptr);
    spawn(io.get_executor(), gate, "connection", connection.run());
    spawn(io.get_executor(), gate, "first", ask(connection, "hang", first));
    while (node.handler.under_way == 0) co_await cluster.clock.sleep(5ms);
    co_await ask(connection, "echo", second);
    node.handler.release();
    while (!first) co_await cluster.clock.sleep(5ms);
    connection.abort();
    co_await gate.close();
  };
  asio::co_spawn(io, talk(), [](std::exception_ptr) {});
  io.run();
  REQUIRE(second.has_value());
  REQUIRE(!second->has_value());
  CHECK(second->error().code == Errc::exhausted);
  CHECK(first->has_value());
  CHECK(node.handler.calls == 1);
  CHECK(node.metrics.exhausted.value() == 1);
}

}  // namespace gabion::test
