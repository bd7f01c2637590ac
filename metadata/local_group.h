// LocalGroup is this node's member of one group of the metadata, and the Metadata of that group where this node leads it.
// Elsewhere, and before it is open, commands and reads answer not_leader. What another group has answers moved.
// Made and opened by LocalMetadata. Thread-safe, but for what is said to run on the commit executor.
#pragma once

#include "common/metrics.h"
#include "metadata/metadata.h"
#include "metadata/raft/node.h"
#include "metadata/state_host.h"

namespace gabion::metadata {

class LocalGroup final : public Metadata {
 public:
  struct Options {
    Options() = default;
    StateHost::Options state;  // but for the storage
    Executor commit;
    Counter* moves = nullptr;  // of the state away from a drive that failed
  };
  explicit LocalGroup(Options options) : options_(std::move(options)) {}
  ~LocalGroup() override = default;

  // --- On the commit executor ---
  // Brings the state up to what the log has, and takes part in the group; `founders` as in RaftNode::open_group(). May be tried
  // again when it fails.
  task<Result<void>> open(StateStorage& storage, MirroredLog& log, raft::RaftNode& node, std::vector<raft::Member> founders);
  // What still waits for the state ends. Before the node stops.
  task<void> close() { return gate_.close(); }

  GroupId id() const { return options_.state.group; }
  bool is_open() const { return raft_.load(std::memory_order_acquire) != nullptr; }
  // As far as this node knows; 0: it does not.
  NodeId leader() const { return is_open() ? raft().status().leader : NodeId{}; }

  // --- Once it is open ---
  StateHost& state() const { return *state_; }
  raft::RaftGroup& raft() const { return *raft_.load(std::memory_order_acquire); }
  // The state as it is, for another member.
  task<Result<PinnedState>> pin() { return run_on(options_.commit, state_->pin()); }

  task<Result<CommandResult>> commit(Context ctx, Command command) override;
  task<Result<Bucket>> bucket(Context ctx, std::string name) override;
  task<Result<std::vector<Bucket>>> buckets(Context ctx) override;
  task<Result<Object>> object(Context ctx, BucketId bucket, std::string key, With with) override;
  task<Result<Manifest>> manifest(Context ctx, GroupId group, ManifestId id) override;
  task<Result<ObjectPage>> list_objects(Context ctx, ListRequest request) override;
  task<Result<UploadPage>> list_uploads(Context ctx, ListUploadsRequest request) override;
  task<Result<PartPage>> list_parts(Context ctx, BucketId bucket, std::string key, std::string upload_id, std::uint32_t after,
                                    std::size_t limit) override;
  // Of others it does not know.
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
  task<Result<void>> try_to_open(StateStorage& storage, MirroredLog& log, raft::RaftNode& node,
                                 std::vector<raft::Member> founders);
  // The child begins with those who vote here.
  void name_founders(SplitRange& split) const;
  task<void> move_away(std::shared_ptr<const StateView> seen, std::string why);
  task<std::shared_ptr<const StateView>> settled();

  // Reads from the state: on the calling thread when it is in memory (`cached_first`), else on a reader.
  enum class Where { cached_first, reader };
  template <class Value, class Read>
  task<Result<Value>> read(Context ctx, Where where, Read read);

  const Options options_;
  std::unique_ptr<StateHost> state_;
  std::atomic<raft::RaftGroup*> raft_{nullptr};
  Gate gate_;
};

}  // namespace gabion::metadata
