// RoutedMetadata is the Metadata that gateways use: it knows from the cluster's state which group has which keys, asks that
// group, and when the keys have moved meanwhile, the one that has them now. Nobody who uses it ever sees `moved`; what is left to
// them is what ClusterMetadata leaves to them.
// What goes over several groups is put together here: listings, the deletion of many objects or of a bucket, copies from one
// group to another. With one group it costs nothing but the look at the table.
// Thread-safe. Everything in the options outlives it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "metadata/cluster/ranges.h"
#include "metadata/cluster_metadata.h"

namespace gabion::metadata {

struct RoutedMetadataOptions {
  std::function<ClusterMetadata&(GroupId)> group;  // the way to a group; it stays. Called from any thread
  Clock* clock = nullptr;
  Rng* rng = nullptr;  // thread-safe
  Duration patience = std::chrono::seconds(10);  // while keys move
};

class RoutedMetadata final : public Metadata {
 public:
  explicit RoutedMetadata(RoutedMetadataOptions options);
  ~RoutedMetadata() override;

  // A state of the cluster that this node has heard of. Older ones than the newest are not looked at.
  void follow(const VersionedClusterState& current);

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
  using Table = cluster::RangeTable;
  // For how long one call has been trying. It begins with the first wait.
  struct Attempts {
    std::optional<TimePoint> give_up;
    Duration pause = std::chrono::milliseconds(5);
  };
  struct Loan {
    GroupId group = kRootGroup;
    std::string id;
  };
  // A part of a bucket, and who may have it.
  struct Closing {
    std::vector<GroupId> owners;
    CloseBucket part;
  };
  using Adopted = google::protobuf::RepeatedPtrField<AdoptedManifest>;
  using Slices = google::protobuf::RepeatedPtrField<Slice>;

  ClusterMetadata& group(GroupId id) const { return options_.group(id); }
  // Stays valid.
  const Table& table() const { return *table_.load(std::memory_order_acquire); }
  task<Result<void>> pause(Context ctx, Attempts& attempts);
  // What is newer than a table by which a group was asked in vain; it may take a while until there is something newer.
  task<Result<void>> look_again(Context ctx, const Table& stale, Attempts& attempts);
  // `ask` gives the answer of one group, given the way to it and the key.
  template <class Value, class Ask>
  task<Result<Value>> ask_by_key(Context ctx, BucketId bucket, std::string key, Ask ask);

  // The group of the key that the command has, also when the bucket has to be opened there.
  task<Result<CommandResult>> commit_by_key(Context ctx, Command command);
  // The groups in order, until one does not answer that the keys have moved.
  task<Result<CommandResult>> commit_to_owner(Context ctx, std::vector<GroupId> owners, Command& command, GroupId& asked);
  // A writer found the bucket closed, or not known, in a group. False: there is no such bucket.
  task<Result<bool>> open_bucket(Context ctx, GroupId group, BucketId bucket);
  task<Result<CommandResult>> delete_objects(Context ctx, Command command);
  // Those of the objects at `places`, which one range has; takes out of `places` what is done.
  task<Result<void>> delete_some(Context ctx, const std::vector<GroupId>& owners, const DeleteObjects& objects,
                                 std::vector<int>& places, CommandResult& results);

  task<Result<CommandResult>> delete_bucket(Context ctx, Command command);
  // `split_off`: what is being split off from group 0 has left it. moved and STALE: look again.
  task<Result<CommandResult>> delete_bucket_by(Context ctx, const Table& known, Command command, bool split_off);
  task<Result<CommandResult>> close_bucket(Context ctx, std::vector<Closing> parts, std::uint64_t generation);
  task<void> finish_deletion(Context ctx, BucketId bucket);

  // A copy, whose source another group may have.
  task<Result<CommandResult>> commit_copy(Context ctx, Command command);
  task<Result<CommandResult>> commit_copy_by(Context ctx, const Table& known, Command command);
  // What keeps the copy from being made, or APPLIED. `loans` are to be given back in any case.
  task<Result<Outcome>> borrow_sources(Context ctx, const Table& known, Command& command, std::vector<Loan>& loans);
  task<Result<Outcome>> borrow_parts(Context ctx, const std::vector<GroupId>& owners, PutPart& put, std::vector<Loan>& loans);
  // nullopt: it is gone.
  task<Result<std::optional<Manifest>>> borrow(Context ctx, const Slice& share, std::vector<Loan>& loans);
  task<Result<void>> adopt(Context ctx, GroupId from, std::vector<ManifestId> ids, Adopted& adopted);
  task<void> give_back(Context ctx, std::vector<Loan> loans);

  // One page of the entries behind `marker` out of those of the ranges. `ask` gives a group's.
  template <class Page, class Request, class Ask>
  task<Result<Page>> list(Context ctx, Request request, std::string marker, Ask ask);

  const RoutedMetadataOptions options_;
  std::atomic<const Table*> table_;
  std::mutex mutex_;
  std::uint64_t version_ = 0;                         // of the state that the table is from; guarded by mutex_
  std::vector<std::unique_ptr<const Table>> tables_;  // all there ever were, as they are in use without a lock; few
};

}  // namespace gabion::metadata
