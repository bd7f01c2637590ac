// Storage is everything of a node below the gateway's dialects: its drives with their engines, the metadata, the ring, the
// keys, the data path, repair and collection. open() blocks; everything else is called from one thread. The clock, the
// randomness and the registry outlive it.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "chunkserver/drive_store.h"
#include "chunkserver/rocks_index.h"
#include "common/metrics.h"
#include "gateway/data/block_store.h"
#include "gateway/data/collector.h"
#include "gateway/data/repair.h"
#include "metadata/local_metadata.h"
#include "tools/serve/config.h"
#include "tools/serve/drives.h"
#include "tools/serve/secrets.h"
#include "tools/serve/threads.h"

namespace gabion::serve {

using GetEnv = std::function<const char*(const char*)>;

class Storage {
 public:
  static Result<std::unique_ptr<Storage>> open(const Config& config, const GetEnv& getenv, Clock& clock, Rng& rng,
                                               MetricsRegistry& registry);
  ~Storage();

  // Background work: repair, collection, compaction, watching the drives.
  void start();
  // Ends background work, flushes and seals. No request may be under way.
  void stop();

  metadata::Metadata& metadata() { return *metadata_; }
  gateway::data::DataStore& data() { return *blocks_; }
  const Secrets& secrets() const { return secrets_; }
  erasure::Profile profile() const { return profile_; }
  std::size_t drives_up() const { return placement_->view()->up_count(); }
  std::size_t drives_total() const { return placement_->view()->ring->drives().size(); }
  // Enough drives work for reading everything.
  bool ready() const { return drives_up() >= profile_.data; }

 private:
  // One drive with its engine and its threads. Members are destroyed in reverse: threads stop before what they use goes.
  struct Drive {
    OpenDrive open;
    chunkserver::DriveMetrics metrics;
    std::unique_ptr<chunkserver::RocksIndex> index;
    std::unique_ptr<chunkserver::DriveStore> store;
    std::unique_ptr<IoThread> writer;
    std::unique_ptr<IoThread> log;  // metadata drives only
    std::atomic<bool> up{false};
    std::atomic<std::uint64_t> total_bytes{0}, available_bytes{0}, shard_bytes{0}, shards{0};
  };

  Storage(const Config& config, Clock& clock, Rng& rng);
  Result<void> open_all(const GetEnv& getenv, MetricsRegistry& registry);
  void adopt(std::vector<OpenDrive> drives);
  void open_engines();
  Result<void> open_metadata(bool fresh);
  Result<void> make_cluster();
  Result<void> mark_cluster_complete();
  Result<void> load_cluster();
  Result<void> replace_drives(std::vector<OpenDrive> replacements, const GetEnv& getenv);
  Result<void> check_profile(erasure::Profile stored);
  void open_data_path();
  void register_metrics(MetricsRegistry& registry);
  std::vector<Disk*> metadata_disks() const;
  task<Result<void>> save_cluster_state(metadata::ClusterState state, std::uint64_t version);

  task<void> watch_drives();
  task<void> watch_drive(Drive& drive);
  task<void> rebuild_replaced();

  const Config& config_;
  Clock& clock_;
  Rng& rng_;
  ClusterId cluster_;
  erasure::Profile profile_;
  ring::Ring ring_;
  Secrets secrets_;
  std::vector<DriveId> replaced_;  // to be rebuilt

  Gate gate_;
  std::atomic<bool> stopping_{false};
  asio::thread_pool readers_{4};
  IoThread background_{"background"};
  IoThread commit_{"commit"};
  IoThread checkpoint_{"checkpoint"};
  metadata::LocalMetadataMetrics metadata_metrics_;
  chunkserver::RocksShared index_shared_;
  std::vector<std::unique_ptr<Drive>> drives_;
  std::unique_ptr<metadata::LocalMetadata> metadata_;
  std::unique_ptr<gateway::data::Placement> placement_;
  std::unique_ptr<gateway::data::KeyStore> keys_;
  std::unique_ptr<gateway::data::MemoryBudget> memory_;
  std::unique_ptr<gateway::data::BlockStore> blocks_;
  std::unique_ptr<gateway::data::Repairer> repairer_;
  std::unique_ptr<gateway::data::Collector> collector_;
};

}  // namespace gabion::serve
