// Joining a cluster. The new node asks any node of it, on a connection without a certificate, with a one-time token: the token
// proves the node to the cluster, and the cluster's authority to the node. It gets its number, a certificate, the root
// credentials, the master key and the cluster's state. Its drives are made known later, when they are formatted.
//
// An answer may get lost. So whoever used a token may ask again with the same request, and is the same node; the request lies on
// one of its drives until the node knows who it is.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>

#include "common/aead.h"
#include "common/disk.h"
#include "common/pki/authority.h"
#include "common/rpc/rpc.h"
#include "metadata/metadata.h"
#include "tools/serve/config.h"
#include "tools/serve/secrets.h"
#include "tools/serve/serve.pb.h"

namespace gabion::serve {

// The authority's key as the cluster's state keeps it.
void set_authority(metadata::ClusterState& state, const pki::Authority& authority, const SecretKey& master, Rng& rng);
// not_found: the node is alone and has none. denied: sealed by another master key.
Result<pki::Authority> open_authority(const metadata::ClusterState& state, const SecretKey& master);

// What the configuration says of this node, for the cluster's state: everything but its number.
metadata::NodeInfo describe_node(const Config& config);

// With what a node asks to join: its key, which never leaves it, and the request to sign it. PEM.
struct JoinKey {
  JoinKey() = default;
  std::string key;
  std::string signing_request;
};
// The one that lies on one of the drives, from an attempt that did not come to its end; else a new one, kept on the first.
// Blocks.
Result<JoinKey> keep_join_key(const std::vector<Disk*>& drives);
// The node knows who it is.
void forget_join_key(const std::vector<Disk*>& drives);
inline constexpr const char* kJoinKeyFile = "join.key";

struct Joined {
  Joined() = default;
  std::string key;  // of the node, PEM
  JoinReply reply;
};
// Asks the nodes of cluster.join one after the other. Errors say what an operator can do.
task<Result<Joined>> join_cluster(const Config& config, JoinKey key, Clock& clock);

// Answers those who want to join, a few at a time: each makes the cluster look up its state, so whoever comes with a token that
// this node has not heard of has to be lucky. Thread-safe. Everything outlives it.
class JoinService final : public rpc::Handler {
 public:
  JoinService(metadata::Metadata& metadata, const Secrets& secrets, Clock& clock, Rng& rng)
      : metadata_(metadata), secrets_(secrets), clock_(clock), rng_(rng) {}
  task<Result<rpc::Reply>> handle(Context ctx, rpc::Peer peer, rpc::Method method, std::string header, Bytes payload) override;
  // The cluster's state as this node has heard of it last: which tokens there are.
  void follow(const metadata::ClusterState& state);

 private:
  // Anyone can ask, for as long as they like: what guessing costs the cluster is bounded.
  bool worth_a_look(std::string_view token);
  // denied, in one text for every reason, so that guessing teaches nothing.
  task<Result<JoinReply>> admit(Context ctx, JoinRequest request);

  metadata::Metadata& metadata_;
  const Secrets& secrets_;
  Clock& clock_;
  Rng& rng_;
  std::atomic<int> under_way_{0};
  std::mutex mutex_;
  std::set<std::string> tokens_;  // their digests
  TimePoint next_look_ = TimePoint::min();
};

}  // namespace gabion::serve
