// NodeMetadata is the metadata as a node has it: its own members of the groups where it has them, the ways to the members that
// lead, and the answers to other nodes. Open it before the cluster port listens; stop() before destruction, after the port.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <shared_mutex>

#include "metadata/cluster_metadata.h"
#include "metadata/local_metadata.h"
#include "metadata/metadata_service.h"
#include "metadata/raft/rpc_transport.h"
#include "metadata/routed_metadata.h"
#include "metadata/state_transfer.h"
#include "tools/serve/cluster_port.h"
#include "tools/serve/config.h"
#include "tools/serve/local_drives.h"

namespace gabion::serve {

class NodeMetadata {
 public:
  struct Options {
    const Config& config;
    ClusterPort& port;
    LocalDrives& drives;
    Executor background;  // may block for long
    Executor readers;     // blocking reads
    Clock& clock;
    Rng& rng;
    MetricsRegistry& registry;
  };
  explicit NodeMetadata(Options options);
  ~NodeMetadata();

  enum class Start {
    found,    // a new group, of this node alone
    restart,  // what the drives have
    join,     // nothing yet: the groups will add this node
  };
  // This node's members of the groups, on its metadata drives. Blocks until what the log has is applied where that needs nobody
  // else.
  Result<void> open_member(NodeId self, const ClusterId& cluster, Start start);
  // After open_member(), if at all: the ways to the leaders, and the answers to others.
  void open_router(NodeId self);
  // The members of the metadata and its groups, as the cluster's state says.
  void follow(const metadata::Metadata::VersionedClusterState& current);
  // Lets others lead what this node leads, while the port still works: so that nobody waits for an election.
  task<void> hand_over();
  task<void> stop();

  metadata::Metadata& metadata() { return *routed_; }
  metadata::ClusterMetadata& group(metadata::GroupId id);      // the way to it. Thread-safe
  metadata::LocalMetadata* member() { return member_.get(); }  // nullptr: this node has none
  std::vector<metadata::raft::RaftGroup*> groups() const;      // that this node is a member of
  NodeId leader() const { return root_->leader(); }            // of group 0

 private:
  task<Result<metadata::PinnedState>> pin(metadata::GroupId group);
  std::unique_ptr<metadata::ClusterMetadata> make_way(metadata::GroupId id);
  void answer_others();

  const Options options_;
  IoThread commit_{"commit"};
  IoThread checkpoint_{"checkpoint"};
  metadata::LocalMetadataMetrics metrics_;
  metadata::raft::RpcTransport transport_;
  std::unique_ptr<metadata::StateFetcher> fetcher_;
  std::unique_ptr<metadata::StateSource> source_;
  std::unique_ptr<metadata::LocalMetadata> member_;
  NodeId self_{};
  std::unique_ptr<metadata::ClusterMetadata> root_;  // the way to group 0
  std::unique_ptr<metadata::RoutedMetadata> routed_;
  std::unique_ptr<metadata::MetadataService> service_;
  // Guarded by mutex_.
  mutable std::shared_mutex mutex_;
  std::vector<NodeId> members_;
  std::map<metadata::GroupId, std::string> exist_{{metadata::kRootGroup, {}}};  // with the starts of their ranges
  std::map<metadata::GroupId, std::unique_ptr<metadata::ClusterMetadata>> ways_;  // to the other groups
};

}  // namespace gabion::serve
