#include <algorithm>

#include "common/crc.h"
#include "metadata/apply.h"

namespace gabion::metadata::apply {
namespace {

constexpr std::uint32_t kPartNumberMax = 10'000;
constexpr std::size_t kUploadHeaderSize = 16;

// What all uploads of one key share: how many there are, and the last deletion of the key while there were any.
struct PendingKey {
  std::uint64_t uploads = 0;
  std::uint64_t deleted_sequence = 0;
};

Result<PendingKey> pending_key(Transaction& tx, BucketId bucket, std::string_view key) {
  std::string row;
  TRY(const bool found, tx.get(Table::other, keys::pending_key(bucket, key), row));
  if (!found) return PendingKey();
  if (row.size() != 16) return Error(Errc::corrupt, "a record of pending uploads is damaged");
  return PendingKey{load_le<std::uint64_t>(row.data()), load_le<std::uint64_t>(row.data() + 8)};
}

void set_pending_key(Transaction& tx, BucketId bucket, std::string_view key, const PendingKey& pending) {
  if (pending.uploads == 0) {
    tx.erase(Table::other, keys::pending_key(bucket, key));
    return;
  }
  std::string row(16, '\0');
  store_le(row.data(), pending.uploads);
  store_le(row.data() + 8, pending.deleted_sequence);
  tx.put(Table::other, keys::pending_key(bucket, key), std::move(row));
}

// The leaves that a slice of any manifest consists of. nullopt when the manifest is gone or smaller.
Result<std::optional<std::vector<Slice>>> flatten(Transaction& tx, const Adoptable& adoptable, const Slice& slice) {
  Manifest manifest;
  TRY(const bool found, find_shared(tx, adoptable, slice.manifest(), manifest));
  if (!found || slice.offset() > manifest.size() || slice.length() > manifest.size() - slice.offset()) {
    return std::optional<std::vector<Slice>>();
  }
  std::vector<Slice> leaves;
  if (manifest.slices_size() == 0) {
    leaves.push_back(slice);
    leaves.back().clear_group();
    return std::optional(std::move(leaves));
  }
  std::uint64_t skip = slice.offset();
  std::uint64_t left = slice.length();
  for (const Slice& piece : manifest.slices()) {
    if (left == 0) break;
    if (skip >= piece.length()) {
      skip -= piece.length();
      continue;
    }
    Slice leaf = piece;
    leaf.set_offset(piece.offset() + skip);
    leaf.set_length(std::min(piece.length() - skip, left));
    skip = 0;
    left -= leaf.length();
    leaves.push_back(std::move(leaf));
  }
  return std::optional(std::move(leaves));
}

// The manifest of a part that is made of existing bytes, with its references counted; nullopt when a source is gone.
Result<std::optional<ManifestId>> share_bytes(Transaction& tx, const Step& step, const PutPart& command, std::uint64_t& size) {
  const Adoptable adoptable(step, command.adopted());
  Manifest composite;
  for (const Slice& share : command.shares()) {
    if (share.length() == 0) continue;
    TRY(auto leaves, flatten(tx, adoptable, share));
    if (!leaves) return std::optional<ManifestId>();
    for (Slice& leaf : *leaves) {
      size += leaf.length();
      *composite.add_slices() = std::move(leaf);
    }
  }
  if (size == 0) return std::optional<ManifestId>(0);
  if (composite.slices_size() == 1 && composite.slices(0).offset() == 0) {
    const ManifestId leaf_id = composite.slices(0).manifest();
    Manifest leaf;
    TRY(const bool found, find_shared(tx, adoptable, leaf_id, leaf));
    if (found && leaf.size() == size) {
      TRY_OK(refer_to(tx, adoptable, leaf_id));
      return std::optional<ManifestId>(leaf_id);
    }
  }
  composite.set_size(size);
  for (const Slice& slice : composite.slices()) TRY_OK(refer_to(tx, adoptable, slice.manifest()));
  tx.write(Table::manifests, keys::manifest(step.made), composite);
  return std::optional<ManifestId>(step.made);
}

}  // namespace

std::string encode_upload(const StoredUpload& stored) {
  std::string row(kUploadHeaderSize, '\0');
  store_le(row.data(), stored.number);
  store_le(row.data() + 8, stored.sequence);
  stored.upload.AppendToString(&row);
  return row;
}

Result<StoredUpload> decode_upload(std::string_view row) {
  StoredUpload stored;
  if (row.size() < kUploadHeaderSize ||
      !stored.upload.ParseFromArray(row.data() + kUploadHeaderSize, static_cast<int>(row.size() - kUploadHeaderSize))) {
    return Error(Errc::corrupt, "the record of an upload is damaged");
  }
  stored.number = load_le<std::uint64_t>(row.data());
  stored.sequence = load_le<std::uint64_t>(row.data() + 8);
  return stored;
}

Result<std::optional<StoredUpload>> find_upload(Transaction& tx, BucketId bucket, std::string_view key, std::string_view id) {
  std::string row;
  TRY(const bool found, tx.get(Table::other, keys::upload(bucket, key, id), row));
  if (!found) return std::optional<StoredUpload>();
  TRY(auto stored, decode_upload(row));
  return std::optional<StoredUpload>(std::move(stored));
}

Result<void> note_deletion(Transaction& tx, BucketId bucket, const std::string& key) {
  if (tx.totals().uploads == 0) return {};
  TRY(PendingKey pending, pending_key(tx, bucket, key));
  if (pending.uploads == 0) return {};
  pending.deleted_sequence = tx.totals().sequence;
  set_pending_key(tx, bucket, key, pending);
  return {};
}

Result<bool> key_deleted_since(Transaction& tx, BucketId bucket, std::string_view key, std::uint64_t sequence) {
  TRY(const PendingKey pending, pending_key(tx, bucket, key));
  return pending.deleted_sequence > sequence;
}

Result<WholeUpload> load_parts(Transaction& tx, StoredUpload stored) {
  WholeUpload whole;
  TRY(const auto rows, tx.scan(Table::other, keys::parts(stored.number)));
  for (; rows->valid(); rows->next()) {
    Part part;
    if (!part.ParseFromArray(rows->value().data(), static_cast<int>(rows->value().size()))) {
      return Error(Errc::corrupt, "the record of a part is damaged");
    }
    whole.parts.push_back(std::move(part));
  }
  TRY_OK(rows->status());
  whole.stored = std::move(stored);
  return whole;
}

Result<void> remove_upload(Transaction& tx, BucketId bucket, const WholeUpload& whole) {
  const Upload& upload = whole.stored.upload;
  for (const Part& part : whole.parts) tx.erase(Table::other, keys::part(whole.stored.number, part.number()));
  tx.erase(Table::other, keys::upload(bucket, upload.key(), upload.id()));
  tx.erase(Table::other, keys::upload_order(bucket, upload.key(), upload.initiated_us(), upload.id()));
  TRY(PendingKey pending, pending_key(tx, bucket, upload.key()));
  if (pending.uploads != 0) --pending.uploads;
  set_pending_key(tx, bucket, upload.key(), pending);
  --tx.totals().uploads;
  return {};
}

Result<void> discard_upload(Transaction& tx, const Step& step, BucketId bucket, const WholeUpload& whole) {
  TRY_OK(remove_upload(tx, bucket, whole));
  for (const Part& part : whole.parts) {
    if (part.manifest() != 0) TRY_OK(drop_reference(tx, step, part.manifest()));
  }
  return {};
}

Result<CommandResult> create_upload(Transaction& tx, const Step& step, CreateUpload& command) {
  TRY(const bool in_bucket, takes_bucket(tx, command.bucket()));
  if (!in_bucket) return refuse(NO_SUCH_BUCKET);
  Upload& upload = *command.mutable_upload();
  TRY(const auto existing, find_upload(tx, command.bucket(), upload.key(), upload.id()));
  if (existing) return CommandResult();  // proposed twice
  StoredUpload stored;
  stored.number = step.index;
  stored.sequence = tx.totals().sequence;
  stored.upload.Swap(&upload);
  stored.upload.set_initiated_us(step.time_us);
  const std::string& key = stored.upload.key();
  tx.put(Table::other, keys::upload(command.bucket(), key, stored.upload.id()), encode_upload(stored));
  tx.put(Table::other, keys::upload_order(command.bucket(), key, step.time_us, stored.upload.id()), {});
  TRY(PendingKey pending, pending_key(tx, command.bucket(), key));
  ++pending.uploads;
  set_pending_key(tx, command.bucket(), key, pending);
  ++tx.totals().uploads;
  return CommandResult();
}

Result<CommandResult> put_part(Transaction& tx, const Step& step, PutPart& command) {
  TRY(const bool in_bucket, takes_bucket(tx, command.bucket()));
  if (!in_bucket) return refuse(NO_SUCH_BUCKET);
  TRY(const auto stored, find_upload(tx, command.bucket(), command.key(), command.upload_id()));
  if (!stored) return refuse(NO_SUCH_UPLOAD);
  if (placed_by_dropped_ring(tx, command.manifest())) return refuse(STALE);
  Part& part = *command.mutable_part();
  if (part.number() == 0 || part.number() > kPartNumberMax) {
    CommandResult refusal = refuse(INVALID_PART);
    refusal.set_part(part.number());
    return refusal;
  }
  Part old;
  const std::string row = keys::part(stored->number, part.number());
  TRY(const bool replaced, tx.read(Table::other, row, old));

  part.set_manifest(0);
  if (command.shares_size() != 0) {
    std::uint64_t size = 0;
    TRY(const auto manifest, share_bytes(tx, step, command, size));
    if (!manifest) return refuse(SOURCE_GONE);
    part.set_manifest(*manifest);
    part.set_size(size);
  } else if (command.has_manifest()) {
    part.set_manifest(step.made);
    part.set_size(command.manifest().size());
    tx.write(Table::manifests, keys::manifest(step.made), command.manifest());
    add_stale_placements(tx, command.manifest(), *command.mutable_intents());
    TRY_OK(add_intents(tx, step.made, *command.mutable_intents()));
  }
  part.set_modified_us(step.time_us);
  tx.write(Table::other, row, part);
  if (replaced && old.manifest() != 0) TRY_OK(drop_reference(tx, step, old.manifest()));
  CommandResult result;
  result.mutable_version()->set_size(part.size());
  result.mutable_version()->set_modified_us(part.modified_us());
  result.mutable_version()->set_etag(part.md5());
  return result;
}

Result<CommandResult> abort_upload(Transaction& tx, const Step& step, AbortUpload& command) {
  TRY(const bool in_bucket, takes_bucket(tx, command.bucket()));
  if (!in_bucket) return refuse(NO_SUCH_BUCKET);
  TRY(auto stored, find_upload(tx, command.bucket(), command.key(), command.upload_id()));
  if (!stored) return refuse(NO_SUCH_UPLOAD);
  TRY(const auto whole, load_parts(tx, *std::move(stored)));
  TRY_OK(discard_upload(tx, step, command.bucket(), whole));
  return CommandResult();
}

}  // namespace gabion::metadata::apply
