// Who is let in: nodes of this cluster by their certificates, strangers as far as joining, nobody else.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/rpc/test_node.h"

namespace gabion::test {

using namespace rpc;
using namespace std::chrono_literals;

namespace {

constexpr NodeId n1{1}, n2{2}, n3{3};

Result<Reply> join(TestCluster& cluster, TestNode& node, std::string prefix, std::string header = "peer") {
  asio::io_context io(1);
  std::optional<Result<Reply>> reply;
  asio::co_spawn(io, ask_to_join({cluster.clock.now() + 10s}, {{}, "127.0.0.1", node.port}, prefix, header, cluster.clock),
                 [&](std::exception_ptr, Result<Reply> r) { reply.emplace(std::move(r)); });
  io.run();
  return std::move(*reply);
}

// What a caller with these credentials gets from `node`, which it takes for `wanted`.
Error refusal(TestNode& node, NodeId wanted, Identity self, std::shared_ptr<net::MutualTls> tls) {
  TestNode caller(self, std::move(tls));
  caller.knows({{wanted, "127.0.0.1", node.port}});
  const auto reply = caller.call(wanted, "echo", 10s);
  return reply ? Error(Errc::internal, "it was let in") : reply.error();
}

}  // namespace

TEST_CASE("a stranger joins with the fingerprint of the authority, and may do nothing else") {
  TestCluster cluster;
  TestNode node(cluster, n1);
  const auto joined = join(cluster, node, cluster.authority_prefix());
  REQUIRE(joined.has_value());
  CHECK(joined->header == "n0");

  // The same connection with another method.
  asio::io_context io(1);
  std::vector<Errc> codes;
  net::DeadlineSweeper sweeper(cluster.clock, 10ms);
  const auto tls = *net::MutualTls::for_stranger(cluster.authority_prefix(), cluster.clock);
  net::ThreadMutualTls thread_tls(*tls);
  Dialer dialer{cluster.clock, sweeper, thread_tls, {}};
  RpcMetrics metrics;
  ConnectionHost host{io.get_executor(), cluster.clock, sweeper, {}, metrics};
  const auto misbehave = [&]() -> task<void> {
    Gate gate;
    auto stream = co_await dial(dialer, {{}, "127.0.0.1", node.port}, cluster.clock.now() + 10s);
    GABION_CHECK(stream.has_value(), "a stranger cannot connect");
    Connection connection(host, std::move(*stream), Peer{}, "n1", nullptr);
    spawn(io.get_executor(), gate, "connection", connection.run());
    for (const Method method : {Method::shard_put, Method::join}) {
      const auto reply = co_await connection.call({cluster.clock.now() + 10s}, method, "echo", {});
      codes.push_back(reply ? Errc::internal : reply.error().code);
    }
    connection.abort();
    co_await gate.close();
  };
  asio::co_spawn(io, misbehave(), [](std::exception_ptr) {});
  io.run();
  REQUIRE(codes.size() == 2);
  CHECK(codes[0] == Errc::denied);
  CHECK(codes[1] != Errc::internal);  // the connection is gone
  CHECK(node.handler.calls == 1);
}

TEST_CASE("a stranger does not believe a server of another authority") {
  TestCluster ours, theirs(2);
  TestNode node(theirs, n1);
  const auto reply = join(ours, node, ours.authority_prefix());
  REQUIRE(!reply.has_value());
  CHECK(reply.error().code == Errc::denied);
  CHECK(node.handler.calls == 0);
}

TEST_CASE("a certificate of another authority is refused by both sides") {
  TestCluster ours, theirs(1);  // even with the same cluster id
  TestNode node(ours, n1);
  const Error error = refusal(node, n1, {theirs.id, n2}, theirs.tls(n2));
  CHECK(error.code == Errc::unavailable);
  CHECK(error.message.find("certificate") != std::string::npos);
  // One that does not care who the server is still does not get in.
  auto credentials = theirs.credentials(n2);
  credentials.authority = ours.authority.certificate();
  CHECK(refusal(node, n1, {ours.id, n2}, *net::MutualTls::make(credentials, ours.clock)).code == Errc::unavailable);
  CHECK(node.handler.calls == 0);
}

TEST_CASE("a node that claims another number or another cluster than its certificate is refused") {
  TestCluster cluster;
  TestNode node(cluster, n1);
  const Error number = refusal(node, n1, {cluster.id, n3}, cluster.tls(n2));
  CHECK(number.message.find("n3") != std::string::npos);
  CHECK(number.message.find("n2") != std::string::npos);
  const Error other = refusal(node, n1, {ClusterId{{9}}, n2}, cluster.tls(n2));
  CHECK(other.message.find("cluster") != std::string::npos);
  CHECK(node.handler.calls == 0);
  CHECK(node.metrics.refused.value() >= 1);
}

TEST_CASE("a client notices that another node is where it looked for one") {
  TestCluster cluster;
  TestNode node(cluster, n1);
  const Error error = refusal(node, n3, {cluster.id, n2}, cluster.tls(n2));
  CHECK(error.code == Errc::unavailable);
  CHECK(error.message.find("n1, and not n3") != std::string::npos);
}

TEST_CASE("an expired certificate is refused") {
  TestCluster cluster;
  class Later final : public Clock {
   public:
    TimePoint now() const override { return real.now(); }
    WallMicros wall() const override { return real.wall() - std::uint64_t{400} * 24 * 3600 * 1'000'000; }
    task<void> sleep(Duration duration) override { return real.sleep(duration); }
    mutable RealClock real;
  } past;
  TestNode node(cluster, n1);
  const std::string key = pki::make_key();
  const net::NodeCredentials expired{cluster.authority.certificate(),
                                     *cluster.authority.issue(*pki::make_request(key), n2, past, cluster.rng), key};
  const Error error = refusal(node, n1, {cluster.id, n2}, *net::MutualTls::make(expired, cluster.clock));
  CHECK(error.code == Errc::unavailable);
  CHECK(node.handler.calls == 0);
}

TEST_CASE("credentials are replaced under way: old connections go on, new ones use the new") {
  TestCluster old_cluster, new_cluster(1);
  const auto a_tls = old_cluster.tls(n1);
  const auto b_tls = old_cluster.tls(n2);
  TestNode a({old_cluster.id, n1}, a_tls), b({old_cluster.id, n2}, b_tls);
  a.knows({b.address()});
  REQUIRE(a.call(n2, "echo").has_value());
  REQUIRE(b_tls->replace(new_cluster.credentials(n2)));
  CHECK(a.call(n2, "echo").has_value());                                // the old connection
  CHECK(a.call(n2, "echo", 10s, {}, 1).error().code == Errc::unavailable);  // a new one, of the other thread
  REQUIRE(a_tls->replace(new_cluster.credentials(n1)));
  b.knows({a.address()});
  CHECK(b.reaches(n1));
  CHECK(a.reaches(n2));

  net::NodeCredentials bad = new_cluster.credentials(n1);
  bad.key = pki::make_key();
  CHECK(!a_tls->replace(bad));
  bad.certificate = "nonsense";
  CHECK(!a_tls->replace(bad));
  CHECK(!net::MutualTls::make({}, a.clock).has_value());
  CHECK(a.call(n2, "echo").has_value());
}

TEST_CASE("whoever does not speak TLS is dropped, and does not keep the server from stopping") {
  TestCluster cluster;
  TestNode node(cluster, n1);
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(node.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(client, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  const TimePoint start = node.clock.now();
  node.stop_server(100ms);
  CHECK(node.clock.now() - start < 2s);
  ::close(client);
}

}  // namespace gabion::test
