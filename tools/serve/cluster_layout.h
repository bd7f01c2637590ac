// ClusterLayout turns the cluster's state into what the data path works with: a ShardStore for each drive, here or on another
// node, and the placement with its rings. It answers other nodes for the drives that are here.
// apply() is called by one task at a time; the rest is thread-safe. The port and the drives outlive it.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "chunkserver/remote_shard_store.h"
#include "chunkserver/shard_service.h"
#include "erasure/codec.h"
#include "gateway/data/placement.h"
#include "metadata/records.pb.h"
#include "tools/serve/cluster_port.h"
#include "tools/serve/local_drives.h"

namespace gabion::serve {

class ClusterLayout {
 public:
  ClusterLayout(ClusterPort& port, LocalDrives& drives, NodeId self, Clock& clock);

  // The drives here that were opened: others may ask for them.
  void serve_local_drives();
  // Everything that is placed from now on goes by this state. corrupt when its ring cannot be read.
  Result<void> apply(const metadata::ClusterState& state);
  // A drive here is not to be used any more.
  void lose(const DriveId& drive);

  gateway::data::Placement& placement() { return placement_; }
  const gateway::data::Placement& placement() const { return placement_; }
  chunkserver::RingEpochs& epochs() { return epochs_; }
  // What other nodes ask of the drives here.
  chunkserver::ShardService& service() { return service_; }
  // Of new blocks.
  erasure::Profile profile() const;

 private:
  struct Remote {
    NodeId node{};
    std::unique_ptr<chunkserver::RemoteShardStore> store;
  };
  chunkserver::ShardStore* store_of(const DriveId& drive, NodeId node);
  chunkserver::ShardStore* remote_store(const DriveId& drive, NodeId node);

  ClusterPort& port_;
  LocalDrives& drives_;
  const NodeId self_;
  Clock& clock_;
  chunkserver::RingEpochs epochs_;
  chunkserver::ShardService service_;
  gateway::data::Placement placement_;
  std::map<DriveId, Remote> remotes_;
  std::vector<Remote> retired_;  // drives that moved to another node: tasks may still use the old way
};

}  // namespace gabion::serve
