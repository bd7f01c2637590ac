// Nodes with real sockets and TLS on loopback: each has two threads, a server and a table of peers. TestCluster is the
// authority that makes their credentials.
#pragma once

#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <future>
#include <thread>

#include "common/pki/authority.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include "tests/unit/rpc/scripted_handler.h"

namespace gabion::test {

struct TestCluster {
  explicit TestCluster(std::uint8_t number = 1) : id{{number}}, authority(pki::Authority::create(id, clock, rng)) {}

  net::NodeCredentials credentials(NodeId node) {
    const std::string key = pki::make_key();
    return {authority.certificate(), *authority.issue(*pki::make_request(key), node, clock, rng), key};
  }
  std::shared_ptr<net::MutualTls> tls(NodeId node) { return *net::MutualTls::make(credentials(node), clock); }
  std::string authority_prefix() const { return pki::fingerprint(authority.certificate())->substr(0, 16); }

  RealClock clock;
  SystemRng rng;
  ClusterId id;
  pki::Authority authority;
};

class TestNode {
 public:
  TestNode(rpc::Identity self, std::shared_ptr<net::MutualTls> tls, rpc::ConnectionLimits limits = {},
           rpc::ServerOptions server_options = {})
      : self_(self) {
    server_options.address = {"127.0.0.1", 0};
    server_options.self = self;
    server_options.tls = tls;
    server_options.limits = limits;
    rpc::PeerTableOptions peer_options;
    peer_options.self = self;
    peer_options.tls = std::move(tls);
    peer_options.limits = limits;
    server_ = std::make_unique<rpc::RpcServer>(executors(), clock, handler, std::move(server_options), metrics);
    peers_ = std::make_unique<rpc::PeerTable>(executors(), clock, std::move(peer_options), metrics);
    const auto bound = server_->start();
    GABION_CHECK(bound.has_value(), "the test node cannot listen");
    port = *bound;
    peers_->start();
    for (auto& io : io_) threads_.emplace_back([&io] { io.run(); });
  }
  TestNode(TestCluster& cluster, NodeId node, rpc::ServerOptions server_options = {})
      : TestNode({cluster.id, node}, cluster.tls(node), {}, std::move(server_options)) {}
  ~TestNode() {
    handler.release();
    block_on(executors()[0], peers_->stop());
    stop_server(std::chrono::seconds(0));
    for (auto& guard : guards_) guard.reset();
    for (auto& thread : threads_) thread.join();
  }
  void stop_server(Duration grace) {
    if (!std::exchange(stopped_, true)) block_on(executors()[0], server_->stop(grace));
  }

  std::vector<Executor> executors() { return {io_[0].get_executor(), io_[1].get_executor()}; }
  rpc::PeerAddress address() const { return {self_.node, "127.0.0.1", port}; }
  void knows(std::vector<rpc::PeerAddress> peers) { peers_->set_peers(std::move(peers)); }
  rpc::Channel& channel(NodeId node) {
    rpc::Channel* found = peers_->find(node);
    GABION_CHECK(found != nullptr, "the test node does not know that peer");
    return *found;
  }
  rpc::PeerTable& peers() { return *peers_; }
  Context within(Duration time) { return {clock.now() + time}; }

  // From outside the node's threads, or from one of them.
  Result<rpc::Reply> call(NodeId node, std::string header, Duration time = std::chrono::seconds(10),
                          std::string_view payload = {}, std::size_t thread = 0) {
    std::vector<Bytes> pieces;
    if (!payload.empty()) pieces.push_back(Bytes::copy_of(payload));
    return block_on(executors()[thread],
                    channel(node).call(within(time), rpc::Method::shard_put, std::move(header), std::move(pieces)));
  }
  // Calls until it works, as a peer that is being found again does.
  bool reaches(NodeId node, Duration patience = std::chrono::seconds(10)) {
    const TimePoint until = clock.now() + patience;
    while (clock.now() < until) {
      if (call(node, "echo")) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  std::uint16_t port = 0;
  RealClock clock;
  rpc::RpcMetrics metrics;
  ScriptedHandler handler{clock};

 private:
  using Guard = asio::executor_work_guard<asio::io_context::executor_type>;
  const rpc::Identity self_;
  std::array<asio::io_context, 2> io_{asio::io_context(1), asio::io_context(1)};
  std::array<Guard, 2> guards_{Guard(io_[0].get_executor()), Guard(io_[1].get_executor())};
  std::unique_ptr<rpc::RpcServer> server_;
  std::unique_ptr<rpc::PeerTable> peers_;
  std::vector<std::thread> threads_;
  bool stopped_ = false;
};

}  // namespace gabion::test
