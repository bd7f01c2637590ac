// NodeMetadata is the metadata as a node has it: its own member of the group where it is one, the way to the member that leads,
// and the answers to other nodes. Open it before the cluster port listens; stop() before destruction, after the port.
#pragma once

#include <memory>

#include "metadata/cluster_metadata.h"
#include "metadata/local_metadata.h"
#include "metadata/metadata_service.h"
#include "metadata/raft/rpc_transport.h"
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
    join,     // nothing yet: the group will add this node
  };
  // This node's member of the group, on its metadata drives. Blocks until what the log has is applied where that needs nobody
  // else.
  Result<void> open_member(NodeId self, const ClusterId& cluster, Start start);
  // After open_member(), if at all: the way to the leader, and the answers to others.
  void open_router(NodeId self);
  // The members of the metadata, as the cluster's state says.
  void set_members(const metadata::ClusterState& state);
  task<void> stop();

  metadata::Metadata& metadata() { return *router_; }
  metadata::ClusterMetadata& router() { return *router_; }
  metadata::LocalMetadata* member() { return member_.get(); }  // nullptr: this node has none
  // Those that this node is a member of.
  std::vector<metadata::raft::RaftGroup*> groups() const;
  NodeId leader() const { return router_->leader(); }
  bool leads() const { return member_ != nullptr && member_->group().status().leads; }

 private:
  task<Result<metadata::PinnedState>> pin(metadata::raft::GroupId group);

  const Options options_;
  IoThread commit_{"commit"};
  IoThread checkpoint_{"checkpoint"};
  metadata::LocalMetadataMetrics metrics_;
  metadata::raft::RpcTransport transport_;
  std::unique_ptr<metadata::StateFetcher> fetcher_;
  std::unique_ptr<metadata::StateSource> source_;
  std::unique_ptr<metadata::LocalMetadata> member_;
  std::unique_ptr<metadata::ClusterMetadata> router_;
  std::unique_ptr<metadata::MetadataService> service_;
};

}  // namespace gabion::serve
