#include "metadata/keys.h"

namespace gabion::metadata::keys {
namespace {

// The kinds of the table `other`. Part of the format: never change or reuse one.
constexpr char kTotals = 'a';
constexpr char kAccess = 'A';
constexpr char kBucketByName = 'b';
constexpr char kBucketById = 'B';
constexpr char kCluster = 'c';
constexpr char kContents = 'C';
constexpr char kDoomed = 'd';
constexpr char kOwnRange = 'g';
constexpr char kCompleted = 'k';
constexpr char kCompletedOrder = 'K';
constexpr char kLoan = 'l';
constexpr char kRemembered = 'm';
constexpr char kRememberedPlace = 'M';
constexpr char kPart = 'p';
constexpr char kPendingKey = 'q';
constexpr char kReferences = 'r';
constexpr char kRepair = 'R';
constexpr char kTrimming = 't';
constexpr char kUpload = 'U';
constexpr char kUploadOrder = 'u';

std::string numbered(char kind, std::uint64_t number) {
  std::string out(1, kind);
  append_be64(out, number);
  return out;
}

std::string in_bucket(char kind, BucketId bucket, std::string_view key) {
  std::string out;
  out.reserve(1 + kBucketSize + key.size() + 40);
  out.push_back(kind);
  append_be64(out, bucket);
  out.append(key);
  return out;
}

}  // namespace

std::string rows_from(BucketId bucket, std::string_view key) {
  std::string row;
  row.reserve(kBucketSize + key.size() + 1);
  append_be64(row, bucket);
  row.append(key);
  return row;
}

std::string object_row(BucketId bucket, std::string_view key) {
  std::string row = rows_from(bucket, key);
  row.push_back('\0');
  return row;
}

std::string row_after_object(BucketId bucket, std::string_view key) {
  std::string row = rows_from(bucket, key);
  row.push_back('\x01');
  return row;
}

std::string successor(std::string_view prefix) {
  std::string out(prefix);
  while (!out.empty() && static_cast<unsigned char>(out.back()) == 0xff) out.pop_back();
  if (!out.empty()) out.back() = static_cast<char>(static_cast<unsigned char>(out.back()) + 1);
  return out;
}

std::string manifest(ManifestId id) {
  std::string out;
  append_be64(out, id);
  return out;
}

std::string journal(BucketId bucket, std::uint64_t sequence) {
  std::string out;
  append_be64(out, bucket);
  append_be64(out, sequence);
  return out;
}

std::string totals() { return {kTotals}; }
std::string bucket_by_name(std::string_view name) { return std::string(1, kBucketByName).append(name); }
std::string bucket_by_id(BucketId id) { return numbered(kBucketById, id); }
std::string cluster_state() { return {kCluster}; }
std::string contents(ManifestId name) { return numbered(kContents, name); }
std::string doomed(ManifestId id) { return numbered(kDoomed, id); }
std::string references(ManifestId id) { return numbered(kReferences, id); }
std::string repair(std::string_view block) { return std::string(1, kRepair).append(block); }

std::string uploads_of(BucketId bucket, std::string_view key) {
  std::string out = in_bucket(kUpload, bucket, key);
  out.push_back('\0');
  return out;
}
std::string upload(BucketId bucket, std::string_view key, std::string_view id) {
  return uploads_of(bucket, key).append(id);
}
std::string pending_key(BucketId bucket, std::string_view key) { return in_bucket(kPendingKey, bucket, key); }
std::string upload_order(BucketId bucket, std::string_view key, WallMicros initiated, std::string_view id) {
  std::string out = in_bucket(kUploadOrder, bucket, key);
  out.push_back('\0');
  append_be64(out, initiated);
  out.append(id);
  return out;
}
std::string uploads_in_order(BucketId bucket, std::string_view key_prefix) {
  return in_bucket(kUploadOrder, bucket, key_prefix);
}
std::string uploads_after_key(BucketId bucket, std::string_view key) {
  std::string out = in_bucket(kUploadOrder, bucket, key);
  out.push_back('\x01');
  return out;
}

std::string parts(std::uint64_t upload_number) { return numbered(kPart, upload_number); }
std::string part(std::uint64_t upload_number, std::uint32_t number) {
  std::string out = parts(upload_number);
  append_be32(out, number);
  return out;
}

std::string completed(BucketId bucket, std::string_view key, std::string_view upload_id) {
  std::string out = in_bucket(kCompleted, bucket, key);
  out.push_back('\0');
  return out.append(upload_id);
}
std::string completed_order(std::uint64_t index) { return numbered(kCompletedOrder, index); }

std::string remembered(std::string_view command_id) { return std::string(1, kRemembered).append(command_id); }
std::string remembered_place(std::uint64_t place) { return numbered(kRememberedPlace, place); }

std::string own_range() { return {kOwnRange}; }
std::string trimming() { return {kTrimming}; }
std::string access(BucketId bucket) { return numbered(kAccess, bucket); }
std::string loan(std::string_view id) { return std::string(1, kLoan).append(id); }

std::string all_buckets() { return {kBucketByName}; }
std::string all_doomed() { return {kDoomed}; }
std::string all_references() { return {kReferences}; }
std::string all_repairs() { return {kRepair}; }
std::string all_uploads() { return {kUpload}; }
std::string all_uploads_in_order() { return {kUploadOrder}; }
std::string uploads_of_bucket(BucketId bucket) { return numbered(kUpload, bucket); }
std::string all_completed() { return {kCompletedOrder}; }
std::string all_bucket_ids() { return {kBucketById}; }
std::string all_access() { return {kAccess}; }
std::string all_loans() { return {kLoan}; }

std::optional<UploadOrder> parse_upload_order(std::string_view row) {
  if (row.size() < 1 + kBucketSize || row[0] != kUploadOrder) return std::nullopt;
  row.remove_prefix(1 + kBucketSize);
  const auto end = row.find('\0');
  if (end == std::string_view::npos || row.size() < end + 9) return std::nullopt;
  return UploadOrder{row.substr(0, end), row.substr(end + 9)};
}

}  // namespace gabion::metadata::keys
