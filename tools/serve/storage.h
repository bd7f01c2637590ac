// Storage is everything of a node below the gateway's dialects: its drives with their engines, its part in the metadata, its
// place in the cluster, the keys, the data path, repair and collection. open() blocks; everything else is called from one
// thread unless it says otherwise. The configuration, the clock, the randomness and the registry outlive it.
#pragma once

#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/metrics.h"
#include "gateway/data/block_store.h"
#include "gateway/data/collector.h"
#include "gateway/data/orphans.h"
#include "gateway/data/rebalance.h"
#include "gateway/data/reencode.h"
#include "gateway/data/repair.h"
#include "gateway/data/scrub.h"
#include "tools/serve/administration.h"
#include "tools/serve/cluster_duties.h"
#include "tools/serve/cluster_layout.h"
#include "tools/serve/cluster_port.h"
#include "tools/serve/config.h"
#include "tools/serve/enrolment.h"
#include "tools/serve/joining.h"
#include "tools/serve/local_drives.h"
#include "tools/serve/node_metadata.h"
#include "tools/serve/root_credentials.h"
#include "tools/serve/threads.h"

namespace gabion::serve {

// A tenth of the processor time of what serves clients, when both want it.
inline constexpr int kMovingNiceness = 10;

using GetEnv = std::function<const char*(const char*)>;

class Storage {
 public:
  // `io` are the threads that serve requests, of clients and of other nodes.
  static Result<std::unique_ptr<Storage>> open(const Config& config, const GetEnv& getenv, std::vector<Executor> io, Clock& clock,
                                               Rng& rng, MetricsRegistry& registry);
  ~Storage();

  // Background work: repair, collection, compaction, watching the drives.
  void start();
  // Ends background work, flushes and seals. No request may be under way.
  void stop();

  metadata::Metadata& metadata() { return metadata_->metadata(); }
  gateway::data::DataStore& data() { return *blocks_; }
  const Secrets& secrets() const { return secrets_; }
  NodeId self() const { return self_; }
  std::uint16_t cluster_port() const { return port_->port(); }
  const RootCredentials& credentials() const { return *credentials_; }
  gateway::http::Handler& administration() { return administration_->http(); }
  erasure::Profile profile() const { return layout_->profile(); }
  std::size_t drives_up() const { return layout_->placement().view()->up_count(); }
  std::size_t drives_total() const { return layout_->placement().view()->ring->drives().size(); }
  // Somebody leads the metadata, and enough drives work for reading everything.
  bool ready() const { return metadata_->leader() != NodeId{} && drives_up() >= profile().data; }

 private:
  Storage(const Config& config, std::vector<Executor> io, Clock& clock, Rng& rng, MetricsRegistry& registry);
  Result<void> open_all(const GetEnv& getenv);
  Result<erasure::Profile> wanted_profile() const;
  Result<void> enter(Enrolled enrolled, const GetEnv& getenv);
  Result<void> open_metadata(bool founding, bool fresh);
  Result<void> listen();
  Result<metadata::Metadata::VersionedClusterState> wait_for_cluster();
  Result<void> check_class(const metadata::ClusterState& state) const;
  Result<void> open_drives(const metadata::ClusterState& state, bool fresh);
  Result<void> format_replacements(std::vector<OpenDrive> replacements, const GetEnv& getenv);
  Result<void> place_replacements();
  // Which lost drive a new one at this path takes the place of.
  Result<metadata::DriveInfo> choose_lost(const metadata::ClusterState& state, const std::string& path) const;
  void renew();
  // Where this node is, when the cluster knows something else.
  Result<void> tell_address(const metadata::ClusterState& state);
  void mark_cluster_complete();
  void open_data_path();
  void register_metrics();

  void open_administration();
  // Lets others join this node. already_exists: they may. On the background executor, as the next.
  task<Result<void>> init(std::string listen);
  task<Result<void>> open_to_others(std::string listen);
  task<Result<LocalDriveView>> local_drive(std::string path, ClusterControl::Drive what);
  task<Result<DriveId>> open_new_drive(OpenDrive drive, bool metadata);
  task<Result<void>> write_membership_up(Membership membership);
  // The newest state of the cluster, with which this node finds the others when it starts. A drive that hangs must not hold up
  // more than the task that writes it.
  task<void> keep_state(metadata::Metadata::VersionedClusterState current);

  task<void> keep_membership();
  task<void> watch();
  task<void> ask_failed_drives();
  std::string metadata_problem(const DriveId& drive) const;
  task<void> lose_drive(LocalDrive& drive, std::string why);

  const Config& config_;
  Clock& clock_;
  Rng& rng_;
  MetricsRegistry& registry_;
  ClusterId cluster_;
  Secrets secrets_;
  NodeId self_{};
  Membership membership_;  // used on the background executor once start() was called, before by the thread that opens
  Event membership_changed_;
  bool opening_to_others_ = false;
  std::atomic<bool> started_{false};

  Gate gate_;
  std::atomic<bool> stopping_{false};
  asio::thread_pool readers_{4};
  const Executor membership_writes_ = asio::make_strand(readers_.get_executor());
  IoThread background_{"background"};
  IoThread moving_{"moving", kMovingNiceness};  // what goes through all data: repair, rebalance, scrub
  LocalDrives drives_;
  std::unique_ptr<ClusterPort> port_;
  std::unique_ptr<NodeMetadata> metadata_;
  std::unique_ptr<ClusterLayout> layout_;
  std::unique_ptr<ClusterDuties> duties_;
  std::unique_ptr<JoinService> join_service_;
  std::unique_ptr<RootCredentials> credentials_;
  std::unique_ptr<Administration> administration_;
  std::unique_ptr<gateway::data::KeyStore> keys_;
  std::unique_ptr<gateway::data::MemoryBudget> memory_;
  std::unique_ptr<gateway::data::BlockStore> blocks_;
  std::unique_ptr<gateway::data::Repairer> repairer_;
  std::unique_ptr<gateway::data::Rebalancer> rebalancer_;
  std::unique_ptr<gateway::data::Reencoder> reencoder_;
  std::unique_ptr<gateway::data::Scrubber> scrubber_;
  std::unique_ptr<gateway::data::OrphanSweeper> sweeper_;
  std::unique_ptr<gateway::data::Collector> collector_;
};

}  // namespace gabion::serve
