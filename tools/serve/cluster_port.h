// ClusterPort is what connects this node with the others: the port at which they ask, and the channels on which it asks them.
// Closed until open(); a node that is alone never opens it, and knows no peers. Handlers are added to the router before that.
// find() and set_peers() are thread-safe; the rest is called by whoever composes the node. stop() before destruction.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "common/metrics.h"
#include "common/rpc/client.h"
#include "common/rpc/router.h"
#include "common/rpc/server.h"
#include "metadata/records.pb.h"

namespace gabion::serve {

// Lets only nodes of the cluster through: the certificate of one that was removed is good for up to a year. Strangers are let
// through, as they may only join. Thread-safe.
class Gatekeeper final : public rpc::Handler {
 public:
  explicit Gatekeeper(rpc::Handler& inner) : inner_(inner) {}
  void set_nodes(const metadata::ClusterState& state);
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;

 private:
  // The refusal, or a value when the node may ask.
  Result<void> check(NodeId node) const;

  rpc::Handler& inner_;
  mutable std::mutex mutex_;
  std::set<NodeId> nodes_;  // empty: not known yet
  NodeId newest_{};         // that ever joined
};

class ClusterPort final : public rpc::Peers {
 public:
  // One executor for each thread, each an io_context that one thread runs.
  ClusterPort(std::vector<Executor> threads, Clock& clock, MetricsRegistry& registry);
  ~ClusterPort() override;

  rpc::Router& router() { return router_; }
  // Begins to connect to others, and to listen: the second only when all handlers can answer.
  Result<void> connect(rpc::Identity self, net::NodeCredentials credentials);
  Result<void> listen(const net::ListenAddress& address);
  bool connected() const;
  std::uint16_t port() const { return port_; }  // 0: not listening
  // The node's certificate was renewed.
  Result<void> replace(net::NodeCredentials credentials);

  // Who the others are and where, as the cluster's state says. Before connect() it does nothing.
  void set_peers(const metadata::ClusterState& state);
  rpc::Channel* find(NodeId node) override;

  task<void> stop(Duration grace);

 private:
  rpc::PeerTable* table() const;

  const std::vector<Executor> threads_;
  Clock& clock_;
  rpc::RpcMetrics metrics_;
  rpc::Router router_;
  Gatekeeper gatekeeper_{router_};
  rpc::Identity self_;
  std::shared_ptr<net::MutualTls> tls_;
  std::unique_ptr<rpc::RpcServer> server_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::unique_ptr<rpc::PeerTable> peers_;  // made once, then kept; the pointer is guarded by mutex_
};

}  // namespace gabion::serve
