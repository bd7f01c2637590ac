// ClusterMetadata is the Metadata of one group, wherever it is led: it asks the member that leads, and when that changes,
// finds the new leader and asks again, within the caller's deadline or `patience`. Every command that may be sent twice has
// an id, so that the second time gives the first one's result: over a change of the leader callers see no error.
// What is left to them: unavailable, when nobody led for all that time; unknown_outcome, when in addition a command had
// been sent before.
// Thread-safe. Everything in the options outlives it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/ids.h"
#include "common/rng.h"
#include "common/rpc/rpc.h"
#include "metadata/metadata.h"

namespace gabion::metadata {

class RemoteMetadata;

struct ClusterMetadataOptions {
  GroupId group = kRootGroup;
  NodeId self{};
  Metadata* local = nullptr;             // this node's replica, when it is a member
  std::function<NodeId()> local_leader;  // whom that replica knows as the leader; NodeId 0: nobody. Thread-safe
  rpc::Peers* peers = nullptr;           // nullptr: there is no other node
  Clock* clock = nullptr;
  Rng* rng = nullptr;                    // thread-safe
  Duration patience = std::chrono::seconds(10);  // of callers without a deadline
  Duration attempt = std::chrono::seconds(2);    // for one member, before another is asked
};

class ClusterMetadata final : public Metadata {
 public:
  explicit ClusterMetadata(ClusterMetadataOptions options);
  ~ClusterMetadata() override;

  // The nodes that are members of the metadata, this one among them or not.
  void set_members(std::vector<NodeId> members);
  // Who leads, as far as this node knows. 0: unknown.
  NodeId leader() const;

  task<Result<CommandResult>> commit(Context ctx, Command command) override;
  // The same of a command that stays the caller's, to be sent to another group when this one answers `moved`: with the id and
  // the time that it gets here, so that it happens once, in whichever group. It must live until the answer.
  task<Result<CommandResult>> commit_kept(Context ctx, Command& command);
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
  struct Target {
    NodeId node{};
    Metadata* metadata = nullptr;
    std::shared_ptr<RemoteMetadata> remote;  // nullptr: it is the local one
  };
  enum class Kind { read, command, command_once };  // once: it has no id, and is not sent again where it may have happened

  std::optional<Target> target(NodeId node) const;
  // Whom to ask next. `avoided` has just failed.
  std::optional<Target> choose(unsigned attempt, NodeId avoided) const;
  void learn(const Target& asked, const Error* error);
  bool alone() const;
  template <class Value, class Ask>
  task<Result<Value>> persist(Context ctx, Kind kind, Ask ask);

  const ClusterMetadataOptions options_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<RemoteMetadata>> remotes_;  // ascending by node
  std::vector<NodeId> members_;
  NodeId leader_{};  // who answered last, or was named by who did not
};

}  // namespace gabion::metadata
