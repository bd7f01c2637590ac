// RemoteMetadata is the Metadata of a group's member on another node: every call is one question to it, answered if it leads
// the group. It neither retries nor looks for the leader; ClusterMetadata does. Thread-safe. The channel must outlive it.
#pragma once

#include <atomic>

#include "common/ids.h"
#include "common/rpc/rpc.h"
#include "metadata/metadata.h"

namespace gabion::metadata {

class ReadRequest;

class RemoteMetadata final : public Metadata {
 public:
  RemoteMetadata(rpc::Channel& channel, NodeId node, GroupId group = kRootGroup)
      : channel_(channel), node_(node), group_(group) {}

  NodeId node() const { return node_; }
  // Who leads, as the node said when it last answered not_leader. 0: it did not know.
  NodeId leader_hint() const { return static_cast<NodeId>(leader_.load()); }

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
  task<Result<Bytes>> ask(Context ctx, rpc::Method method, std::string header);
  template <class Value, class Message>
  task<Result<Value>> read(Context ctx, ReadRequest request);

  rpc::Channel& channel_;
  const NodeId node_;
  const GroupId group_;
  std::atomic<std::uint32_t> leader_{0};
};

}  // namespace gabion::metadata
