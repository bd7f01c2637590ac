// LocalMetadata is this node's member of the metadata's group: its log is mirrored on the metadata drives, and its state is on
// the first of them that works, with copies on the others. Where this node does not lead the group, commands and reads answer
// not_leader. A single node is a group of one member.
// Thread-safe. Everything in the options must outlive it. Open it, and stop() it before destruction.
#pragma once

#include "common/metrics.h"
#include "metadata/metadata.h"
#include "metadata/raft/node.h"
#include "metadata/rocks_kv.h"
#include "metadata/state_host.h"

namespace gabion::metadata {

// A drive that holds metadata. `disk` is nullptr when it is missing; its place in the list then still counts.
struct MetadataDrive {
  MetadataDrive(DriveId drive, Disk* files, std::string root, Executor runs_on)
      : id(drive), disk(files), path(std::move(root)), executor(std::move(runs_on)) {}
  DriveId id;
  Disk* disk;
  std::string path;   // of the disk's root in the real file system, for RocksDB
  Executor executor;  // for the log's writes and syncs on this drive
};

struct LocalMetadataMetrics {
  GroupMetrics group;
  Counter moves;  // of the state away from a drive that failed
  void add_to(MetricsRegistry& registry) const;
};

struct LocalMetadataOptions {
  NodeId self{1};
  ClusterId cluster;
  // Who founds the group where the drives are new. With none this node waits until it is added to one.
  std::vector<raft::Member> founders{{NodeId{1}}};
  raft::Transport* transport = nullptr;  // to other members; they come back through receive()
  StateFetch* fetch = nullptr;           // the states of other members
  raft::Timing timing;
  std::vector<MetadataDrive> drives;
  Executor commit;      // one thread of its own
  Executor readers;     // blocking reads
  Executor background;  // blocking, long: checkpoints and their copies
  Clock* clock = nullptr;
  Rng* rng = nullptr;
  LocalMetadataMetrics* metrics = nullptr;
  std::size_t required_log_replicas = 1;  // fewer refuse every change
  // Start with nothing when all drives are empty. Leave it off when other drives show that there was metadata before.
  bool allow_new = false;
  std::uint64_t checkpoint_log_bytes = 64 * MiB;
  std::uint64_t entry_memory_bytes = 32 * MiB;  // as in RaftNodeOptions
  std::size_t log_segment_bytes = 8 * MiB;
  RocksOptions rocks;
  std::unique_ptr<StateStorage> storage;  // empty: RocksDB below each drive's path
};

inline constexpr raft::GroupId kMetadataGroup = 0;

struct MetadataStatus {
  std::vector<LogReplicaStatus> log;     // in the order of the drives
  std::vector<StateCopyStatus> state;
  std::uint64_t applied = 0;   // entries of the log
  std::uint64_t commands = 0;  // that were applied, ever
  raft::GroupStatus group;
};

class LocalMetadata final : public Metadata {
 public:
  static task<Result<std::unique_ptr<LocalMetadata>>> open(LocalMetadataOptions options);
  ~LocalMetadata() override;
  // Commits what waits where that needs nobody else, refuses the rest, flushes the state and copies it, so that the next
  // start has nothing to replay.
  task<void> stop();

  // The owner noticed that a drive is gone or was wiped: go on without it.
  task<Result<void>> fail_drive(DriveId drive, std::string why);
  // Copies the state to all drives and cuts the log, now.
  task<void> checkpoint();
  MetadataStatus status() const;

  raft::RaftGroup& group() { return *group_; }
  // As far as this node knows; 0: it does not.
  NodeId leader() const { return group_->status().leader; }
  // A message of another member.
  void receive(NodeId from, raft::GroupId group, std::string message) { node_->receive(from, group, std::move(message)); }
  // The state as it is, for another member.
  task<Result<PinnedState>> pin();

  task<Result<CommandResult>> commit(Context ctx, Command command) override;
  task<Result<Bucket>> bucket(Context ctx, std::string name) override;
  task<Result<std::vector<Bucket>>> buckets(Context ctx) override;
  task<Result<Object>> object(Context ctx, BucketId bucket, std::string key, With with) override;
  task<Result<Manifest>> manifest(Context ctx, GroupId group, ManifestId id) override;
  task<Result<ObjectPage>> list_objects(Context ctx, ListRequest request) override;
  task<Result<UploadPage>> list_uploads(Context ctx, ListUploadsRequest request) override;
  task<Result<PartPage>> list_parts(Context ctx, BucketId bucket, std::string key, std::string upload_id, std::uint32_t after,
                                    std::size_t limit) override;
  task<Result<std::vector<GroupId>>> groups(Context ctx) override;
  task<Result<std::vector<JournalEntry>>> journal(Context ctx, GroupId group, BucketId bucket, std::uint64_t after,
                                                  std::size_t limit) override;
  task<Result<std::vector<RepairIntent>>> repairs(Context ctx, GroupId group, std::string after_block,
                                                  std::size_t limit) override;
  task<Result<std::vector<Doomed>>> doomed(Context ctx, GroupId group, ManifestId after, std::size_t limit) override;
  task<Result<std::vector<ListedManifest>>> manifests(Context ctx, GroupId group, ManifestId after,
                                                      std::size_t limit) override;
  task<Result<std::vector<ManifestId>>> live_manifests(Context ctx, GroupId group, std::vector<ManifestId> ids) override;
  task<Result<VersionedClusterState>> cluster_state(Context ctx) override;
  task<Result<Statistics>> statistics(Context ctx) override;

 private:
  explicit LocalMetadata(LocalMetadataOptions options);
  task<Result<void>> start();
  task<Result<void>> start_group(raft::RaftNode& node);
  task<void> stop_now();
  task<Result<void>> fail_now(std::size_t drive, std::string why);
  task<void> move_away(std::shared_ptr<KvStore> seen, std::string why);
  task<std::shared_ptr<KvStore>> settled();

  // Reads from the state: on the calling thread when it is in memory (`cached_first`), else on a reader.
  enum class Where { cached_first, reader };
  template <class Value, class Read>
  task<Result<Value>> read(Context ctx, Where where, Read read);

  LocalMetadataOptions options_;
  std::unique_ptr<StateStorage> storage_;
  std::unique_ptr<MirroredLog> log_;
  std::unique_ptr<StateHost> host_;
  std::unique_ptr<raft::RaftNode> node_;
  raft::RaftGroup* group_ = nullptr;
  Gate gate_;
  bool stopped_ = false;
};

}  // namespace gabion::metadata
