// Administration is all that a node has for operators: the admin API over HTTP, for the root user, and over RPC, for the other
// nodes. Thread-safe; everything in the options outlives it.
#pragma once

#include "tools/serve/admin_front.h"
#include "tools/serve/admin_rpc.h"
#include "tools/serve/cluster_control.h"

namespace gabion::serve {

class Administration final : public rpc::Handler {
 public:
  struct Options {
    ClusterControlOptions control;  // but for `ask`
    rpc::Peers* peers = nullptr;
    const gateway::s3::CredentialSource* credentials = nullptr;
    std::string region;
  };
  explicit Administration(Options options);

  gateway::http::Handler& http() { return front_; }
  // Method::admin.
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;

 private:
  static ClusterControlOptions with_ask(ClusterControlOptions options, AskNode ask);
  static AskNode ask_through(rpc::Peers* peers, Clock* clock);

  NodeClusterControl control_;
  AdminApi api_;
  AdminFront front_;
};

}  // namespace gabion::serve
