// LocalMetadata is this node's part in the metadata: a member of each of its groups. Their log is one, mirrored on the metadata
// drives; the state of each group is on the first of them that works, with copies on the others. A single node is the only
// member. Groups are opened as the log knows them, as they are split off, and when the cluster has one and another member has
// messages of it for this node.
// Thread-safe. Everything in the options must outlive it. Open it, and stop() it before destruction.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "metadata/local_group.h"
#include "metadata/rocks_kv.h"

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

// Of all groups together.
struct LocalMetadataMetrics {
  GroupMetrics group;
  Counter moves;  // of a state away from a drive that failed
  void add_to(MetricsRegistry& registry) const;
};

struct LocalMetadataOptions {
  NodeId self{1};
  ClusterId cluster;
  // Who founds group 0 where the drives are new. With none this node waits until it is added to it.
  std::vector<raft::Member> founders{{NodeId{1}}};
  raft::Transport* transport = nullptr;  // to other members; they come back through receive()
  StateFetch* fetch = nullptr;           // the states of other members
  raft::Timing timing;
  std::vector<MetadataDrive> drives;
  Executor commit;      // one thread of its own
  Executor readers;     // blocking, brief: reads, and what commands wait for
  Executor background;  // blocking, long: checkpoints and their copies
  Clock* clock = nullptr;
  Rng* rng = nullptr;
  LocalMetadataMetrics* metrics = nullptr;
  // Whether the cluster has the group, as far as this node knows. Thread-safe.
  std::function<bool(GroupId)> exists;
  // Where the keys of such a group begin. Thread-safe.
  std::function<std::string(GroupId)> start_of;
  std::size_t required_log_replicas = 1;  // fewer refuse every change
  // Start with nothing when all drives are empty. Leave it off when other drives show that there was metadata before.
  bool allow_new = false;
  std::uint64_t checkpoint_log_bytes = 64 * MiB;
  std::uint64_t entry_memory_bytes = 32 * MiB;  // as in RaftNodeOptions
  std::size_t log_segment_bytes = 8 * MiB;
  RocksOptions rocks;
  std::unique_ptr<StateStorages> states;  // empty: RocksDB below each drive's path
};

struct MetadataStatus {
  std::vector<LogReplicaStatus> log;   // in the order of the drives
  std::vector<StateCopyStatus> state;  // of group 0; not healthy where that of any group is not
  std::uint64_t applied = 0;           // entries of the log of group 0
  std::uint64_t commands = 0;          // that were applied to it, ever
  raft::GroupStatus group;             // group 0
};

class LocalMetadata final : private SplitHost {
 public:
  static task<Result<std::unique_ptr<LocalMetadata>>> open(LocalMetadataOptions options);
  ~LocalMetadata();
  // Lets others lead what this node leads, as far as they take it over within that time. Before stop().
  task<void> hand_over(Duration within);
  // Commits what waits where that needs nobody else, refuses the rest, flushes the states and copies them, so that the next
  // start has nothing to replay.
  task<void> stop();

  // The owner noticed that a drive is gone or was wiped: go on without it.
  task<Result<void>> fail_drive(DriveId drive, std::string why);
  // Copies the states to all drives and cuts the log, now.
  task<void> checkpoint();
  MetadataStatus status() const;

  LocalGroup& root() const { return *root_; }
  // This node's member of a group, which may not be open. Stays until the end.
  LocalGroup& member(GroupId group);
  LocalGroup* find(GroupId group) const;    // nullptr: it is not open
  std::vector<LocalGroup*> groups() const;  // that are open, ascending
  // A message of another member.
  void receive(NodeId from, GroupId group, std::string message) { node_->receive(from, group, std::move(message)); }
  // The state of a group as it is, for another member.
  task<Result<PinnedState>> pin(GroupId group);

 private:
  explicit LocalMetadata(LocalMetadataOptions options);
  task<Result<void>> start();
  task<Result<void>> open_known();
  task<Result<void>> open_group(GroupId id, std::vector<raft::Member> founders);
  // A group that the log may know or not. What goes wrong is tried again and again.
  void open_soon(GroupId id, bool campaign);
  task<void> open_later(GroupId id, bool campaign);
  void on_unknown(GroupId id);
  bool comes_by_split(GroupId id) const;
  task<Result<void>> prepare(SplitRange split, StateStorage& storage, std::size_t drive) override;
  task<Result<void>> make_child(SplitRange split, StateStorage& storage, std::size_t drive);
  void divided(GroupId parent, GroupId child) override;
  bool may_copy(GroupId parent) const override;
  bool is_ending() const override { return stopped_; }
  task<void> stop_now();
  task<Result<void>> fail_now(std::size_t drive, std::string why);

  LocalMetadataOptions options_;
  std::unique_ptr<StateStorages> states_;
  mutable std::mutex mutex_;
  std::map<GroupId, std::unique_ptr<LocalGroup>> groups_;  // guarded by mutex_
  LocalGroup* const root_;
  std::unique_ptr<MirroredLog> log_;
  std::unique_ptr<raft::RaftNode> node_;
  Gate gate_;
  // On the commit executor.
  bool started_ = false;
  bool stopped_ = false;
  std::set<GroupId> opening_;    // right now
  std::set<GroupId> coming_;     // as soon as they can be opened
  std::set<GroupId> preparing_;  // their states are being made by who is divided
  std::map<GroupId, TimePoint> unknown_;  // since when there are messages
};

}  // namespace gabion::metadata
