// One node of the simulated cluster: drives with the real engine on simulated disks, a gateway's data path with all its
// background work, the agent, and on one node the metadata with the controller. Nodes speak over the simulated network only.
#pragma once

#include <memory>
#include <vector>

#include "chunkserver/remote_shard_store.h"
#include "chunkserver/shard_service.h"
#include "common/rpc/router.h"
#include "gateway/data/block_store.h"
#include "gateway/data/collector.h"
#include "gateway/data/orphans.h"
#include "gateway/data/rebalance.h"
#include "gateway/data/reencode.h"
#include "gateway/data/repair.h"
#include "gateway/data/scrub.h"
#include "metadata/cluster/agent.h"
#include "metadata/cluster/controller.h"
#include "metadata/cluster_metadata.h"
#include "metadata/metadata_service.h"
#include "tests/support/memory_metadata.h"
#include "tests/support/sim_drive.h"
#include "tests/support/sim_network.h"

namespace gabion::test {

// What the nodes share: the world, and the secrets and deliberate bugs of the run.
struct ClusterShared {
  ClusterShared(sim::SimWorld& w, sim::SimNetwork& n) : world(w), network(n), master_key(SecretKey::random(w.rng())) {}
  sim::SimWorld& world;
  sim::SimNetwork& network;
  SecretKey master_key;
  gateway::data::Sabotage sabotage;
  bool finish_early = false;
  bool recode_unfenced = false;
  Duration out_after = std::chrono::seconds(60);
  Duration grace = std::chrono::seconds(5);
};

inline constexpr NodeId kMetadataNode{1};

class ClusterNode {
 public:
  // `metadata` is given to kMetadataNode alone.
  ClusterNode(ClusterShared& shared, NodeId self, MemoryMetadata* metadata);
  ~ClusterNode();

  NodeId self() const { return self_; }
  metadata::ClusterMetadata& metadata() { return *metadata_; }
  metadata::cluster::Controller& controller() { return *controller_; }
  gateway::data::BlockStore& store() { return *store_; }
  gateway::data::Repairer& repairer() { return *repairer_; }
  const gateway::data::Reencoder& reencoder() const { return *reencoder_; }
  gateway::data::Placement& placement() { return placement_; }
  std::vector<std::unique_ptr<sim::SimDrive>>& drives() { return drives_; }

  // A fresh drive, for the cluster's state.
  metadata::DriveInfo add_drive();
  metadata::NodeInfo info() const;
  void start();
  void stop();

 private:
  task<metadata::cluster::Heartbeat> report();
  task<void> adopt(metadata::Metadata::VersionedClusterState current);
  task<void> ask_failed_drives();
  void hand_drives_over();
  void report_jobs(metadata::cluster::Heartbeat& heartbeat) const;
  void obey(const metadata::cluster::Orders& orders);
  chunkserver::ShardStore* store_of(const DriveId& drive, NodeId node);

  ClusterShared& shared_;
  const NodeId self_;
  std::vector<std::unique_ptr<sim::SimDrive>> drives_;
  chunkserver::RingEpochs epochs_;
  chunkserver::ShardService shards_{epochs_};
  rpc::Router router_;
  std::unique_ptr<metadata::ClusterMetadata> metadata_;
  std::unique_ptr<metadata::MetadataService> metadata_service_;
  std::unique_ptr<metadata::cluster::Controller> controller_;
  std::map<DriveId, std::unique_ptr<chunkserver::RemoteShardStore>> remotes_;
  gateway::data::Placement placement_;
  std::unique_ptr<gateway::data::KeyStore> keys_;
  gateway::data::MemoryBudget memory_;
  std::unique_ptr<gateway::data::BlockStore> store_;
  std::unique_ptr<gateway::data::Repairer> repairer_;
  std::unique_ptr<gateway::data::Rebalancer> rebalancer_;
  std::unique_ptr<gateway::data::Reencoder> reencoder_;
  std::unique_ptr<gateway::data::Scrubber> scrubber_;
  std::unique_ptr<gateway::data::OrphanSweeper> sweeper_;
  std::unique_ptr<gateway::data::Collector> collector_;
  std::unique_ptr<metadata::cluster::Agent> agent_;
  Gate gate_;
  bool running_ = false;
};

}  // namespace gabion::test
