#include <algorithm>

#include "metadata/apply.h"
#include "ring/ring.h"

namespace gabion::metadata::apply {
namespace {

bool drops_ring(const ClusterState& before, const ClusterState& after) {
  const auto& kept = after.previous_rings();
  return std::any_of(before.previous_rings().begin(), before.previous_rings().end(), [&](const std::string& ring) {
    return std::find(kept.begin(), kept.end(), ring) == kept.end();
  });
}

std::uint64_t oldest_ring(const ClusterState& state) {
  std::uint64_t oldest = state.ring_epoch();
  for (const std::string& encoded : state.previous_rings()) {
    const auto ring = ring::Ring::decode(encoded);
    if (ring) oldest = std::min(oldest, ring->epoch());
  }
  return oldest;
}

}  // namespace

Result<bool> bucket_exists(Transaction& tx, BucketId id) {
  if (tx.known_buckets().contains(id)) return true;
  TRY(const bool found, tx.exists(Table::other, keys::bucket_by_id(id)));
  if (found) tx.known_buckets().insert(id);
  return found;
}

Result<CommandResult> create_bucket(Transaction& tx, const Step& step, CreateBucket& command) {
  CommandResult result;
  std::string row = keys::bucket_by_name(command.name());
  Bucket bucket;
  TRY(const bool found, tx.read(Table::other, row, bucket));
  if (found) {
    result.set_outcome(BUCKET_EXISTS);
    *result.mutable_bucket() = std::move(bucket);
    return result;
  }
  bucket.set_id(step.index);
  bucket.set_name(command.name());
  bucket.set_created_us(step.time_us);
  bucket.set_owner(command.owner());
  tx.write(Table::other, std::move(row), bucket);
  tx.put(Table::other, keys::bucket_by_id(bucket.id()), command.name());
  ++tx.totals().buckets;
  *result.mutable_bucket() = std::move(bucket);
  return result;
}

// Uploads that were not completed do not keep a bucket: they go with it.
Result<CommandResult> delete_bucket(Transaction& tx, const Step& step, DeleteBucket& command) {
  Bucket bucket;
  TRY(const bool found, tx.read(Table::other, keys::bucket_by_name(command.name()), bucket));
  if (!found) return refuse(NO_SUCH_BUCKET);
  const BucketId id = bucket.id();
  TRY(const auto objects, tx.scan(Table::objects, keys::rows_from(id, {})));
  if (objects->valid()) return refuse(BUCKET_NOT_EMPTY);

  std::vector<WholeUpload> uploads;
  TRY(const auto rows, tx.scan(Table::other, keys::uploads_of_bucket(id)));
  for (; rows->valid(); rows->next()) {
    TRY(auto stored, decode_upload(rows->value()));
    TRY(auto whole, load_parts(tx, std::move(stored)));
    uploads.push_back(std::move(whole));
  }
  TRY_OK(rows->status());
  for (const WholeUpload& upload : uploads) TRY_OK(discard_upload(tx, step, id, upload));
  tx.erase(Table::other, keys::bucket_by_name(command.name()));
  tx.erase(Table::other, keys::bucket_by_id(id));
  tx.known_buckets().erase(id);
  --tx.totals().buckets;
  CommandResult result;
  *result.mutable_bucket() = std::move(bucket);
  return result;
}

Result<CommandResult> set_cluster_state(Transaction& tx, const Step& step, SetClusterState& command) {
  std::string row;
  TRY(const bool found, tx.get(Table::other, keys::cluster_state(), row));
  const std::uint64_t version = found && row.size() >= 8 ? load_le<std::uint64_t>(row.data()) : 0;
  if (version != command.expected_version()) return refuse(STALE);
  ClusterState before;
  if (version != 0 && !before.ParseFromArray(row.data() + 8, static_cast<int>(row.size()) - 8)) {
    return Error(Errc::corrupt, "the cluster's state is damaged");
  }
  // A ring that changes without moving anything is not kept, and what was placed by the one before is still in place.
  if (drops_ring(before, command.state())) tx.totals().oldest_ring = oldest_ring(command.state());
  row.assign(8, '\0');
  store_le(row.data(), step.index);
  tx.put(Table::other, keys::cluster_state(), row + command.state().SerializeAsString());
  tx.totals().ring_epoch = command.state().ring_epoch();
  return CommandResult();
}

}  // namespace gabion::metadata::apply
