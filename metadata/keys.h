// The rows of the state: how every kind of record is named in the store. Pure.
//
// Objects: bucket id (big-endian) | object key | 0x00 for the current version, so that a listing is one scan. Noncurrent
// versions will follow it as ... | 0x00 | inverted sequence. Object keys contain no 0x00. All that depends on how a
// bucket's names map to rows goes through object_row() .. key_of_row(): the seam where trees come in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "metadata/metadata.h"

namespace gabion::metadata::keys {

inline constexpr std::size_t kBucketSize = 8;

std::string object_row(BucketId bucket, std::string_view key);
// The first row that a key greater than `key` can have: past all versions of `key`.
std::string row_after_object(BucketId bucket, std::string_view key);
// Where keys that are not less than `key` start.
std::string rows_from(BucketId bucket, std::string_view key);
// The key that a row of the objects table belongs to, and whether it is its current version.
struct RowKey {
  std::string_view key;
  bool current = false;
};
inline RowKey key_of_row(std::string_view row) {
  const std::string_view rest = row.substr(kBucketSize);
  const auto* end = static_cast<const char*>(std::memchr(rest.data(), 0, rest.size()));
  const auto length = static_cast<std::size_t>(end == nullptr ? rest.size() : end - rest.data());
  return {rest.substr(0, length), length + 1 == rest.size()};
}

// The first text that is greater than every one that begins with `prefix`; empty when there is none.
std::string successor(std::string_view prefix);

std::string manifest(ManifestId id);                               // table manifests
std::string journal(BucketId bucket, std::uint64_t sequence);      // table journal

// Table other, by first byte.
std::string totals();
std::string bucket_by_name(std::string_view name);
std::string bucket_by_id(BucketId id);
std::string cluster_state();
std::string contents(ManifestId name);                           // whose contents they are, unless it is the id of the manifest
std::string doomed(ManifestId manifest);
std::string references(ManifestId manifest);
std::string repair(std::string_view block);
std::string upload(BucketId bucket, std::string_view key, std::string_view id);
std::string uploads_of(BucketId bucket, std::string_view key);     // prefix of all uploads of this key
std::string pending_key(BucketId bucket, std::string_view key);    // what all uploads of this key share
std::string upload_order(BucketId bucket, std::string_view key, WallMicros initiated, std::string_view id);
std::string uploads_in_order(BucketId bucket, std::string_view key_prefix);  // prefix of upload_order()
std::string uploads_after_key(BucketId bucket, std::string_view key);
std::string part(std::uint64_t upload_number, std::uint32_t number);
std::string parts(std::uint64_t upload_number);                    // prefix
std::string completed(BucketId bucket, std::string_view key, std::string_view upload_id);
std::string completed_order(std::uint64_t index);
std::string remembered(std::string_view command_id);
std::string remembered_place(std::uint64_t place);
// The prefix of everything of one kind.
std::string own_range();
std::string trimming();
std::string access(BucketId bucket);
std::string loan(std::string_view id);
std::string all_buckets();
std::string all_doomed();
std::string all_references();
std::string all_repairs();
std::string all_uploads();
std::string all_uploads_in_order();
std::string uploads_of_bucket(BucketId bucket);
std::string all_completed();
std::string all_bucket_ids();
std::string all_access();
std::string all_loans();

// The parts of upload_order(): nullopt when it is not one.
struct UploadOrder {
  std::string_view key;
  std::string_view id;
};
std::optional<UploadOrder> parse_upload_order(std::string_view row);

}  // namespace gabion::metadata::keys
