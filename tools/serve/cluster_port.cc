#include "tools/serve/cluster_port.h"

#include "common/check.h"
#include "common/log.h"
#include "tools/serve/addresses.h"

namespace gabion::serve {

void Gatekeeper::set_nodes(const metadata::ClusterState& state) {
  std::set<NodeId> nodes;
  for (const metadata::NodeInfo& node : state.nodes()) nodes.insert(NodeId{node.id()});
  const std::lock_guard lock(mutex_);
  nodes_ = std::move(nodes);
  newest_ = NodeId{state.last_node()};
}

Result<void> Gatekeeper::check(NodeId node) const {
  const std::lock_guard lock(mutex_);
  if (node == NodeId{} || nodes_.empty() || nodes_.contains(node)) return {};
  // One that has just joined is newer than all that this node has heard of: it comes again.
  if (node > newest_) return Error(Errc::unavailable, to_string(node) + " is not known here yet");
  return Error(Errc::denied, to_string(node) + " was removed from the cluster");
}

task<Result<rpc::Reply>> Gatekeeper::handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) {
  // Clients of a node that was removed are to ask another gateway: to them it is one that does not work.
  if (const auto known = check(peer.node); !known) co_return Error(Errc::unavailable, known.error().message);
  co_return co_await inner_.handle(ctx, peer, method, std::move(header), std::move(payload));
}

ClusterPort::ClusterPort(std::vector<Executor> threads, Clock& clock, MetricsRegistry& registry)
    : threads_(std::move(threads)), clock_(clock) {
  metrics_.register_with(registry, "");
}

ClusterPort::~ClusterPort() = default;

rpc::PeerTable* ClusterPort::table() const {
  const std::lock_guard lock(mutex_);
  return peers_.get();
}

bool ClusterPort::connected() const { return table() != nullptr; }

Result<void> ClusterPort::connect(rpc::Identity self, net::NodeCredentials credentials) {
  GABION_CHECK(!connected(), "a node connects to its cluster once");
  TRY(tls_, net::MutualTls::make(std::move(credentials), clock_));
  self_ = self;
  rpc::PeerTableOptions options;
  options.self = self;
  options.tls = tls_;
  auto peers = std::make_unique<rpc::PeerTable>(threads_, clock_, std::move(options), metrics_);
  peers->start();
  const std::lock_guard lock(mutex_);
  peers_ = std::move(peers);
  return {};
}

Result<void> ClusterPort::listen(const net::ListenAddress& address) {
  GABION_CHECK(connected(), "a node listens after it knows who it is");
  if (server_) return Error(Errc::already_exists, "this node listens for others already");
  rpc::ServerOptions options;
  options.address = address;
  options.self = self_;
  options.tls = tls_;
  auto server = std::make_unique<rpc::RpcServer>(threads_, clock_, gatekeeper_, std::move(options), metrics_);
  TRY(port_, server->start());
  server_ = std::move(server);
  return {};
}

Result<void> ClusterPort::replace(net::NodeCredentials credentials) {
  GABION_CHECK(tls_ != nullptr, "a node that is alone has no certificate");
  return tls_->replace(std::move(credentials));
}

void ClusterPort::set_peers(const metadata::ClusterState& state) {
  rpc::PeerTable* const peers = table();
  if (peers == nullptr) return;
  gatekeeper_.set_nodes(state);
  std::vector<rpc::PeerAddress> addresses;
  for (const metadata::NodeInfo& node : state.nodes()) {
    auto address = peer_address(NodeId{node.id()}, node.address());
    if (address) {
      addresses.push_back(*std::move(address));
    } else {
      LOG(error, "cluster", "a node has no address that makes sense", field("node", node.id()),
          field("error", address.error().message));
    }
  }
  peers->set_peers(std::move(addresses));
}

rpc::Channel* ClusterPort::find(NodeId node) {
  rpc::PeerTable* const peers = table();
  return peers == nullptr ? nullptr : peers->find(node);
}

task<void> ClusterPort::stop(Duration grace) {
  if (server_) co_await server_->stop(grace);
  if (rpc::PeerTable* const peers = table()) co_await peers->stop();
}

}  // namespace gabion::serve
