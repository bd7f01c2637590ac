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

// Nothing of the bucket that lies before `to` is another group's.
bool has_bucket_up_to(const GroupRange& range, BucketId id, const std::string& to) {
  const std::string from = keys::rows_from(id, {});
  std::string end = keys::successor(from);
  if (!to.empty() && (end.empty() || to < end)) end = to;
  return (!end.empty() && end <= from) || range.covers(from, end);
}

// Of what the group owns: a split may have left more.
Result<bool> has_no_objects(Transaction& tx, BucketId id) {
  const GroupRange& range = *tx.range();
  const std::string from = keys::rows_from(id, {});
  TRY(const auto rows, tx.scan(Table::objects, std::max(from, range.from), keys::successor(from)));
  return !rows->valid() || !range.owns(rows->key());
}

// Uploads that were not completed do not keep a bucket: they go with it.
Result<void> discard_uploads(Transaction& tx, const Step& step, BucketId id) {
  std::vector<WholeUpload> uploads;
  TRY(const auto rows, tx.scan(Table::other, keys::uploads_of_bucket(id)));
  for (; rows->valid(); rows->next()) {
    TRY(auto stored, decode_upload(rows->value()));
    TRY(auto whole, load_parts(tx, std::move(stored)));
    uploads.push_back(std::move(whole));
  }
  TRY_OK(rows->status());
  for (const WholeUpload& upload : uploads) TRY_OK(discard_upload(tx, step, id, upload));
  return {};
}

}  // namespace

Result<bool> takes_bucket(Transaction& tx, BucketId id) {
  if (tx.known_buckets().contains(id)) return true;
  bool takes = false;
  if (tx.range()->group == kRootGroup) {
    TRY(takes, tx.exists(Table::other, keys::bucket_by_id(id)));
  } else {
    BucketAccess access;
    TRY(const bool heard, tx.read(Table::other, keys::access(id), access));
    takes = heard && !access.closed();
  }
  if (takes) tx.known_buckets().insert(id);
  return takes;
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

Result<CommandResult> delete_bucket(Transaction& tx, const Step& step, DeleteBucket& command) {
  Bucket bucket;
  TRY(const bool found, tx.read(Table::other, keys::bucket_by_name(command.name()), bucket));
  if (!found) return refuse(NO_SUCH_BUCKET);
  const BucketId id = bucket.id();
  if (!has_bucket_up_to(*tx.range(), id, command.to())) return refuse(MOVED, "where the keys of group 0 end");
  const bool closed_elsewhere = !command.to().empty();
  if (closed_elsewhere && command.generation() != bucket.generation()) return refuse(STALE, "generation");
  TRY(const bool empty, has_no_objects(tx, id));
  if (!empty) return refuse(BUCKET_NOT_EMPTY);
  TRY_OK(discard_uploads(tx, step, id));
  tx.erase(Table::other, keys::bucket_by_name(command.name()));
  tx.erase(Table::other, keys::bucket_by_id(id));
  tx.known_buckets().erase(id);
  --tx.totals().buckets;
  CommandResult result;
  *result.mutable_bucket() = std::move(bucket);
  return result;
}

Result<CommandResult> close_bucket(Transaction& tx, const Step& step, CloseBucket& command) {
  const BucketId id = command.bucket();
  BucketAccess access;
  TRY_OK(tx.read(Table::other, keys::access(id), access));
  if (command.gone()) {
    TRY_OK(discard_uploads(tx, step, id));
    access.set_gone(true);
  } else {
    if (!tx.range()->covers(command.from(), command.to())) return refuse(MOVED);
    if (!access.closed() && access.generation() > command.generation()) return refuse(STALE, "generation");
    TRY(const bool empty, has_no_objects(tx, id));
    if (!empty) return refuse(BUCKET_NOT_EMPTY);
    // Also where it is closed already: who was to open it with a generation before this one is too late now.
    access.set_generation(std::max(access.generation(), command.generation()));
  }
  access.set_closed(true);
  tx.write(Table::other, keys::access(id), access);
  tx.known_buckets().erase(id);
  return CommandResult();
}

Result<CommandResult> raise_bucket(Transaction& tx, const Step& step, RaiseBucket& command) {
  std::string name;
  TRY(const bool found, tx.get(Table::other, keys::bucket_by_id(command.bucket()), name));
  if (!found) return refuse(NO_SUCH_BUCKET);
  CommandResult result;
  Bucket& bucket = *result.mutable_bucket();
  std::string row = keys::bucket_by_name(name);
  TRY(const bool complete, tx.read(Table::other, row, bucket));
  if (!complete) return Error(Errc::corrupt, "a bucket has an id and no record");
  bucket.set_generation(bucket.generation() + 1);
  tx.write(Table::other, std::move(row), bucket);
  return result;
}

// A deletion that closed the group with the same generation may have won in group 0 already.
Result<CommandResult> open_bucket(Transaction& tx, const Step& step, OpenBucket& command) {
  BucketAccess access;
  std::string row = keys::access(command.bucket());
  TRY_OK(tx.read(Table::other, row, access));
  if (access.gone()) return refuse(NO_SUCH_BUCKET);
  if (access.closed() && access.generation() >= command.generation()) return refuse(STALE, "generation");
  access.set_closed(false);
  access.set_generation(std::max(access.generation(), command.generation()));
  tx.write(Table::other, std::move(row), access);
  return CommandResult();
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
