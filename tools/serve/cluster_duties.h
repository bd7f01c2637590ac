// ClusterDuties ties this node to its cluster: it tells the leader how the node is, follows the cluster's state, and hands the
// leader's orders to whoever carries them out. While this node leads, it also runs the cluster.
// start() once everything works; stop() before what it was given goes.
#pragma once

#include <functional>
#include <memory>

#include "gateway/data/collector.h"
#include "gateway/data/orphans.h"
#include "gateway/data/rebalance.h"
#include "gateway/data/reencode.h"
#include "gateway/data/repair.h"
#include "gateway/data/scrub.h"
#include "metadata/cluster/agent.h"
#include "metadata/cluster/controller.h"
#include "metadata/cluster/splitter.h"
#include "tools/serve/cluster_layout.h"
#include "tools/serve/leader_spread.h"
#include "tools/serve/local_drives.h"
#include "tools/serve/metadata_members.h"
#include "tools/serve/node_metadata.h"

namespace gabion::serve {

class ClusterDuties {
 public:
  struct Options {
    NodeId self{};
    const Config& config;
    NodeMetadata& metadata;
    ClusterPort& port;
    ClusterLayout& layout;
    LocalDrives& drives;
    Clock& clock;
    Rng& rng;
  };
  struct Workers {
    gateway::data::Core& core;
    gateway::data::Repairer& repairer;
    gateway::data::Rebalancer& rebalancer;
    gateway::data::Reencoder& reencoder;
    gateway::data::Scrubber& scrubber;
    gateway::data::OrphanSweeper& sweeper;
  };

  // Answers heartbeats from here on, where this node is a member of the metadata.
  explicit ClusterDuties(Options options);

  // `keep` is handed each newer state of the cluster, after everything here follows it.
  using Keep = std::function<task<void>(const metadata::Metadata::VersionedClusterState&)>;
  void start(const Executor& executor, Workers workers, Keep keep);
  task<void> stop();

  // nullptr: this node is no member of the metadata.
  metadata::cluster::Controller* controller() { return controller_.get(); }
  // Groups that may have rows which are not their own, as far as this node knows; see Splitter.
  std::vector<metadata::GroupId> trimming(const metadata::ClusterState& state) const;
  // For the collector, see CollectorOptions.
  bool collects_here() const { return controller_ != nullptr && controller_->leads(); }
  task<Result<std::vector<metadata::ManifestId>>> pinned_elsewhere(Context ctx);

 private:
  task<metadata::cluster::Heartbeat> report();
  void report_drives(metadata::cluster::Heartbeat& heartbeat) const;
  void report_jobs(metadata::cluster::Heartbeat& heartbeat) const;
  void report_groups(metadata::cluster::Heartbeat& heartbeat) const;
  task<void> follow(metadata::Metadata::VersionedClusterState current);
  void order(const metadata::cluster::Orders& orders);
  std::vector<metadata::raft::GroupStatus> groups() const;
  task<Result<void>> hand_over(Context ctx, Handover step);
  void hand_drives_over();

  const Options options_;
  std::unique_ptr<Workers> workers_;
  Keep keep_;
  std::unique_ptr<metadata::cluster::Controller> controller_;
  std::unique_ptr<metadata::cluster::Splitter> splitter_;
  std::unique_ptr<MetadataMembers> members_;
  std::unique_ptr<LeaderSpread> spread_;
  std::unique_ptr<metadata::cluster::Agent> agent_;
};

}  // namespace gabion::serve
